"""What a message holds: fields on a grid or at points, coordinates, masks, totals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from manyscale.bridges.regrid.grids import Grid, grid_of, points_of
from manyscale.bridges.regrid.kernel import refuse_not_finite
from manyscale.bridges.regrid.overlaps import Floats
from manyscale.bridges.regrid.slopes import Bools


class Message(NamedTuple):
    """Fields by name as they came.

    `metre` gives the unit of a coordinate field in m, `extensive` names the totals. `mesh` holds
    the arrays of the declared mesh in m, if there is one; it is `rectilinear` or unstructured.
    """

    fields: Mapping[str, Any]
    metre: Callable[[str], float]
    extensive: frozenset[str] = frozenset()
    mesh: Mapping[str, Floats] | None = None
    rectilinear: bool = True

    def in_metres(self, name: str) -> Floats:
        """Return a coordinate field in m."""
        return self.metre(name) * np.asarray(self.fields[name])

    def grid(self, names: Sequence[str]) -> Grid:
        """Return the grid; raises ValueError if there is none."""
        if self.mesh is not None and not self.rectilinear:
            raise ValueError(
                "the fields are on an unstructured mesh: method = nearest or rbf takes its points"
            )
        found = grid_of(self.fields, self.in_metres, self.mesh, names)
        if found is None:
            raise ValueError(
                "no grid came: its sender declares no mesh, and no field is called edges_<axis> or "
                f"is a row of cell centres called {', '.join(names)}"
            )
        return found

    def points(self, count: int = -1) -> Floats | None:
        """Return the points (count, d) in m, None if the fields are on a grid."""
        if self.mesh is not None and self.rectilinear:
            return None
        return points_of(self.fields, self.in_metres, self.mesh, count)

    def coordinates(self, target: Grid) -> dict[str, Floats]:
        """Return what the coordinate fields hold on another grid, in the units of this message."""
        known = target.coordinates()
        return {name: known[name] / self.metre(name) for name in self.fields if name in known}

    def others(self, grid: Grid) -> dict[str, Any]:
        """Return the fields that are neither coordinates nor masks."""
        known = grid.coordinates()
        return {n: v for n, v in self.fields.items() if n not in known and not self.is_mask(n)}

    def is_mask(self, name: str) -> bool:
        """Return whether a field is the mask of another."""
        return name.endswith("_mask") and name.removesuffix("_mask") in self.fields

    def mask(self, name: str, shape: tuple[int, ...]) -> Bools | None:
        """Return which cells of a field hold no value, None if all do."""
        mask = self.fields.get(f"{name}_mask")
        if mask is None:
            return None
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != shape:
            raise ValueError(
                f"{name}_mask is {mask.dtype} {mask.shape}, expected bool {shape}, true where a "
                "cell holds no value"
            )
        if mask.all():
            raise ValueError("all its cells are masked")
        return mask

    def refuse_unfit(self, name: str, shape: tuple[int, ...], kind: str) -> None:
        """Refuse a field of another type, shape or kind."""
        value = self.fields[name]
        if value.dtype.kind != "f":
            raise ValueError(f"it is {value.dtype}, expected float64")
        if value.shape[: len(shape)] != shape:
            raise ValueError(f"its shape is {value.shape}, the cells of its grid are {shape}")
        declared = "extensive" if name in self.extensive else "intensive"
        if kind not in ("declared", declared):
            raise ValueError(
                f"kind = {kind}, but its sender declares it {declared}: leave kind at declared"
            )

    def guess(self, name: str, shape: tuple[int, ...], extensive: bool) -> Floats:
        """Return the guess for a field, which must be whole."""
        value = self.fields.get(name)
        if value is None or np.shape(value)[: len(shape)] != shape:
            raise ValueError(f"guess_in brings no {name} of the shape {shape}")
        if extensive != (name in self.extensive):
            raise ValueError("it is extensive on one of field_in and guess_in and not on the other")
        if f"{name}_mask" in self.fields:
            raise ValueError("its guess is masked, and a guess needs a value in every cell")
        refuse_not_finite(value)
        return np.asarray(value)
