"""Loops over all pixels of a scene: means of coarse pixels, and changes spread over fine ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from manyscale_plugins.aggregation_constraint.footprints import Axis
from manyscale_plugins.aggregation_constraint.weights import Weights
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
        _means(T, valid, fourth, rows, columns, some.start, some.stop, total, part)

    in_blocks(work, rows.coarse)
    return np.divide(total, part, out=total, where=part > 0.0), part


@njit(cache=True, error_model="numpy", nogil=True)
def _means(
    T: Array,
    valid: Array,
    fourth: bool,
    rows: Axis,
    columns: Axis,
    begin: int,
    end: int,
    total: Array,
    part: Array,
) -> None:
    """Write sums over fine pixels, and the parts that they are."""
    width = T.shape[1]
    value, there = np.empty(width), np.empty(width)
    for r in range(begin, end):
        value[:] = 0.0
        there[:] = 0.0
        for i in range(rows.first[r], rows.last[r]):
            weight = rows.weights[r, i - rows.first[r]]
            for j in range(width):
                t = T[i, j]
                if valid[i, j]:
                    value[j] += weight * (t * t * t * t if fourth else t)
                    there[j] += weight
        for c in range(columns.first.size):
            a = b = 0.0
            for j in range(columns.first[c], columns.last[c]):
                weight = columns.weights[c, j - columns.first[c]]
                a += weight * value[j]
                b += weight * there[j]
            total[r, c], part[r, c] = a, b


def spread(
    pushes: Array, model: Array, weights: Weights, axes: tuple[Axis, Axis], out: Array
) -> None:
    """Write model + K A^T pushes into `out` (row, column), and 0 where not valid.

    `pushes` (r, c) is what every coarse pixel asks of its fine ones, K the correlation of the
    model's errors.
    """
    rows, columns = axes
    push, uncorrelated = weights.share * pushes, rows.reach + columns.reach == 0

    def work(some: slice) -> None:
        _spread(push, rows, columns, weights, some.start, some.stop, out)
        if uncorrelated:  # while the rows are at hand
            _add(model, weights.valid, some.start, some.stop, out)

    in_blocks(work, rows.fine)
    if not uncorrelated:
        _smooth(out, axes)
        in_blocks(lambda some: _add(model, weights.valid, some.start, some.stop, out), rows.fine)


@njit(cache=True, error_model="numpy", nogil=True)
def _spread(
    push: Array,
    rows: Axis,
    columns: Axis,
    weights: Weights,
    begin: int,
    end: int,
    out: Array,
) -> None:
    """Write A^T of pushes that have their share."""
    coarse = push.shape[1]
    line = np.zeros(coarse + 2)
    for i in range(begin, end):
        r = rows.lower[i]
        for c in range(coarse):
            line[c] = rows.share[i, 0] * push[r, c]
            if rows.share[i, 1] != 0.0:
                line[c] += rows.share[i, 1] * push[r + 1, c]
        for j in range(out.shape[1]):
            c = columns.lower[j]
            x = columns.share[j, 0] * line[c] + columns.share[j, 1] * line[c + 1]
            if weights.tangent.size:
                x *= weights.tangent[i, j] ** 3
            out[i, j] = x if weights.valid[i, j] else 0.0


@njit(cache=True, error_model="numpy", nogil=True)
def _add(model: Array, valid: Array, begin: int, end: int, change: Array) -> None:
    """Add the model to a change of it, in place."""
    for i in range(begin, end):
        for j in range(change.shape[1]):
            change[i, j] = model[i, j] + change[i, j] if valid[i, j] else 0.0


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
