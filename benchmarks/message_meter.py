"""What every process of a measurement of messages knows: what to send, and what to note."""

from __future__ import annotations

import atexit
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

TICKS = "ticks.npy"
PEERS = 8


def plan_of(sizes: dict[int, int]) -> str:
    """Return a plan as a setting: how many turns with messages of how many bytes."""
    return " ".join(f"{size}x{turns}" for size, turns in sizes.items())


def turns_of(plan: str) -> list[int]:
    """Return the bytes of the message of every turn."""
    parts = (part.split("x") for part in plan.split())
    return [int(size) for size, turns in parts for _ in range(int(turns))]


class Arrays:
    """The arrays that are sent, made when they are first needed."""

    def __init__(self) -> None:
        self._made = np.empty(0)

    def of(self, size: int) -> np.ndarray:
        """Return an array of so many bytes."""
        if self._made.nbytes != size:
            self._made = np.arange(max(1, size // 8), dtype=float)
        return self._made


class Meter:
    """Notes wall and CPU time of this process, all its threads together, at every turn."""

    def __init__(self, path: str = TICKS) -> None:
        self._path = Path(path)
        self._rows: list[tuple[int, float, float]] = []
        atexit.register(self.save)

    def tick(self, size: int) -> None:
        """Note that a turn with messages of `size` bytes begins."""
        self._rows.append((size, time.perf_counter(), time.process_time()))

    def save(self) -> None:
        """Leave the notes in a file, if there are any."""
        if self._rows:
            np.save(self._path, np.array(self._rows))


def per_turn(path: Path) -> Iterator[tuple[int, float, float]]:
    """Yield bytes, median wall and mean CPU time of a turn in s, the first fifth left out."""
    size, wall, cpu = np.load(path).T
    for wanted in np.unique(size):
        # the last turn of a size ends where the array of the next one has been made
        (turns,) = np.nonzero((size[:-1] == wanted) & (size[1:] == wanted))
        if len(turns) == 0:
            continue
        kept = turns[len(turns) // 5 :]
        wall_each, cpu_each = wall[kept + 1] - wall[kept], cpu[kept + 1] - cpu[kept]
        yield int(wanted), float(np.median(wall_each)), float(np.mean(cpu_each))
