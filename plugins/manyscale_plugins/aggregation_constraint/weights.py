"""Rows of A, the weights of a coarse mean, and of A K: on the fine pixels of one coarse pixel."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from manyscale_plugins.aggregation_constraint.footprints import Axis

Array = NDArray[Any]

NO_TANGENT = np.empty((0, 0))


class Weights(NamedTuple):
    """What the area of a fine pixel is multiplied by in a mean."""

    valid: Array  # (row, column) bool: 0 for the others
    tangent: Array  # (row, column) K, its cube is a factor; NO_TANGENT for 1
    share: Array  # (r, c) a factor of all pixels of a mean; 0 where it is not held
    patched: Array  # (r, c) bool: held, and no product of one factor per axis


@njit(cache=True, error_model="numpy", nogil=True)
def footprint(rows: Axis, columns: Axis, weights: Weights, i: int, j: int, out: Array) -> None:
    """Write the row of A of coarse pixel i, j from the first of its fine pixels on."""
    top, side = rows.first[i], columns.first[j]
    for x in range(top, rows.last[i]):
        for y in range(side, columns.last[j]):
            w = 0.0
            if weights.valid[x, y]:
                w = rows.weights[i, x - top] * columns.weights[j, y - side] * weights.share[i, j]
                if weights.tangent.size:
                    w *= weights.tangent[x, y] ** 3
            out[x - top, y - side] = w


@njit(cache=True, error_model="numpy", nogil=True)
def window(
    rows: Axis, columns: Axis, weights: Weights, i: int, j: int, foot: Array, out: Array
) -> None:
    """Write the row of A K of coarse pixel i, j from a reach before its first fine pixel on.

    `foot` is for the row of A; `out` is larger by twice the reach.
    """
    footprint(rows, columns, weights, i, j, foot)
    n, m = rows.last[i] - rows.first[i], columns.last[j] - columns.first[j]
    a, b = len(rows.taps) // 2, len(columns.taps) // 2
    out[: n + 2 * a, : m + 2 * b] = 0.0
    line = np.empty(m + 2 * b)
    for x in range(n):
        line[:] = 0.0
        for y in range(m):
            for d in range(2 * b + 1):
                line[y + d] += foot[x, y] * columns.taps[d]
        for d in range(2 * a + 1):
            for y in range(m + 2 * b):
                out[x + d, y] += line[y] * rows.taps[d]
