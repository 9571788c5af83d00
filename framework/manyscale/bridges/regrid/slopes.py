"""Slopes of fields given as cell means, from the parabola through three of them.

Its slope at the middle of a cell is that of P. Colella and P. R. Woodward, The piecewise
parabolic method, Journal of Computational Physics 54 (1984) 174, equation 1.7; at either end the
parabola of the cells next to it is continued. The limiter is that of T. J. Barth and D. C.
Jespersen, AIAA paper 89-0366 (1989), with the neighbours across faces.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from manyscale.bridges.regrid.overlaps import Floats, Integers, Matrix, along

Bools = NDArray[np.bool_]


def slopes(
    values: Floats, edges: tuple[Floats, ...], mask: Bools | None, limited: bool
) -> list[Floats]:
    """Return the slope per m along each axis of cell means (n_1, ..., n_d, ...).

    `mask` (n_1, ..., n_d, 1 ...) marks cells that hold no value: no slope is taken from them.
    `limited`: no reconstructed value leaves the range of a cell and its neighbours.
    """
    found = []
    for axis, along_axis in enumerate(edges):
        slope = np.asarray(along(gradient(along_axis), values, axis))
        if mask is not None:
            slope = np.where(_touched(mask, axis), 0.0, slope)
        found.append(slope)
    if not limited:
        return found
    part = _admissible(values, found, edges, mask)
    return [part * slope for slope in found]


def gradient(edges: Floats) -> Matrix:
    """Return the matrix (n, n) from cell means to slopes at the cell centres, in 1/m."""
    sizes, centres = np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    count = len(sizes)
    if count < 3:
        return _of_two(centres)
    first = _first(count)
    h0, h1, h2 = (sizes[first + k] for k in range(3))
    # a mean difference is the parabola's slope at this place, and slopes change linearly
    left = 0.5 * (centres[first] + centres[first + 1]) + (h1 - h0) / 12.0
    right = (centres - left) * 3.0 / (h0 + h1 + h2)
    low, high = (1.0 - right) * 2.0 / (h0 + h1), right * 2.0 / (h1 + h2)
    weights = np.stack([-low, low - high, high], axis=1)
    columns = first[:, None] + np.arange(3)
    start = 3 * np.arange(count + 1)
    return sparse.csr_array((weights.ravel(), columns.ravel(), start), shape=(count, count))


def _of_two(centres: Floats) -> Matrix:
    count = len(centres)
    row = np.array([-1.0, 1.0]) / (centres[1] - centres[0]) if count == 2 else np.zeros(1)
    return sparse.csr_array(np.tile(row, (count, 1)))


def _first(count: int) -> Integers:
    """Return the first of the three cells that give each cell its slope."""
    return np.clip(np.arange(count) - 1, 0, count - 3)


def _touched(mask: Bools, axis: int) -> Bools:
    """Return whether a masked cell is among those a slope is taken from."""
    count = mask.shape[axis]
    if count < 3:
        return np.broadcast_to(mask.any(axis=axis, keepdims=True), mask.shape)
    first = _first(count)
    three = [np.take(mask, first + k, axis=axis) for k in range(3)]
    return np.asarray(three[0] | three[1] | three[2])


def _admissible(
    values: Floats, found: list[Floats], edges: tuple[Floats, ...], mask: Bools | None
) -> Floats:
    """Return the part of the slopes (n_1, ..., n_d, ...) that keeps the range of neighbours."""
    low, high, reach = values.copy(), values.copy(), np.zeros_like(values)
    for axis, slope in enumerate(found):
        for near in _neighbours(values, axis, mask):
            np.minimum(low, near, out=low)
            np.maximum(high, near, out=high)
        shape = [1] * values.ndim
        shape[axis] = -1
        reach += np.abs(slope) * (0.5 * np.diff(edges[axis])).reshape(shape)
    room = np.minimum(high - values, values - low)
    return np.divide(room, reach, out=np.ones_like(values), where=reach > room)


def _neighbours(values: Floats, axis: int, mask: Bools | None) -> list[Floats]:
    """Return the values before and behind, a cell's own where there is none."""
    index = np.arange(values.shape[axis])
    found = []
    for other in (np.maximum(index - 1, 0), np.minimum(index + 1, index[-1])):
        near = np.take(values, other, axis=axis)
        if mask is not None:
            near = np.where(np.take(mask, other, axis=axis), values, near)
        found.append(near)
    return found
