"""Draws a coupling in the multiscale modelling and simulation language (MMSL)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve

from manyscale.drawing.geometry import Area, Point
from manyscale.drawing.layout import layout
from manyscale.drawing.lettering import FAMILY, width
from manyscale.drawing.parts import Box, Conduit, Parts
from manyscale.drawing.patterns import COLOURS, UNKNOWN
from manyscale.drawing.spots import HEADER, SMALL, STACK, TINY, TITLE, Layout, Pin, pill

if TYPE_CHECKING:
    from pathlib import Path

INK, PALE, FILL, RULE = "#1f2933", "#6b7480", "#f3f6f9", "#8a94a0"
OPERATORS = {"f_init": "F_INIT", "o_i": "O_I", "s": "S", "o_f": "O_F"}
_EDGE = 0.22
_LEGEND = 0.27
_HALF = 0.046
"""Half the width of a port's symbol."""


def draw(parts: Parts) -> Figure:
    """Return the diagram of a coupling."""
    places = layout(parts)
    rows = _legend_rows(parts, max(places.size[0], 3.2))
    across = max(places.size[0], *(_row_width(row) for row in rows))
    across, down = across + 2 * _EDGE, places.size[1] + 2 * _EDGE + _LEGEND * len(rows) + 0.12
    figure = Figure(figsize=(across, down), facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    left = (across - places.size[0]) / 2
    axes.set(xlim=(-left, across - left), ylim=(down - _EDGE, -_EDGE))
    axes.axis("off")
    pen = _Pen(axes)
    pen.everything(places)
    pen.legend(rows, (across / 2 - left, places.size[1] + 0.12 + _EDGE))
    return figure


def save(figure: Figure, path: Path, title: str) -> None:
    """Write a figure to a file, the same bytes for the same figure."""
    settings: Any = {"svg.hashsalt": "manyscale", "svg.fonttype": "path", "pdf.fonttype": 42}
    undated: Any = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix, {})
    with rc_context(settings):
        figure.savefig(path, dpi=200, metadata=undated | {"Title": title})


