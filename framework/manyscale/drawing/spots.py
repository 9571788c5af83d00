"""What stands in a column of a diagram: components with their ports, and passing lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from manyscale.drawing.geometry import Area, Point
from manyscale.drawing.lettering import width
from manyscale.drawing.parts import Box, Conduit

TITLE, SMALL, TINY = 9.0, 6.8, 6.0
"""Sizes of letters [pt]: names; programs, ports, filters; slots."""
PITCH = 0.235
HEADER = 0.47
FOOT = 0.07
SEPARATION = 0.34
STACK = 0.05
STUB = 0.16

Pieces = dict[int, list[list[Point]]]
"""Stretches of every line, in any order and direction."""


@dataclass(frozen=True)
class Pin:
    """A port as drawn, on the left or the right edge of its box."""

    box: Box
    port: str
    operator: str
    side: str
    at: Point
    connected: bool


@dataclass
class Layout:
    """Places of boxes, frames, ports and lines."""

    boxes: dict[Box, Area] = field(default_factory=dict)
    frames: dict[str, Area] = field(default_factory=dict)
    pins: list[Pin] = field(default_factory=list)
    lines: dict[Conduit, list[Point]] = field(default_factory=dict)
    """From sender to receiver; horizontal between points of one height, else a curve."""
    size: Point = (0.0, 0.0)
    columns: dict[str, int] = field(default_factory=dict)
    """Column of every box and nested model within its model, from 0."""


@dataclass(frozen=True)
class Turn:
    """Where a line passes a column between boxes, or leaves the model."""

    wire: int
    column: int
    height: float = PITCH


class Placed:
    """A box in a column: ports in rows on either edge."""

    def __init__(self, box: Box, conduits: Sequence[Conduit]) -> None:
        self.box, self._conduits = box, conduits
        self._rows: dict[str, list[str]] = {"left": [], "right": []}
        self._connected: set[tuple[str, str]] = set()

    def settle(self, sides: Mapping[str, Sequence[int]]) -> None:
        """Put the ports in the order in which their lines `sides` arrive."""
        for side, wires in sides.items():
            rows = self._rows[side]
            places: dict[str, list[int]] = {}
            for place, wire in enumerate(wires):
                places.setdefault(self._port(wire), []).append(place)
            rows += sorted(places, key=lambda p: sum(places[p]) / len(places[p]))
            self._connected |= {(side, port) for port in rows}
        free = self.box.ports.keys() - {port for _, port in self._connected}
        for port, operator in self.box.ports.items():
            if port in free:
                self._rows["right" if operator in ("o_i", "o_f") else "left"].append(port)

    def _port(self, wire: int) -> str:
        conduit = self._conduits[wire]
        return conduit.out if conduit.sender is self.box else conduit.into

    @cached_property
    def width(self) -> float:
        """Width that holds the names."""
        names = [max((width(p, SMALL) for p in row), default=0.0) for row in self._rows.values()]
        head = width(self.box.title, TITLE, True) + width(self.box.times, TITLE) + 0.1
        return max(1.15, head + 0.3, width(self.box.program, SMALL) + 0.3, sum(names) + 0.46)

    @property
    def height(self) -> float:
        """Height that holds all rows."""
        return HEADER + PITCH * max(map(len, self._rows.values())) + FOOT

    def pin(self, wire: int, side: str) -> float:
        """Return how far below the top a line meets the box."""
        return HEADER + PITCH * (self._rows[side].index(self._port(wire)) + 0.5)

    def emit(self, found: Layout, pieces: Pieces, x: float, y: float) -> None:
        """Put box and ports into the layout, shifted by x and y."""
        found.boxes[self.box] = Area(x, y, self.width, self.height)
        for side, rows in self._rows.items():
            for row, port in enumerate(rows):
                at = (x + self.width * (side == "right"), y + HEADER + PITCH * (row + 0.5))
                operator, used = self.box.ports.get(port, ""), (side, port) in self._connected
                found.pins.append(Pin(self.box, port, operator, side, at, used))


def written(conduit: Conduit, receives: bool) -> float:
    """Return the room for filters and slots at one end of a conduit."""
    slots = width(conduit.slots[receives], TINY) + 0.1 if conduit.slots[receives] else 0.0
    stack = 2 * STACK * bool((conduit.receiver if receives else conduit.sender).sizes)
    return STUB + stack + slots + (pill(conduit) + 0.1 if receives and conduit.filters else 0.0)


def pill(conduit: Conduit) -> float:
    """Return the width of the label with a conduit's filters."""
    return width(" ".join(conduit.filters), SMALL) + 0.14
