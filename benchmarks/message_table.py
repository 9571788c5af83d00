"""What was measured of messages: medians over repetitions, as a table and as a figure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from message_meter import per_turn


class Turn(NamedTuple):
    """Times of one round trip in s."""

    wall: float
    asker: float
    """CPU time of the process that asks."""
    other: float
    """CPU time of a process that answers."""


class Measured(dict[int, Turn]):
    """The times of one coupling by size of message."""

    @classmethod
    def of(cls, asker: Path, others: Iterable[Path]) -> Measured:
        """Return what processes have noted."""
        cpu: dict[int, list[float]] = {}
        for path in others:
            for size, _, seconds in per_turn(path):
                cpu.setdefault(size, []).append(seconds)
        return cls(
            (size, Turn(wall, own, statistics.mean(cpu[size])))
            for size, wall, own in per_turn(asker)
            if size in cpu
        )


@dataclass
class Table:
    """The rows of one pattern."""

    title: str
    labels: dict[str, str]
    base: str
    """The row that others are compared with."""
    found: dict[str, list[Measured]] = field(default_factory=dict)

    def add(self, row: str, measured: Measured) -> None:
        """Add a repetition."""
        self.found.setdefault(row, []).append(measured)

    def sizes(self) -> list[int]:
        """Return the sizes that were measured."""
        return sorted({size for some in self.found.values() for one in some for size in one})

    def median(self, row: str, size: int) -> Turn:
        """Return the medians of a row."""
        turns = [one[size] for one in self.found[row] if size in one]
        return Turn(*map(statistics.median, zip(*turns, strict=True)))

    def text(self) -> str:
        """Return the table for people."""
        of = f"of {self.base}"
        head = f"{'bytes':>10} {'':30} {'trip ms':>9} {of:>8} {'times':>6}"
        cpu = f"{'CPU ms asker':>13} {of:>8} {'answering':>10} {of:>8}"
        lines = [f"\n{self.title}", f"{head} {cpu}"]
        for size in self.sizes():
            lines += [self._line(row, size) for row in self.labels if row in self.found]
        return "\n".join(lines)

    def _line(self, row: str, size: int) -> str:
        turn = self.median(row, size)
        base = (
            self.median(self.base, size) if self.base in self.found else Turn(*[float("nan")] * 3)
        )
        of = [mine / its for mine, its in zip(turn, base, strict=True)]
        ms = [1e3 * seconds for seconds in turn]
        return (
            f"{size:>10} {self.labels[row]:30} {ms[0]:>9.3f} {of[0]:>8.3f} {1 / of[0]:>6.1f}"
            f" {ms[1]:>13.3f} {of[1]:>8.3f} {ms[2]:>10.3f} {of[2]:>8.3f}"
        )

    def raw(self) -> dict:
        """Return all numbers."""
        rows = {
            row: [{str(size): turn._asdict() for size, turn in one.items()} for one in some]
            for row, some in self.found.items()
        }
        return {"title": self.title, "rows": rows}


def draw(tables: list[Table], path: Path) -> None:
    """Draw round trip over size, a panel for each table."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5 * len(tables), 4.5), layout="constrained", dpi=120)
    panels = figure.subplots(1, len(tables), squeeze=False, sharey=True)[0]
    for panel, table in zip(panels, tables, strict=True):
        for number, (row, label) in enumerate(table.labels.items()):
            if row in table.found:
                sizes = table.sizes()
                ms = [1e3 * table.median(row, size).wall for size in sizes]
                panel.loglog(sizes, ms, marker="o", color=f"C{_colour(row, number)}", label=label)
        panel.set_title(table.title, fontsize=9)
        panel.set_xlabel("message [bytes]")
        panel.legend(fontsize=7)
    panels[0].set_ylabel("round trip [ms]")
    figure.savefig(path)


def _colour(row: str, number: int) -> int:
    """Return the colour of a row, the same in every panel."""
    known = ("bare", "stock", "payload", "ring", "ring,spin", "lean", "fast", "tcp", "memory")
    return known.index(row) if row in known else number
