"""Where an instance stands: one small memory-mapped file, written without a system call."""

from __future__ import annotations

import json
import mmap
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLOCK_FILE = "clock.bin"
FAILURE_FILE = "failure.json"
_LAYOUT = struct.Struct("<ddddqq")
STARTING, RUNNING, DONE, FAILED = range(4)


@dataclass(frozen=True)
class Standing:
    """What an instance last told: simulated time, passes, turns and phase."""

    now: float
    end: float
    started: float
    updated: float
    turns: int
    phase: int


class Telemetry:
    """Writes the standing of one instance."""

    def __init__(self, folder: Path) -> None:
        path = folder / CLOCK_FILE
        path.write_bytes(bytes(_LAYOUT.size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _LAYOUT.size)
        self._started = time.time()
        self.turns = 0
        self._now = self._end = 0.0
        self.tell(STARTING)

    def until(self, end: float) -> None:
        """Say at what simulated time this instance will be done, as far as it knows."""
        self._end = end

    def turn(self, now: float, *, counts: bool) -> None:
        """Note that simulated time `now` is reached, and count the turn."""
        self.turns += counts
        self._now = now
        self.tell(RUNNING)

    def resume(self, now: float, turns: int) -> None:
        """Go on counting from a snapshot."""
        self._now, self.turns = now, turns
        self.tell(RUNNING)

    def tell(self, phase: int) -> None:
        """Write the standing."""
        record = (self._now, self._end, self._started, time.time(), self.turns, phase)
        _LAYOUT.pack_into(self._memory, 0, *record)


def tell_failure(folder: Path, record: dict[str, Any]) -> None:
    """Leave why an instance failed; whole or not at all, whenever the process is ended."""
    new = folder / f"{FAILURE_FILE}.new"
    new.write_text(json.dumps(record))
    new.replace(folder / FAILURE_FILE)


def read(folder: Path) -> Standing | None:
    """Return an instance's last standing, None if it has not told any."""
    try:
        data = (folder / CLOCK_FILE).read_bytes()
    except OSError:
        return None
    return Standing(*_LAYOUT.unpack(data)) if len(data) == _LAYOUT.size else None
