"""Where coarse and fine pixels overlap along one axis, and how a change of one spreads."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale.bridges.regrid.overlaps import overlap

Array = NDArray[Any]

_SLIVER = 1e-9  # of a fine pixel: an overlap as small as this is rounding


class Axis(NamedTuple):
    """One axis of both grids, coarse pixels counted in the direction of the fine ones."""

    first: Array  # (coarse,) the first fine pixel in it
    last: Array  # (coarse,) one behind the last fine pixel in it
    weights: Array  # (coarse, most) part of the coarse pixel that its fine pixels are
    lower: Array  # (fine,) the first of the coarse pixels it lies in
    share: Array  # (fine, 2) part of that coarse pixel, and of the next, that it is
    taps: Array  # (2 reach + 1,) correlation of fine pixels by distance
    reversed: bool  # whether the coarse grid runs the other way

    @property
    def coarse(self) -> int:
        """Number of coarse pixels."""
        return len(self.first)

    @property
    def fine(self) -> int:
        """Number of fine pixels."""
        return len(self.lower)

    @property
    def reach(self) -> int:
        """Distance in fine pixels beyond which they are not correlated."""
        return len(self.taps) // 2


def axis_of(
    coarse: tuple[float, float, int],
    fine: tuple[float, float, int],
    correlation_length: float = 0.0,
) -> Axis:
    """Return the overlaps of two rows of pixels.

    Parameters
    ----------
    coarse, fine
        Origin, signed size and number of the pixels, in the unit of the map.
    correlation_length
        Where the correlation of the model's errors ends, in the unit of the map; 0 for none.

    Raises
    ------
    ValueError
        If fine pixels are larger than coarse ones.
    """
    sign = 1.0 if fine[1] > 0.0 else -1.0
    turned = (coarse[1] > 0.0) != (fine[1] > 0.0)
    fine_edges, coarse_edges = sign * _edges(fine), sign * _edges(coarse)
    size, whole = abs(fine[1]), abs(coarse[1])
    if size > whole * (1.0 + _SLIVER):
        raise ValueError(
            f"the fine pixels of {size:g} are larger than the coarse ones of {whole:g} (map units):"
            " exchange the two scenes"
        )
    nothing = max(coarse_edges.min(), fine_edges.min()) >= min(coarse_edges.max(), fine_edges.max())
    if nothing or not coarse[2] or not fine[2]:
        empty = np.zeros(0, np.int64)
        return _axis(empty, empty, np.zeros(0), coarse[2], fine[2], taps(0.0), turned)
    ascending = coarse_edges[::-1] if turned else coarse_edges
    found = overlap(fine_edges, ascending)
    kept = found.lengths > _SLIVER * size
    rows, columns, lengths = found.rows[kept], found.columns[kept], found.lengths[kept]
    reach = taps(correlation_length / size)
    return _axis(rows, columns, lengths / whole, coarse[2], fine[2], reach, turned)


def _edges(pixels: tuple[float, float, int]) -> Array:
    origin, size, count = pixels
    return np.asarray(origin + size * np.arange(count + 1.0))


def _axis(
    rows: Array, columns: Array, parts: Array, coarse: int, fine: int, reach: Array, turned: bool
) -> Axis:
    """Collect overlaps (piece,), in ascending order, by coarse and by fine pixel."""
    first, last = np.zeros(coarse, np.int64), np.zeros(coarse, np.int64)
    first[rows[::-1]], last[rows] = columns[::-1], columns + 1
    weights = np.zeros((coarse, int((last - first).max(initial=0))))
    weights[rows, columns - first[rows]] = parts
    lower = np.zeros(fine, np.int64)
    lower[columns[::-1]] = rows[::-1]
    share = np.zeros((fine, 2))
    share[columns, rows - lower[columns]] = parts
    return Axis(first, last, weights, lower, share, reach, turned)


def taps(length: float) -> Array:
    """Return (1 - r)^4 (4 r + 1), r the distance over `length` [fine pixels], up to r = 1.

    Wendland (1995): positive definite, twice differentiable, of compact support; [1] for 0.
    """
    if length <= 1.0:
        return np.ones(1)
    reach = int(np.ceil(length)) - 1
    r = np.abs(np.arange(-reach, reach + 1)) / length
    return np.asarray((1.0 - r) ** 4 * (4.0 * r + 1.0))