class _Pen:
    """Draws onto axes in inches."""

    def __init__(self, axes: Any) -> None:
        self._axes = axes

    def everything(self, places: Layout) -> None:
        for path, area in places.frames.items():
            self._frame(path, area)
        for conduit, line in places.lines.items():
            self._line(conduit, line)
        for box, area in places.boxes.items():
            self._box(box, area)
        for pin in places.pins:
            self._pin(pin)
        for conduit, line in places.lines.items():
            self._written(conduit, line)

    def _write(self, at: Point, text: str, size: float, **how: Any) -> None:
        how = {"va": "center_baseline", "color": INK, "zorder": 8, **how}
        self._axes.text(*at, text, fontsize=size, family=FAMILY, **how)

    def _rounded(self, area: Area, radius: float, **how: Any) -> None:
        style = f"round,pad=0,rounding_size={radius}"
        corner = (area.x, area.y)
        self._axes.add_patch(FancyBboxPatch(corner, area.w, area.h, boxstyle=style, **how))

    def _frame(self, path: str, area: Area) -> None:
        look = {"facecolor": "none", "edgecolor": RULE, "linewidth": 0.9, "linestyle": (0, (5, 3))}
        self._rounded(area, 0.1, zorder=1, gid=f"model-{path}", **look)
        name = path.rpartition(".")[2]
        self._write((area.x + 0.13, area.y + 0.16), name, TITLE - 0.5, weight="bold", color=PALE)

    def _box(self, box: Box, area: Area) -> None:
        look = {"facecolor": FILL, "edgecolor": INK, "linewidth": 1.0}
        if not box.known and not box.folded:
            look |= {"facecolor": "white", "linestyle": (0, (3.5, 2))}
        for back in (2, 1) if box.sizes else ():
            shifted = Area(area.x + back * STACK, area.y - back * STACK, area.w, area.h)
            self._rounded(shifted, 0.08, zorder=4 - 0.1 * back, **look)
        self._rounded(area, 0.08, zorder=4, gid=f"component-{box.name}", **look)
        if box.folded:
            inner = Area(area.x + 0.04, area.y + 0.04, area.w - 0.08, area.h - 0.08)
            self._rounded(inner, 0.05, zorder=4.1, **look | {"linewidth": 0.7})
        self._head(box, area)

    def _head(self, box: Box, area: Area) -> None:
        middle, name = area.x + area.w / 2, width(box.title, TITLE, True)
        times = width(box.times, TITLE) + 0.07 if box.times else 0.0
        left = middle - (name + times) / 2
        y = area.y + (0.17 if box.program else HEADER / 2)
        self._write((left, y), box.title, TITLE, weight="bold")
        self._write((left + name + 0.07, y), box.times, TITLE)
        self._write((middle, area.y + 0.335), box.program, SMALL, color=PALE, ha="center")
        if box.ports:
            rule = area.y + HEADER - 0.015
            inset = 0.04 * box.folded
            ends = (area.x + inset, area.x + area.w - inset)
            self._axes.add_line(Line2D(ends, (rule, rule), color="#cfd6dd", lw=0.6, zorder=4.2))

    def _pin(self, pin: Pin) -> None:
        inward = 0.115 if pin.side == "left" else -0.115
        colour = INK if pin.connected else PALE
        at = (pin.at[0] + inward, pin.at[1])
        align = "left" if pin.side == "left" else "right"
        self._write(at, pin.port, SMALL, ha=align, color=colour)
        self.symbol(pin.operator, pin.at, colour)

    def symbol(self, operator: str, at: Point, colour: str = INK) -> None:
        """Draw the symbol of an operator."""
        half, inside = _HALF, colour if operator in ("o_i", "o_f") else "white"
        look: dict[str, Any] = {"facecolor": inside, "edgecolor": colour, "lw": 1.0, "zorder": 7}
        if operator in ("o_i", "s"):
            shape = Curve.circle(at, half)
        elif operator:
            half *= 1.28
            steps = ((0, half), (half, 0), (0, -half), (-half, 0), (0, half))
            shape = Curve([(at[0] + a, at[1] + b) for a, b in steps], closed=True)
        else:
            corners = ((1, 1), (1, -1), (-1, -1), (-1, 1), (1, 1))
            shape = Curve([(at[0] + a * half, at[1] + b * half) for a, b in corners], closed=True)
        self._axes.add_patch(PathPatch(shape, joinstyle="miter", **look))

    def _line(self, conduit: Conduit, points: Sequence[Point]) -> None:
        curve, colour = _curve(points), COLOURS.get(conduit.pattern, UNKNOWN)
        halo = {"edgecolor": "white", "linewidth": 4.0, "zorder": 3.92, "capstyle": "butt"}
        self._axes.add_patch(PathPatch(curve, facecolor="none", **halo))
        name = f"conduit-{conduit.sender.name}.{conduit.out}-{conduit.receiver.name}.{conduit.into}"
        look = {"edgecolor": colour, "linewidth": 1.25, "gid": name}
        self._axes.add_patch(PathPatch(curve, facecolor="none", zorder=3.95, **look))
        self._arrow(points[-1], points[-2][0] < points[-1][0], colour)

    def _arrow(self, tip: Point, rightwards: bool, colour: str) -> None:
        way = 1 if rightwards else -1
        head = tip[0] - way * (_HALF + 0.012)
        corners = [(head, tip[1]), *((head - way * 0.085, tip[1] + dy) for dy in (0.035, -0.035))]
        shape = Curve([*corners, corners[0]], closed=True)
        self._axes.add_patch(PathPatch(shape, facecolor=colour, edgecolor="none", zorder=5))

    def _written(self, conduit: Conduit, points: Sequence[Point]) -> None:
        """Write slots and filters on the straight ends of a conduit."""
        for end, (at, inner) in enumerate(((points[0], points[1]), (points[-1], points[-2]))):
            way = 1 if inner[0] > at[0] else -1
            start = at[0] + way * (_HALF + (0.11 if end else 0.03))
            box, slots = (conduit.receiver if end else conduit.sender), conduit.slots[end]
            if way > 0 and box.sizes:
                start = max(start, at[0] + 2 * STACK + 0.04)
            if slots:
                middle = start + way * width(slots, TINY) / 2
                colour = COLOURS.get(conduit.pattern, UNKNOWN)
                self._write((middle, at[1] - 0.065), slots, TINY, ha="center", color=colour)
                start += way * (width(slots, TINY) + 0.04)
            if end and conduit.filters:
                self._pill(conduit, (start + way * (pill(conduit) / 2 + 0.03), at[1]))

    def _pill(self, conduit: Conduit, at: Point) -> None:
        wide, colour = pill(conduit), COLOURS.get(conduit.pattern, UNKNOWN)
        area = Area(at[0] - wide / 2, at[1] - 0.075, wide, 0.15)
        self._rounded(area, 0.075, facecolor="white", edgecolor=colour, lw=0.8, zorder=6)
        self._write(at, " ".join(conduit.filters), SMALL, ha="center", color=colour)

    def legend(self, rows: Sequence[Sequence[Any]], at: Point) -> None:
        """Explain symbols and colours in rows centred below the diagram."""
        for number, row in enumerate(rows):
            x, y = at[0] - _row_width(row) / 2, at[1] + (number - 0.1) * _LEGEND
            for kind, key, text in row:
                self._key(kind, key, (x, y))
                self._write((x + _key_width(kind), y), text, SMALL)
                x += _entry_width((kind, key, text))

    def _key(self, kind: str, key: str, at: Point) -> None:
        if kind == "symbol":
            self.symbol(key, (at[0] + 0.06, at[1]))
        elif kind == "line":
            self._axes.add_line(
                Line2D((at[0], at[0] + 0.15), (at[1],) * 2, color=COLOURS[key], lw=1.25)
            )
            self._arrow((at[0] + 0.285, at[1]), True, COLOURS[key])
        elif kind == "text":
            self._write(at, key, TINY)
        else:
            look = {"facecolor": "white", "edgecolor": INK, "lw": 0.9, "linestyle": (0, (3, 1.5))}
            self._rounded(Area(at[0], at[1] - 0.06, 0.2, 0.12), 0.03, **look)


