"""Where everything in a diagram stands."""

from __future__ import annotations

from collections.abc import Sequence

from manyscale.drawing.geometry import Point
from manyscale.drawing.level import Level
from manyscale.drawing.parts import Box, Parts
from manyscale.drawing.spots import Layout, Pieces


def layout(parts: Parts) -> Layout:
    """Return the places of everything in a diagram."""
    wires = {n: (c.sender, c.receiver) for n, c in enumerate(parts.conduits)}
    level = Level("", parts.boxes, wires, parts.conduits, (), ())
    found = Layout(size=(level.width, level.height))
    pieces: Pieces = {n: [] for n in wires}
    level.emit(found, pieces, 0.0, 0.0)
    places: dict[tuple[Box, str], list[Point]] = {}
    for pin in found.pins:
        places.setdefault((pin.box, pin.port), []).append(pin.at)
    for n, conduit in enumerate(parts.conduits):
        starts = places[conduit.sender, conduit.out]
        line = _joined(pieces[n], starts)
        found.lines[conduit] = [(round(x, 4), round(y, 4)) for x, y in line]
    return found


def _joined(pieces: list[list[Point]], starts: Sequence[Point]) -> list[Point]:
    """Return pieces of one line end to end, from the sender."""
    left = list(pieces)
    first = next(p for p in left for at in starts if _near(p[0], at) or _near(p[-1], at))
    left.remove(first)
    line = first if any(_near(first[0], at) for at in starts) else first[::-1]
    while left:
        piece = next(p for p in left if _near(p[0], line[-1]) or _near(p[-1], line[-1]))
        left.remove(piece)
        line = line + (piece if _near(piece[0], line[-1]) else piece[::-1])[1:]
    return line


def _near(a: Point, b: Point) -> bool:
    return abs(a[0] - b[0]) + abs(a[1] - b[1]) < 1e-6
