"""The scale separation map: which times and lengths each component resolves, and who couples.

After Borgdorff et al. (2013) and Chopard et al. (2014): time across, length up, both logarithmic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from manyscale.contract.scales import Scale
from manyscale.coupling.graph import Graph
from manyscale.drawing.patterns import pattern

TIME = {
    "fs": 1e-15, "ps": 1e-12, "ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0,
    "h": 3600.0, "d": 86400.0, "a": 3.15576e7, "ka": 3.15576e10, "Ma": 3.15576e13,
}  # fmt: skip
"""Units of time [s]."""
LENGTH = {
    "fm": 1e-15, "pm": 1e-12, "nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "m": 1.0, "km": 1e3, "Mm": 1e6,
}  # fmt: skip
"""Units of length [m]."""
_TOUCHING = 1.0 - 1e-9


@dataclass(frozen=True)
class Tile:
    """A component with its scales, or several that resolve the same; None where there is none."""

    names: tuple[str, ...]
    time: Scale | None
    length: Scale | None

    @property
    def label(self) -> str:
        """What is written on it."""
        if len(self.names) <= 3:
            return ", ".join(self.names)
        return f"{self.names[0]}, {self.names[1]} and {len(self.names) - 2} more"


@dataclass(frozen=True)
class Relation:
    """What two axes say of a conduit: ratio of the coarser grain to the finer extent."""

    time: float | None
    length: float | None


@dataclass(frozen=True)
class Coupled:
    """One conduit on the map."""

    sender: Tile
    receiver: Tile
    ends: tuple[str, str]
    pattern: str

    @cached_property
    def relation(self) -> Relation:
        """How far the scales of both ends are apart."""
        return Relation(
            ratio(self.sender.time, self.receiver.time),
            ratio(self.sender.length, self.receiver.length),
        )


@dataclass(frozen=True)
class ScaleMap:
    """All tiles, and the conduits between them."""

    name: str
    tiles: Sequence[Tile]
    coupled: Sequence[Coupled]
    rows: Sequence[Tile] = field(default=())
    """Tiles of single components, for the table."""

    @property
    def placed(self) -> list[Tile]:
        """Tiles with at least one scale."""
        return [tile for tile in self.tiles if tile.time or tile.length]

    @property
    def unplaced(self) -> list[Tile]:
        """Tiles with neither a time nor a length."""
        return [tile for tile in self.tiles if not (tile.time or tile.length)]


def scale_map(graph: Graph) -> ScaleMap:
    """Return the scales of every component and how the conduits relate them."""
    rows = [tile for name in graph.nodes for tile in _rows(graph, name)]
    merged: dict[tuple[Scale | None, Scale | None], list[str]] = {}
    for row in rows:
        merged.setdefault((row.time, row.length), []).extend(row.names)
    tiles = [Tile(tuple(names), *scales) for scales, names in merged.items()]
    return ScaleMap(graph.name, tiles, list(_coupled(graph, rows)), rows)


def _rows(graph: Graph, name: str) -> list[Tile]:
    """Return a component's tiles: one for all instances with the same scales."""
    found: dict[tuple[Scale | None, Scale | None], list[str]] = {}
    for instance in graph.nodes[name].instances:
        found.setdefault(_scales(graph, instance), []).append(instance)
    if len(found) == 1:
        count = len(graph.nodes[name].instances)
        label = f"{name} ×{count}" if graph.nodes[name].sizes else name
        return [Tile((label,), *scales) for scales in found]
    return [Tile((_several(members),), *scales) for scales, members in found.items()]


def _several(instances: Sequence[str]) -> str:
    first = instances[0]
    return first if len(instances) == 1 else f"{first} and {len(instances) - 1} more"


def _scales(graph: Graph, instance: str) -> tuple[Scale | None, Scale | None]:
    model = graph.model(instance)
    if model is None:
        return None, None
    try:
        scales = model.scales()
    except (ArithmeticError, ValueError):
        return None, None  # the settings do not fit together; `manyscale check` is the place
    return _on_a_log_axis(scales.time), _on_a_log_axis(scales.length)


def _on_a_log_axis(scale: Scale | None) -> Scale | None:
    """Return a scale, None for that of something instantaneous or without extent."""
    return scale if scale is not None and scale.extent > 0.0 else None


def _coupled(graph: Graph, rows: Sequence[Tile]) -> list[Coupled]:
    found = []
    for link in graph.links:
        pairs = [
            (a, b)
            for a in _of(rows, link.sender.name)
            for b in _of(rows, link.receiver.name)
        ]  # fmt: skip
        ends = f"{link.sender.name}.{link.out}", f"{link.receiver.name}.{link.into}"
        found += [Coupled(a, b, ends, pattern(link)) for a, b in pairs]
    return found


def _of(rows: Sequence[Tile], name: str) -> list[Tile]:
    return [r for r in rows if r.label.partition(" ")[0].partition("[")[0] == name]


def ratio(one: Scale | None, other: Scale | None) -> float | None:
    """Return grain of the coarser over extent of the finer: from 1 on, the scales are separated.

    None if either has no scale.
    """
    if one is None or other is None:
        return None
    fine, coarse = sorted((one, other), key=lambda s: (s.grain, s.extent))
    return coarse.grain / fine.extent


def related(number: float | None) -> str:
    """Return what a ratio means in words."""
    if number is None:
        return ""
    return "separated" if number >= _TOUCHING else "overlapping"


def shown(value: float, units: Mapping[str, float]) -> str:
    """Return a time or length in the unit that suits it: `4.48 d`."""
    if value == 0.0:
        return "0"
    fitting = [unit for unit, size in units.items() if size <= value * (1 + 1e-9)]
    unit = fitting[-1] if fitting else next(iter(units))
    return f"{value / units[unit]:.3g} {unit}"


def reach(scale: Scale | None, units: Mapping[str, float]) -> str:
    """Return a scale from grain to extent, empty if there is none."""
    return "" if scale is None else f"{shown(scale.grain, units)} .. {shown(scale.extent, units)}"