def _curve(points: Sequence[Point]) -> Any:
    """Return a line through points, an S between two of different heights."""
    path, codes = [points[0]], [Curve.MOVETO]
    for (x, y), (u, v) in pairwise(points):
        if abs(y - v) < 1e-3:
            path.append((u, v))
            codes.append(Curve.LINETO)
        else:
            bend = 0.55 * (u - x)
            path += [(x + bend, y), (u - bend, v), (u, v)]
            codes += [Curve.CURVE4] * 3
    return Curve(path, codes)


def _legend_rows(parts: Parts, across: float) -> list[list[tuple[str, str, str]]]:
    """Return the entries of the legend in one row, or in two below a narrow diagram."""
    entries = [("symbol", key, name) for key, name in OPERATORS.items()]
    used = {c.pattern for c in parts.conduits}
    entries += [("line", name, name) for name in COLOURS if name in used]
    if any(slots for c in parts.conduits for slots in c.slots):
        entries.append(("text", "1..n", "one slot per instance"))
    if not all(box.known or box.folded for box in parts.boxes):
        entries.append(("box", "", "contract not known"))
    whole = _row_width(entries) <= across
    return [entries] if whole else [entries[:4], entries[4:]]


def _key_width(kind: str) -> float:
    return {"symbol": 0.16, "line": 0.3, "text": 0.24, "box": 0.27}[kind]


def _entry_width(entry: tuple[str, str, str]) -> float:
    return _key_width(entry[0]) + width(entry[2], SMALL) + 0.22


def _row_width(row: Sequence[tuple[str, str, str]]) -> float:
    return sum(map(_entry_width, row)) - 0.22
