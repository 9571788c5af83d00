"""Where an instance stands: one small memory-mapped file, written without a system call."""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLOCK_FILE = "clock.bin"
FAILURE_FILE = "failure.json"
STANDING_FILE = "standing.json"
_SELDOM = 0.5  # s, between two writings of what an engine shows
_LAYOUT = struct.Struct("<ddddqq")
_DOING = struct.Struct("<dd32s")  # since, at, what
_SIZE = _LAYOUT.size + _DOING.size
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
    since: float
    """Wall-clock time at which it began what it is doing."""
    at: float
    doing: str

    @property
    def waits(self) -> bool:
        """Whether it waits for others rather than others for it."""
        return self.doing.startswith(("receiving", "waiting"))

    @property
    def position(self) -> str:
        """What it is doing, and at which simulated time."""
        return self.doing if math.isnan(self.at) else f"{self.doing} at t = {self.at:g} s"

    @property
    def idle(self) -> float:
        """For how long it has been doing that, in s of wall time."""
        return time.time() - max(self.since, self.updated)


class Telemetry:
    """Writes the standing of one instance, or of one rank of it."""

    def __init__(self, folder: Path, rank: int = 0) -> None:
        path = folder / _name(rank)
        path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _SIZE)
        self._folder, self._shown = folder, -math.inf
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

    def does(self, doing: str, at: float | None) -> None:
        """Say what the instance begins to do, and at which simulated time."""
        now = math.nan if at is None else at
        _DOING.pack_into(self._memory, _LAYOUT.size, time.time(), now, doing.encode()[:32])

    def show(self, standing: Mapping[str, Any], *, at_once: bool = False) -> None:
        """Write what an engine shows of itself, now and then."""
        now = time.monotonic()
        if standing and (at_once or now >= self._shown + _SELDOM):
            self._shown = now
            new = self._folder / f".{STANDING_FILE}.new"
            new.write_text(json.dumps(standing))
            new.replace(self._folder / STANDING_FILE)

    def tell(self, phase: int) -> None:
        """Write the standing."""
        record = (self._now, self._end, self._started, time.time(), self.turns, phase)
        _LAYOUT.pack_into(self._memory, 0, *record)


def tell_failure(folder: Path, record: dict[str, Any]) -> None:
    """Leave why an instance failed; whole or not at all, whenever the process is ended.

    Of several ranks the first one is heard.
    """
    new = folder / f"{FAILURE_FILE}.{uuid.uuid4().hex}.new"  # ranks may share a process id
    new.write_text(json.dumps(record))
    target = folder / FAILURE_FILE
    try:
        os.link(new, target)  # unlike a replacement it is refused if there is one
    except FileExistsError:
        pass
    except OSError:  # no hard links here
        if not target.exists():
            new.replace(target)
    finally:
        new.unlink(missing_ok=True)


def read(folder: Path, rank: int = 0) -> Standing | None:
    """Return an instance's last standing, None if it has not told any."""
    try:
        data = (folder / _name(rank)).read_bytes()
    except OSError:
        return None
    if len(data) != _SIZE:
        return None
    since, at, doing = _DOING.unpack_from(data, _LAYOUT.size)
    what = doing.rstrip(b"\0").decode(errors="replace")
    told = [*_LAYOUT.unpack_from(data), since, at, what]
    return Standing(*told)


def read_ranks(folder: Path) -> dict[int, Standing]:
    """Return the standing of every rank of an instance that has told one."""
    ranks = range(len(list(folder.glob(CLOCK_FILE.replace(".", "*.")))))
    found = {rank: read(folder, rank) for rank in ranks}
    return {rank: standing for rank, standing in found.items() if standing is not None}


def _name(rank: int) -> str:
    return CLOCK_FILE if rank == 0 else CLOCK_FILE.replace(".", f".{rank}.")
