"""Grids and points of a message: which of its fields are coordinates, and those of the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from manyscale.bridges.regrid.overlaps import Floats, checked_edges, edges_of_centres

Metres = Callable[[str], Floats]
"""Returns the coordinate field of this name in m."""
_SAME = 1e-6  # of a cell: grids as near as this are one


class Grid(NamedTuple):
    """A rectilinear grid: the names of its axes in array order and their edges in m."""

    axes: tuple[str, ...]
    edges: tuple[Floats, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along every axis."""
        return tuple(len(edges) - 1 for edges in self.edges)

    @property
    def centres(self) -> tuple[Floats, ...]:
        """Middles of the cells along every axis, in m."""
        return tuple(0.5 * (edges[1:] + edges[:-1]) for edges in self.edges)

    @property
    def points(self) -> Floats:
        """Middles of all cells (cell, axis) in the order of the array, in m."""
        return np.stack([x.ravel() for x in np.meshgrid(*self.centres, indexing="ij")], axis=1)

    def coordinates(self) -> dict[str, Floats]:
        """Return what coordinate fields hold, by their names, in m."""
        found = dict(zip(self.axes, self.centres, strict=True))
        return found | self.mesh()

    def mesh(self) -> dict[str, Floats]:
        """Return the arrays of a declared mesh."""
        return {f"edges_{a}": e for a, e in zip(self.axes, self.edges, strict=True)}

    def same(self, other: Grid) -> bool:
        """Return whether two grids have the same cells, up to rounding."""
        if self.axes != other.axes or self.shape != other.shape:
            return False
        pairs = zip(self.edges, other.edges, strict=True)
        return all(np.abs(a - b).max() <= _SAME * np.diff(a).min() for a, b in pairs)


def grid_of(
    fields: Mapping[str, Any],
    metres: Metres,
    mesh: Mapping[str, Floats] | None,
    names: Sequence[str],
) -> Grid | None:
    """Return the grid of a message, None if it has none.

    The edges of a `mesh` in the order of its arrays; else, for those of `names` that have them
    and in this order, fields `edges_<axis>`, or centres `<axis>` of equal cells.
    """
    if mesh is not None:
        axes = tuple(name.removeprefix("edges_") for name in mesh)
        return Grid(axes, tuple(checked_edges(mesh[f"edges_{a}"], a) for a in axes))
    _refuse_unknown_edges(fields, names)
    edges = {}
    for axis in names:
        if f"edges_{axis}" in fields:
            edges[axis] = checked_edges(metres(f"edges_{axis}"), axis)
        elif np.ndim(fields.get(axis, 0.0)) == 1:
            edges[axis] = edges_of_centres(metres(axis), axis)
    return Grid(tuple(edges), tuple(edges.values())) if edges else None


def target_grid(source: Grid, lists: Sequence[Sequence[float]]) -> Grid:
    """Return the grid of the setting `target_edges`; an empty list keeps the axis of the source.

    Raises ValueError if there is not one list per axis, or edges do not ascend.
    """
    if not any(lists):
        raise ValueError("target_edges is missing: give one list of edges in m for every axis")
    if len(lists) != len(source.axes):
        raise ValueError(
            f"target_edges has {len(lists)} lists, the fields that came have the axes "
            f"{', '.join(source.axes)}: give one list each, an empty one to keep an axis"
        )
    pairs = zip(source.axes, source.edges, lists, strict=True)
    edges = [
        checked_edges(np.array(new), f"{a} in target_edges") if new else e for a, e, new in pairs
    ]
    return Grid(source.axes, tuple(edges))


def points_of(
    fields: Mapping[str, Any], metres: Metres, mesh: Mapping[str, Floats] | None, count: int
) -> Floats | None:
    """Return the points (count, d) in m where a field has its values, None if there are none.

    Those of an unstructured `mesh`, the middles of its cells if there are so many of these, or
    the field `points`.
    """
    if mesh is None:
        return metres("points") if np.ndim(fields.get("points", 0.0)) == 2 else None
    points, cells = mesh["points"], mesh.get("cells")
    if cells is not None and len(cells) == count != len(points):
        return np.asarray(points[cells].mean(axis=1))
    return points


def _refuse_unknown_edges(fields: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in fields:
        if name.startswith("edges_") and name.removeprefix("edges_") not in names:
            raise ValueError(
                f"{name} came, and {name.removeprefix('edges_')} is none of the axes "
                f"{', '.join(names)}: name it in the setting axes, in the order of the arrays"
            )
