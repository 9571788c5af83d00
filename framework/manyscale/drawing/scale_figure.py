"""Draws the scale separation map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor, hypot, log10
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.patheffects import withStroke

from manyscale.contract.scales import Scale
from manyscale.drawing.geometry import Area, Point
from manyscale.drawing.lettering import FAMILY, width
from manyscale.drawing.patterns import COLOURS, UNKNOWN
from manyscale.drawing.scale_map import LENGTH, TIME, ScaleMap, Tile

INK, PALE, RULE = "#1f2933", "#6b7480", "#dde2e8"
TINTS = ("#c9dcec", "#f3dcc4", "#cfe6d8", "#e6d5e6", "#efe8c0", "#d9d9d9")
WIDE, HIGH = 5.6, 3.6
"""The plotted area [inch]."""
STRIP = 0.46
"""Height or width of the margin for what has no scale on one axis [inch]."""
THIN = 0.16
_INSET = 0.09
_LANE = THIN + 0.26
_LEAST = 0.16
_NAME, _WORD, _TICK = 9.0, 7.5, 7.5


class Axis:
    """One logarithmic axis: powers of ten onto inches."""

    def __init__(self, scales: Iterable[Scale | None], room: float, margin: bool) -> None:
        known = [s for s in scales if s is not None]
        ends = [v for s in known for v in (s.grain or s.extent / 10.0, s.extent)]
        low, high = (log10(min(ends)), log10(max(ends))) if ends else (-1.0, 1.0)
        self.low, self.high = floor(low - 0.35), ceil(high + 0.35)
        self.begin: float = STRIP if margin else 0.0
        self.room = room

    def at(self, value: float) -> float:
        """Return where a value stands [inch]; zero is the beginning."""
        if value <= 0.0:
            return self.begin
        place = (log10(value) - self.low) / (self.high - self.low)
        return self.begin + place * (self.room - self.begin)

    def span(self, scale: Scale | None) -> tuple[float, float]:
        """Return beginning and length of a scale; a thin one in the margin if there is none."""
        if scale is None:
            return _INSET, THIN
        start, end = self.at(scale.grain), self.at(scale.extent)
        grown = max(_LEAST, end - start)
        return start - (grown - (end - start)) / 2, grown

    def powers(self) -> list[int]:
        """Return the powers of ten to be labelled."""
        step = max(1, ceil((self.high - self.low) / 10))
        return [n for n in range(self.low, self.high + 1) if n % step == 0]

    def units(self, units: Mapping[str, float], apart: float) -> dict[str, float]:
        """Return places of units by label, with 10 and 100 of them between if few are in reach."""
        inside = {u: s for u, s in units.items() if self._reaches(s)}
        if len(inside) < 3:
            for times in (1, 10, 100):
                inside |= {f"{times} {u}": times * s for u, s in units.items()
                           if self._reaches(times * s) and self._last(units, u, times)}  # fmt: skip
            inside = {u: s for u, s in inside.items() if " " in u}
        found: dict[str, float] = {}
        for unit, size in sorted(inside.items(), key=lambda item: item[1]):
            if not found or self.at(size) - max(found.values()) >= apart:
                found[unit if " " in unit else f"1 {unit}"] = self.at(size)
        return found

    def _reaches(self, size: float) -> bool:
        return self.low - 1e-9 <= log10(size) <= self.high + 1e-9

    @staticmethod
    def _last(units: Mapping[str, float], unit: str, size: int) -> bool:
        """Whether no larger unit says the same in smaller numbers."""
        return not any(units[unit] < s <= size * units[unit] for s in units.values())


class Plan:
    """Where tiles and names stand on the map [inch, y upwards]."""

    def __init__(self, drawn: ScaleMap) -> None:
        tiles = drawn.placed
        self.map = drawn
        self.flat = bool(tiles) and not any(t.length for t in tiles)
        """Whether there is only time."""
        self.time = Axis([t.time for t in tiles], WIDE, any(t.time is None for t in tiles))
        self.length = Axis([t.length for t in tiles], HIGH, any(t.length is None for t in tiles))
        self.areas = {tile: self._area(tile) for tile in tiles}
        self._spread()
        self.high = self.length.begin + 0.5 if self.flat else HIGH
        self.names = self._names()

    def _area(self, tile: Tile) -> Area:
        x, w = self.time.span(tile.time)
        y, h = self.length.span(tile.length)
        return Area(x, y, w, h)

    def _spread(self) -> None:
        """Move tiles in a margin apart where they lie on one another, and widen the margin."""
        for axis, here in ((self.length, "length"), (self.time, "time")):
            alone = [tile for tile in self.areas if getattr(tile, here) is None]
            lanes = _lanes([self.areas[tile] for tile in alone])
            if any(lanes):
                axis.begin += max(lanes) * _LANE
                self.areas = {tile: self._area(tile) for tile in self.areas}
            for tile, lane in zip(alone, lanes, strict=True):
                a, up = self.areas[tile], here == "length"
                shift = lane * _LANE
                self.areas[tile] = Area(a.x + shift * (not up), a.y + shift * up, a.w, a.h)

    def _names(self) -> dict[Tile, Area]:
        """Return a free place for every name: in its tile if it fits, else beside it."""
        taken: list[Area] = []
        found = {}
        for tile, a in sorted(self.areas.items(), key=lambda item: item[1].w * item[1].h):
            w, h = width(tile.label, _NAME, True), 0.16
            x = min(max(a.x, 0.05), WIDE - w - 0.05)
            inside = [Area(a.x + 0.08, y, w, h) for y in (a.y + a.h - h - 0.07, a.y + 0.07)]
            above = [Area(x, a.y + a.h + 0.04 + 0.19 * step, w, h) for step in range(4)]
            middle = a.y + a.h / 2 - h / 2
            sides = [Area(side, middle, w, h) for side in (a.x + a.w + 0.08, a.x - w - 0.08)]
            beside = [above[0], Area(x, a.y - h - 0.04, w, h), *above[1:], *sides]
            fits = a.w >= w + 0.16 and a.h >= h + 0.14
            others = [o for t, o in self.areas.items() if t is not tile and o.w * o.h < a.w * a.h]
            tries = [*(inside if fits else ()), *beside]
            found[tile] = _free([t for t in tries if self._holds(t)] or tries, [*taken, *others])
            taken.append(found[tile])
        return found

    def _holds(self, area: Area) -> bool:
        return 0.0 <= area.x <= WIDE - area.w and 0.0 <= area.y <= self.high - area.h


def _lanes(areas: Sequence[Area]) -> list[int]:
    """Return for each area the first lane in which it lies on no other."""
    found: list[int] = []
    for number, area in enumerate(areas):
        touching = [found[i] for i in range(number) if areas[i].overlaps(area)]
        found.append(next(lane for lane in range(number + 1) if lane not in touching))
    return found


def draw_scales(drawn: ScaleMap) -> Figure:
    """Return the figure of a scale separation map."""
    left, right, below, above = 0.85, 0.62, 0.62, 0.42
    notes = _notes(drawn)
    below += 0.2 * len(notes)
    plan = Plan(drawn)
    size = (WIDE + left + right, plan.high + below + above)
    figure = Figure(figsize=size, facecolor="white")
    box = (left / size[0], below / size[1], WIDE / size[0], plan.high / size[1])
    axes = figure.add_axes(box, xlim=(0, WIDE), ylim=(0, plan.high))
    for side in axes.spines.values():
        side.set(color=PALE, linewidth=0.8)
    _scale_axes(axes, plan)
    tints = {tile: TINTS[i % len(TINTS)] for i, tile in enumerate(plan.areas)}
    for tile, area in sorted(plan.areas.items(), key=lambda item: -item[1].w * item[1].h):
        _tile(axes, tile, area, tints[tile])
    _arrows(axes, plan)
    for tile, area in plan.names.items():
        inside = area.overlaps(plan.areas[tile])
        halo = {} if inside else {"path_effects": [withStroke(linewidth=2.5, foreground="white")]}
        _write(
            axes, (area.x, area.y + area.h / 2), tile.label, _NAME, weight="bold", zorder=9, **halo
        )
    for row, note in enumerate(notes):
        _write(axes, (0.0, -0.6 - 0.2 * row), note, _WORD, color=PALE)
    return figure


def _notes(drawn: ScaleMap) -> list[str]:
    """Return the lines under the figure, for what has no place in it."""
    lines: list[str] = []
    names = [name for tile in drawn.unplaced for name in tile.names]
    for name in names:
        if lines and width(f"{lines[-1]}, {name}", _WORD) < WIDE:
            lines[-1] += f", {name}"
        else:
            lines.append(name if lines else f"Neither a scale of time nor of length: {name}")
    return lines


def _write(axes: Any, at: Point, text: str, size: float, **how: Any) -> Any:
    how = {"va": "center_baseline", "color": INK, "clip_on": False, **how}
    return axes.text(*at, text, fontsize=size, family=FAMILY, **how)


def _scale_axes(axes: Any, plan: Plan) -> None:
    """Put powers of ten below and left, units above and right, and faint lines at the units."""
    time, length = plan.time, plan.length
    axes.tick_params(labelsize=_TICK, color=PALE, labelcolor=INK, width=0.8)
    axes.set_xticks([time.at(10.0**n) for n in time.powers()], [_power(n) for n in time.powers()])
    powers = () if plan.flat else length.powers()
    axes.set_yticks([length.at(10.0**n) for n in powers], [_power(n) for n in powers])
    axes.set_xlabel("time [s]", fontsize=_NAME, family=FAMILY, color=INK)
    axes.set_ylabel("" if plan.flat else "length [m]", fontsize=_NAME, family=FAMILY, color=INK)
    top, right = axes.secondary_xaxis("top"), axes.secondary_yaxis("right")
    for axis, marks, draw in (
        (top.xaxis, time.units(TIME, 0.36), axes.axvline),
        (right.yaxis, {} if plan.flat else length.units(LENGTH, 0.2), axes.axhline),
    ):
        axis.set_ticks(list(marks.values()), list(marks))
        axis.set_tick_params(labelsize=_TICK, color=PALE, labelcolor=PALE, width=0.8)
        for mark in marks.values():
            draw(mark, color=RULE, lw=0.7, zorder=0.5)
    for side in (top, right):
        side.spines[:].set_visible(False)
    _margins(axes, plan)


def _power(n: int) -> str:
    return f"$10^{{{n}}}$"


def _margins(axes: Any, plan: Plan) -> None:
    """Set the margins for what has no scale apart, and name them."""
    if plan.time.begin:
        axes.axvspan(0, plan.time.begin, color="#f6f7f9", zorder=0.6, lw=0)
        axes.axvline(plan.time.begin, color=PALE, lw=0.7, ls=(0, (4, 3)), zorder=0.7)
        at = (plan.time.begin / 2 - 0.07, -0.06)
        _write(axes, at, "no\ntime", _WORD, ha="center", va="top", color=PALE)
    if plan.length.begin and not plan.flat:
        axes.axhspan(0, plan.length.begin, color="#f6f7f9", zorder=0.6, lw=0)
        axes.axhline(plan.length.begin, color=PALE, lw=0.7, ls=(0, (4, 3)), zorder=0.7)
    if plan.length.begin:
        at = (-0.08, plan.length.begin / 2)
        _write(axes, at, "no length", _WORD, ha="right", color=PALE)


def _tile(axes: Any, tile: Tile, area: Area, tint: str) -> None:
    thin = tile.time is None or tile.length is None
    look: dict[str, Any] = {
        "facecolor": tint,
        "edgecolor": INK,
        "lw": 0.8 if thin else 1.0,
        "alpha": 0.85,
    }
    patch = Rectangle(
        (area.x, area.y),
        area.w,
        area.h,
        zorder=2,
        gid="scales-" + tile.label.replace(" ", "_"),
        **look,
    )
    axes.add_patch(patch)


def _arrows(axes: Any, plan: Plan) -> None:
    """Draw conduits, those with one pattern between two tiles as one arrow."""
    of = {(t.time, t.length): t for t in plan.map.tiles}
    ends = [(of[c.sender.time, c.sender.length], of[c.receiver.time, c.receiver.length], c.pattern)
            for c in plan.map.coupled]  # fmt: skip
    shown = [e for e in dict.fromkeys(ends) if e[0] in plan.areas and e[1] in plan.areas]
    names = list(plan.names.values())
    taken = list(names)
    for a, b, kind in shown:
        pair = [e for e in shown if {e[0], e[1]} == {a, b}]
        lane, here, there = pair.index((a, b, kind)), plan.areas[a], plan.areas[b]
        if a is b:
            _arrow(axes, _loop(here, lane), kind, -2.2, taken)
            continue
        others = [area for t, area in plan.areas.items() if t not in (a, b)]
        line = _straight(here, there, 0.2 * (lane - (len(pair) - 1) / 2), [*others, *names])
        _arrow(axes, line, kind, _bend(here, there, line), taken)


def _bend(a: Area, b: Area, line: tuple[Point, Point]) -> float:
    """Return how an arrow bends: out of the way where the areas lie on one another."""
    if not a.overlaps(b):
        return 0.0
    (x, y), (u, v) = line
    middle = (max(a.x, b.x) + min(a.x + a.w, b.x + b.w)) / 2
    centre = (max(a.y, b.y) + min(a.y + a.h, b.y + b.h)) / 2
    outwards = ((x + u) / 2 - middle) * (v - y) - ((y + v) / 2 - centre) * (u - x)
    return 0.55 if outwards > 0 else -0.55


def _loop(area: Area, number: int) -> tuple[Point, Point]:
    x, y = area.x + area.w, area.y + area.h
    inward = 0.2 + 0.12 * number
    return (x - min(inward, area.w / 2), y), (x, y - min(inward, area.h / 2))


def _straight(a: Area, b: Area, shift: float, others: Sequence[Area]) -> tuple[Point, Point]:
    """Return the ends of the arrow that is short and crosses least."""

    def cost(line: tuple[Point, Point, Point, Point]) -> float:
        (x, y), (u, v), out, into = line
        length = hypot(u - x, v - y)
        leaves = (u - x) * out[0] + (v - y) * out[1] > 1e-9
        arrives = (x - u) * into[0] + (y - v) * into[1] > 1e-9
        on_way = [((x + (u - x) * i / 20), (y + (v - y) * i / 20)) for i in range(1, 20)]
        crossed = sum(any(_holds(o, p) for p in on_way) for o in others)
        through = sum(_holds(a, p) + _holds(b, p) for p in on_way) / 20
        wrong = 2.0 * (not leaves) + 2.0 * (not arrives)
        return length + crossed + wrong + 2.0 * through + 2.0 * max(0.0, 0.8 - length)

    lines = [(p, q, out, into) for p, out in _edges(a, b) for q, into in _edges(b, a)]
    p, q, out, into = min(lines, key=cost)
    aside = (p[1] - q[1], q[0] - p[0])
    if (aside[1], aside[0]) < (0.0, 0.0):
        aside = (-aside[0], -aside[1])  # the same side for there and back
    return _along(a, b, p, out, aside, shift), _along(b, a, q, into, aside, shift)


def _along(area: Area, other: Area, at: Point, out: Point, aside: Point, shift: float) -> Point:
    """Return a point on an edge moved along it to one side, as far as the edge allows."""
    way = aside[1] if out[0] else aside[0]
    sign = 1.0 if way >= 0.0 else -1.0
    if out[0]:
        _, most = _facing(area.y, area.h, other.y, other.h, area.overlaps(other))
        return at[0], at[1] + sign * max(-most, min(most, shift))
    _, most = _facing(area.x, area.w, other.x, other.w, area.overlaps(other))
    return at[0] + sign * max(-most, min(most, shift)), at[1]


def _edges(area: Area, other: Area) -> list[tuple[Point, Point]]:
    """Return a point on each edge, opposite the other area if it can be, and the way outwards."""
    lapped = area.overlaps(other)
    x, _ = _facing(area.x, area.w, other.x, other.w, lapped)
    y, _ = _facing(area.y, area.h, other.y, other.h, lapped)
    return [
        ((area.x + area.w, y), (1.0, 0.0)),
        ((area.x, y), (-1.0, 0.0)),
        ((x, area.y + area.h), (0.0, 1.0)),
        ((x, area.y), (0.0, -1.0)),
    ]


def _facing(
    start: float, room: float, begin: float, other: float, lapped: bool
) -> tuple[float, float]:
    """Return a place in a span and the room to either side.

    It is the middle of what the span shares with another, if the areas lie on one another of
    what it does not share, else of the whole span.
    """
    end, stop = start + room, begin + other
    low, high = max(start, begin), min(end, stop)
    if lapped:
        low, high = (start, begin) if begin - start >= end - stop else (stop, end)
    if high - low < 0.12:
        low, high = start, end
    return (low + high) / 2, (high - low) / 2.5


def _holds(area: Area, at: Point) -> bool:
    across = area.x + 1e-6 < at[0] < area.x + area.w - 1e-6
    return across and area.y + 1e-6 < at[1] < area.y + area.h - 1e-6


def _arrow(axes: Any, line: tuple[Point, Point], kind: str, bend: float, taken: list[Area]) -> None:
    """Draw one arrow with the name of its pattern where it covers no other name."""
    (x, y), (u, v) = line
    colour = COLOURS.get(kind, UNKNOWN)
    look: dict[str, Any] = {
        "arrowstyle": "-|>",
        "mutation_scale": 9,
        "lw": 1.3,
        "color": colour,
        "zorder": 5,
    }
    how: dict[str, Any] = {"connectionstyle": f"arc3,rad={bend}", "shrinkA": 0, "shrinkB": 0}
    axes.add_patch(FancyArrowPatch((x, y), (u, v), **how, **look))
    place = _free([*_places(line, bend, width(kind, _WORD) + 0.04)], taken)
    taken.append(place)
    back = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none"}
    on_line = {} if bend else {"bbox": back}
    at = (place.x + place.w / 2, place.y + place.h / 2)
    halo = [withStroke(linewidth=2.0, foreground="white")]
    how = {"ha": "center", "color": colour, "zorder": 8, "path_effects": halo}
    _write(axes, at, kind, _WORD, **how, **on_line)


def _places(line: tuple[Point, Point], bend: float, w: float) -> Iterable[Area]:
    """Yield where the name of an arrow may stand: on it if there is room, else beside it."""
    (x, y), (u, v) = line
    h, along = 0.13, abs(u - x) + abs(v - y)
    if bend or along < 0.3 + (w if abs(u - x) > abs(v - y) else h):
        across, up = bend * (v - y), -bend * (u - x)  # where the bend goes, as arc3 has it
        at = ((x + u) / 2 + across / 2, (y + v) / 2 + up / 2)
        size = hypot(across, up) or 1.0
        out = (across / size, up / size)
        ways = [out] if bend else [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)]
        for more in (0.08, 0.2, 0.32, 0.44, 0.56):
            for way in ways:
                reach = more + abs(way[0]) * w / 2 + abs(way[1]) * h / 2
                yield Area(at[0] + way[0] * reach - w / 2, at[1] + way[1] * reach - h / 2, w, h)
    else:
        for f in (0.5, 0.35, 0.65, 0.2, 0.8):
            yield Area(x + (u - x) * f - w / 2, y + (v - y) * f - h / 2, w, h)


def _free(areas: Sequence[Area], taken: Sequence[Area]) -> Area:
    """Return the first area that lies on none of those taken, else the first."""
    return next((a for a in areas if not any(map(a.overlaps, taken))), areas[0])
