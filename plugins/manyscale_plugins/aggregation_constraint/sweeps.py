"""Loops over all pixels of a scene: means of coarse pixels, and changes spread over fine ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from manyscale_plugins.aggregation_constraint.footprints import Axis
from manyscale_plugins.surface_energy_balance.kernel import in_blocks

Array = NDArray[Any]


def means(T: Array, valid: Array, axes: tuple[Axis, Axis], fourth: bool) -> tuple[Array, Array]:
    """Return the mean of T [K], or of T^4, over the valid part of coarse pixels, and that part.

    `T`, `valid` are (row, column), the results (r, c); the mean is 0 where nothing is valid.
    """
    rows, columns = axes
    total = np.zeros((rows.coarse, columns.coarse))
    part = np.zeros_like(total)

    def work(some: slice) -> None:
        _means(
            T, valid, fourth, rows.first[some], rows.last[some], rows.weights[some],
            columns.first, columns.last, columns.weights, total[some], part[some],
        )  # fmt: skip

    in_blocks(work, rows.coarse)
    return np.divide(total, part, out=total, where=part > 0.0), part


@njit(cache=True, error_model="numpy", nogil=True)
def _means(
    T: Array,
    valid: Array,
    fourth: bool,
    first: Array,
    last: Array,
    weights: Array,
    left: Array,
    right: Array,
    across: Array,
    total: Array,
    part: Array,
) -> None:
    width = T.shape[1]
    value, there = np.empty(width), np.empty(width)
    for J in range(len(first)):
        value[:] = 0.0
        there[:] = 0.0
        for i in range(first[J], last[J]):
            weight = weights[J, i - first[J]]
            for j in range(width):
                t = T[i, j]
                if valid[i, j]:
                    value[j] += weight * (t * t * t * t if fourth else t)
                    there[j] += weight
        for K in range(len(left)):
            a = b = 0.0
            for j in range(left[K], right[K]):
                weight = across[K, j - left[K]]
                a += weight * value[j]
                b += weight * there[j]
            total[J, K], part[J, K] = a, b


def spread(
    push: Array,
    model: Array,
    valid: Array,
    axes: tuple[Axis, Axis],
    tangent: Array | None,
    out: Array,
) -> None:
    """Write model + K V A^T push into `out` (row, column), and 0 where not valid.

    `push` (r, c) is what every coarse pixel asks of its fine ones, V = tangent^3, or 1, and K
    the correlation of the model's errors.
    """
    rows, columns = axes
    correlated = rows.reach + columns.reach > 0
    change = np.empty_like(out) if correlated else out
    slopes = np.empty((0, 0)) if tangent is None else tangent

    def work(some: slice) -> None:
        _spread(
            push, model[some], valid[some], slopes if tangent is None else tangent[some],
            rows.lower[some], rows.share[some], columns.lower, columns.share,
            not correlated, change[some],
        )  # fmt: skip

    in_blocks(work, rows.fine)
    if correlated:
        _smooth(change, axes)
        np.add(model, change, out=out)
        out[~valid] = 0.0


@njit(cache=True, error_model="numpy", nogil=True)
def _spread(
    push: Array,
    model: Array,
    valid: Array,
    tangent: Array,
    lower: Array,
    share: Array,
    beside: Array,
    across: Array,
    whole: bool,
    out: Array,
) -> None:
    coarse = push.shape[1]
    line = np.zeros(coarse + 2)
    for i in range(out.shape[0]):
        J = lower[i]
        for K in range(coarse):
            line[K] = share[i, 0] * push[J, K]
            if share[i, 1] != 0.0:
                line[K] += share[i, 1] * push[J + 1, K]
        for j in range(out.shape[1]):
            K = beside[j]
            x = across[j, 0] * line[K] + across[j, 1] * line[K + 1]
            if tangent.size:
                x *= tangent[i, j] ** 3
            if not valid[i, j]:
                out[i, j] = 0.0
            elif whole:
                out[i, j] = model[i, j] + x
            else:
                out[i, j] = x


def _smooth(field: Array, axes: tuple[Axis, Axis]) -> None:
    """Apply the correlations of both axes to a field (row, column), in place."""
    from scipy.ndimage import correlate1d

    rows, columns = axes
    between = np.empty_like(field)

    def along_rows(some: slice) -> None:
        correlate1d(field[some], columns.taps, 1, between[some], "constant")

    def along_columns(some: slice) -> None:
        low, high = max(some.start - rows.reach, 0), some.stop + rows.reach
        found = correlate1d(between[low:high], rows.taps, 0, None, "constant")
        field[some] = found[some.start - low : some.stop - low]

    in_blocks(along_rows, rows.fine)
    in_blocks(along_columns, rows.fine)
