"""Lays out one model: its components and nested models in columns, with lines between.

Callers stand left of what they call. A nested model is laid out for itself and then stands in
the columns around it like a box, so a frame never holds what is not in the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from manyscale.drawing.geometry import Area, Point
from manyscale.drawing.heights import heights
from manyscale.drawing.layers import arranged, directed, ranks
from manyscale.drawing.lettering import width
from manyscale.drawing.parts import Box, Conduit
from manyscale.drawing.spots import (
    PITCH,
    SEPARATION,
    STACK,
    STUB,
    TITLE,
    Layout,
    Pieces,
    Placed,
    Turn,
    written,
)

GAP = 0.55
MARGIN = 0.16
FRAME_TITLE = 0.32


class Frame:
    """A nested model in a column: laid out once its lines have an order."""

    def __init__(
        self, path: str, boxes: Sequence[Box], wires: Mapping[int, Any], conduits: Any
    ) -> None:
        self.path, self._boxes, self._wires, self._conduits = path, boxes, wires, conduits

    def settle(self, sides: Mapping[str, Sequence[int]]) -> None:
        """Lay out the model, its lines at either edge in this order."""
        inside = set(self._boxes)
        wires = {
            n: (a if a in inside else None, b if b in inside else None)
            for n, (a, b) in self._wires.items()
            if a in inside or b in inside
        }
        left, right = sides["left"], sides["right"]
        self.level = Level(self.path, self._boxes, wires, self._conduits, left, right)

    @property
    def width(self) -> float:
        """Width with everything inside."""
        return max(self.level.width, width(self.path, TITLE, True) + 0.3)

    @property
    def height(self) -> float:
        """Height with everything inside."""
        return self.level.height + FRAME_TITLE + MARGIN

    def pin(self, wire: int, side: str) -> float:
        """Return how far below the top a line meets the frame."""
        return self.level.ends[wire] + FRAME_TITLE

    def emit(self, found: Layout, pieces: Pieces, x: float, y: float) -> None:
        """Put frame and content into the layout, shifted by x and y."""
        found.frames[self.path] = Area(x, y, self.width, self.height)
        self.level.emit(found, pieces, x, y + FRAME_TITLE)


Spot = Placed | Frame | Turn


class Level:
    """One model: its components and nested models in columns."""

    def __init__(
        self,
        path: str,
        boxes: Sequence[Box],
        wires: Mapping[int, tuple[Box | None, Box | None]],
        conduits: Sequence[Conduit],
        left: Sequence[int],
        right: Sequence[int],
    ) -> None:
        self._conduits = conduits
        self._spots = dict(_grouped(path, boxes, wires, conduits))
        self._own = {n: w for n, w in wires.items() if self._between(w)}
        self._loops = [n for n, (a, b) in wires.items() if a is b and a and self._is_box(a)]
        spots = list(dict.fromkeys(self._spots.values()))
        edges = [(*self._ends(n), conduits[n].pattern) for n in self._own]
        known = [edge for edge in edges if None not in edge[:2]]
        self.rank = {s: r + 1 for s, r in ranks(spots, directed(known)).items()}
        self._last = max(self.rank.values()) + 1
        self._columns: list[list[Spot]] = [[] for _ in range(self._last + 1)]
        self._columns[0] = [Turn(n, 0) for n in left]
        for spot in spots:
            self._columns[self.rank[spot]].append(spot)
        self._chains = {n: self._chain(n, n in left) for n in self._own}
        self._columns[-1] = [Turn(n, self._last) for n in right]
        self._order()
        self._top = self._heights()
        self._x, self._widths = self._across()

    def _is_box(self, box: Box) -> bool:
        return isinstance(self._spots[box], Placed)

    def _between(self, wire: tuple[Box | None, Box | None]) -> bool:
        a, b = (None if box is None else self._spots[box] for box in wire)
        return a is not b

    def _ends(self, wire: int) -> list[Any]:
        conduit = self._conduits[wire]
        return [self._spots.get(box) for box in (conduit.sender, conduit.receiver)]

    def _chain(self, wire: int, left: bool) -> list[Spot]:
        """Return what a line meets from left to right: its ends, and a turn per column between."""
        outside = Turn(wire, 0 if left else self._last)
        ends: list[Any] = [spot or outside for spot in self._ends(wire)]
        ends.sort(key=self._column)
        first, last = map(self._column, ends)
        turns = [Turn(wire, column) for column in range(first + 1, last)]
        for turn in turns:
            self._columns[turn.column].append(turn)
        return [ends[0], *turns, ends[1]]

    def _column(self, spot: Spot) -> int:
        return spot.column if isinstance(spot, Turn) else self.rank[spot]

    def _order(self) -> None:
        gaps: list[list[Any]] = [[] for _ in range(self._last)]
        for chain in self._chains.values():
            for pair in pairwise(chain):
                gaps[self._column(pair[0])].append(pair)
        arranged(self._columns, gaps, {0, self._last})
        place = {spot: i for column in self._columns for i, spot in enumerate(column)}
        sides: dict[Any, dict[str, list[tuple[int, int]]]] = {
            spot: {"left": [], "right": []} for spot in self.rank
        }
        for wire, chain in self._chains.items():
            if chain[0] in sides:
                sides[chain[0]]["right"].append((place[chain[1]], wire))
            if chain[-1] in sides:
                sides[chain[-1]]["left"].append((place[chain[-2]], wire))
        for wire in self._loops:
            for side in sides[self._ends(wire)[0]].values():
                side.append((-1, wire))
        self._settle(sides)

    def _settle(self, sides: Mapping[Any, Mapping[str, list[tuple[int, int]]]]) -> None:
        """Give every spot its lines in order; those to one neighbour as a nested model likes."""
        ties: dict[int, float] = {}
        for spot in sorted(sides, key=lambda spot: isinstance(spot, Placed)):
            found = {
                side: sorted((place, ties.get(wire, wire), wire) for place, wire in lines)
                for side, lines in sides[spot].items()
            }
            spot.settle({side: [wire for *_, wire in lines] for side, lines in found.items()})
            if isinstance(spot, Frame):
                inner = spot.level.wishes
                found = {
                    side: sorted((place, inner[wire], wire) for place, _, wire in lines)
                    for side, lines in found.items()
                }
                spot.settle({side: [wire for *_, wire in lines] for side, lines in found.items()})
                ties |= {w: i for lines in found.values() for i, (*_, w) in enumerate(lines)}

    def _pin(self, spot: Spot, wire: int, side: str) -> float:
        return spot.height / 2 if isinstance(spot, Turn) else spot.pin(wire, side)

    def _heights(self) -> dict[Spot, float]:
        """Return the top of everything, such that lines are as straight as can be."""
        wanted = [
            (a, self._pin(a, wire, "right"), b, self._pin(b, wire, "left"), _straight(a, b))
            for wire, chain in self._chains.items()
            for a, b in pairwise(chain)
        ]
        apart = [[self._apart(a, b) for a, b in pairwise(c)] for c in self._columns]
        top = heights(self._columns, apart, wanted)
        least = min(t - self._over(s) for s, t in top.items())
        return {spot: t - least for spot, t in top.items()}

    def _over(self, spot: Spot) -> float:
        """Return the room above: for the stack of several instances, and for loops."""
        if not isinstance(spot, Placed):
            return 0.0
        loops = sum(self._conduits[n].sender is spot.box for n in self._loops)
        return 2 * STACK * bool(spot.box.sizes) + PITCH * loops

    def _apart(self, a: Spot, b: Spot) -> float:
        if isinstance(a, Turn) and isinstance(b, Turn):
            return a.height
        return a.height + self._over(b) + (SEPARATION if not _turns(a, b) else 0.12)

    @property
    def width(self) -> float:
        """Width with everything inside."""
        return self._x[-1] + self._widths[-1]

    @property
    def height(self) -> float:
        """Height with everything inside."""
        return max(top + spot.height for spot, top in self._top.items())

    @property
    def ends(self) -> dict[int, float]:
        """Heights at which lines leave the model."""
        turns = [*self._columns[0], *self._columns[-1]]
        return {t.wire: self._top[t] + t.height / 2 for t in turns if isinstance(t, Turn)}

    @property
    def wishes(self) -> dict[int, float]:
        """Heights at which lines would best leave the model."""
        found = {}
        for wire, chain in self._chains.items():
            if isinstance(chain[0], Turn):
                found[wire] = self._top[chain[1]] + self._pin(chain[1], wire, "left")
            elif isinstance(chain[-1], Turn):
                found[wire] = self._top[chain[-2]] + self._pin(chain[-2], wire, "right")
        return found

    def _across(self) -> tuple[list[float], list[float]]:
        """Return left edges and widths of the columns."""
        inner = [[s.width for s in c if not isinstance(s, Turn)] for c in self._columns]
        widths = [max(some, default=0.0) for some in inner]
        x = [0.0]
        for gap in range(self._last):
            left, right = self._stubs(gap)
            bare = gap in (0, self._last - 1) and not (self._columns[0 if gap == 0 else -1])
            between = MARGIN if bare else left + right + self._bend(gap)
            x.append(x[-1] + widths[gap] + between)
        return x, widths

    def _bend(self, gap: int) -> float:
        drops = [abs(a[1] - b[1]) for a, b in self._crossing(gap)]
        return max(0.3, min(1.3, GAP + 0.16 * max(drops))) if max(drops, default=0) > 1e-3 else 0.3

    def _crossing(self, gap: int) -> Iterable[tuple[Point, Point]]:
        for wire, chain in self._chains.items():
            for a, b in pairwise(chain):
                if self._column(a) == gap:
                    left = self._top[a] + self._pin(a, wire, "right")
                    yield (0.0, left), (1.0, self._top[b] + self._pin(b, wire, "left"))

    def _stubs(self, gap: int) -> Point:
        """Return the lengths of the straight ends in a gap, with room for what is written there."""
        left, right = STUB, STUB
        for wire, chain in self._chains.items():
            for a, b in pairwise(chain):
                if self._column(a) == gap:
                    left = max(left, self._stub(wire, a))
                    right = max(right, self._stub(wire, b))
        return left, right

    def _stub(self, wire: int, spot: Spot) -> float:
        if not isinstance(spot, Placed):
            return STUB
        conduit = self._conduits[wire]
        return written(conduit, spot.box is conduit.receiver)

    def emit(self, found: Layout, pieces: Pieces, x: float, y: float) -> None:
        """Put everything into the layout, shifted by x and y."""
        for spot, rank in self.rank.items():
            left = x + self._left(spot)
            spot.emit(found, pieces, left, y + self._top[spot])
            name = spot.box.name if isinstance(spot, Placed) else spot.path
            found.columns[name] = rank - 1
        for wire, chain in self._chains.items():
            pieces[wire].append([(x + a, y + b) for a, b in self._line(wire, chain)])
        for number, wire in enumerate(self._loops):
            pieces[wire].append([(x + a, y + b) for a, b in self._loop(wire, number)])

    def _left(self, spot: Spot) -> float:
        column = self._column(spot)
        return self._x[column] + (self._widths[column] - _wide(spot, self._widths[column])) / 2

    def _line(self, wire: int, chain: list[Spot]) -> list[Point]:
        points: list[Point] = []
        for a, b in pairwise(chain):
            column = self._column(a)
            left, right = self._stubs(column)
            here = self._top[a] + self._pin(a, wire, "right")
            there = self._top[b] + self._pin(b, wire, "left")
            edge = self._left(a) + _wide(a, self._widths[column])
            begin = self._x[column] + self._widths[column] + left
            points += [(edge, here), (begin, here), (self._x[column + 1] - right, there)]
            points.append((self._left(b), there))
        return points

    def _loop(self, wire: int, number: int) -> list[Point]:
        """Return a line from a box to itself, over its top."""
        spot: Any = self._spots[self._conduits[wire].sender]
        left, right = self._left(spot), self._left(spot) + spot.width
        above = self._top[spot] - PITCH * (number + 0.5)
        ends = [self._top[spot] + spot.pin(wire, side) for side in ("right", "left")]
        inner = [(right + 0.1, ends[0]), (right, above), (left, above), (left - 0.1, ends[1])]
        return [(right, ends[0]), *inner, (left, ends[1])]


def _grouped(path: str, boxes: Sequence[Box], wires: Any, conduits: Any) -> Iterable[Any]:
    """Yield every box with what stands for it in this model: itself, or the frame around it."""
    start = f"{path}." if path else ""
    frames: dict[str, list[Box]] = {}
    for box in boxes:
        head, dot, _ = box.name.removeprefix(start).partition(".")
        if dot:
            frames.setdefault(start + head, []).append(box)
        else:
            yield box, Placed(box, conduits)
    for inner, members in frames.items():
        frame = Frame(inner, members, wires, conduits)
        yield from ((box, frame) for box in members)


def _straight(a: Spot, b: Spot) -> float:
    """Return how much it matters that a piece of a line is straight."""
    return (1.5, 1.0, 4.0)[isinstance(a, Turn) + isinstance(b, Turn)]


def _turns(a: Spot, b: Spot) -> bool:
    return isinstance(a, Turn) or isinstance(b, Turn)


def _wide(spot: Spot, column: float) -> float:
    return column if isinstance(spot, Turn) else spot.width
