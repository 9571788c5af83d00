"""Means over coarse pixels of what lies on fine ones, weighted with the areas they share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from manyscale.bridges.regrid.overlaps import overlap
from manyscale_plugins.surface_scene.grids import Grid

Floats = NDArray[np.float64]


def shares(fine: Grid, coarse: Grid, axis: int) -> Any:
    """Return the sparse matrix (coarse, fine) of lengths shared along rows (0) or columns (1).

    Divided by the length of the coarse pixel: a row sums to the part of it that is covered.
    """
    pieces = overlap(fine.edges(axis), coarse.edges(axis))
    size = (coarse.height, coarse.width)[axis]
    return pieces.matrix(pieces.lengths / size)


def coarse_sums(values: Floats, fine: Grid, coarse: Grid) -> Floats:
    """Return fine values (row, column) summed over coarse pixels with their shares of area."""
    rows, columns = (shares(fine, coarse, axis) for axis in (0, 1))
    return np.asarray((columns @ (rows @ values).T).T)


def coarse_means(values: Floats, fine: Grid, coarse: Grid) -> Floats:
    """Return means over the covered parts of coarse pixels, NaN where nothing covers them.

    NaN in `values` (row, column) covers nothing.
    """
    there = np.isfinite(values)
    total = coarse_sums(np.where(there, values, 0.0), fine, coarse)
    area = coarse_sums(there.astype(np.float64), fine, coarse)
    found = np.full(total.shape, np.nan)
    np.divide(total, area, out=found, where=area > 0.0)
    return found


def strips(coarse: Grid, rows: int) -> list[slice]:
    """Return slices of coarse rows, so many together, that make up the whole."""
    count = coarse.shape[0]
    return [slice(first, min(first + rows, count)) for first in range(0, count, rows)]
