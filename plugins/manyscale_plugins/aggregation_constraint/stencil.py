"""S = A K A^T between neighbouring coarse pixels, assembled and solved for many right sides.

A has the valid fine pixels of a coarse pixel, weighted with their area and with the slope of what
is averaged. Where all of them are valid S is a product of one factor per axis; elsewhere it is
summed pixel by pixel.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from manyscale_plugins.aggregation_constraint.footprints import Axis
from manyscale_plugins.aggregation_constraint.weights import Weights, footprint, window
from manyscale_plugins.surface_energy_balance.kernel import in_blocks

Array = NDArray[Any]

_STEPS = 5000  # of conjugate gradients
_SINGULAR = 1e-13  # of the diagonal: smaller eigenvalues are rounding
_DIGITS = 1e-13  # of the right side, which they leave


class Stencil(NamedTuple):
    """A symmetric positive matrix over coarse pixels: only near ones have to do with another."""

    values: Array  # (r, c, 2 hr + 1, 2 hc + 1)
    held: Array  # (r, c) bool: the others are not part of it

    @property
    def half(self) -> tuple[int, int]:
        """How far it reaches, in coarse pixels, along rows and columns."""
        return self.values.shape[2] // 2, self.values.shape[3] // 2

    @property
    def diagonal(self) -> Array:
        """(r, c)."""
        hr, hc = self.half
        return np.asarray(self.values[:, :, hr, hc])

    def plus(self, variance: Array) -> Stencil:
        """Return the matrix with `variance` (r, c) added on its diagonal."""
        hr, hc = self.half
        values = self.values.copy()
        values[:, :, hr, hc] += variance
        return self._replace(values=values)

    def solve(self, right: Array) -> Array:
        """Return x (r, c) of S x = right where held, 0 elsewhere, by conjugate gradients.

        Sums are numpy's own: their bits do not depend on how many threads BLAS has.
        """
        scale = np.where(self.held, np.sqrt(1.0 / np.where(self.held, self.diagonal, 1.0)), 0.0)
        x = np.zeros_like(right)
        left = scale * right
        most, way = float(np.abs(left).max(initial=0.0)), left.copy()
        size = float((left * left).sum())
        for _ in range(_STEPS):
            if np.abs(left).max(initial=0.0) <= _DIGITS * most:
                break
            image = scale * product(self.values, scale * way)
            curvature = float((way * image).sum())
            if not curvature > _SINGULAR * float((way * way).sum()):
                break  # the caller sees what is left
            step = size / curvature
            x += step * way
            left -= step * image
            before, size = size, float((left * left).sum())
            way = left + (size / before) * way
        return np.asarray(scale * x)


def product(values: Array, x: Array) -> Array:
    """Return the product of a stencil (r, c, 2 hr + 1, 2 hc + 1) with x (r, c)."""
    found = np.empty_like(x)
    in_blocks(lambda some: _product(values, x, some.start, some.stop, found), len(x))
    return found


@njit(cache=True, error_model="numpy", nogil=True)
def _product(values: Array, x: Array, begin: int, end: int, out: Array) -> None:
    r, c, high, wide = values.shape
    hr, hc = high // 2, wide // 2
    for i in range(begin, end):
        for j in range(c):
            total = 0.0
            for p in range(max(0, hr - i), min(high, r - i + hr)):
                for q in range(max(0, hc - j), min(wide, c - j + hc)):
                    total += values[i, j, p, q] * x[i + p - hr, j + q - hc]
            out[i, j] = total


def assembled(axes: tuple[Axis, Axis], weights: Weights, held: Array) -> Stencil:
    """Return S for the coarse pixels (r, c) that are held."""
    rows, columns = axes
    bands = along(rows), along(columns)
    values = np.zeros((*held.shape, bands[0].shape[1], bands[1].shape[1]))

    def products(some: slice) -> None:
        _separable(bands[0], bands[1], weights.share, some.start, some.stop, values)

    def sums(some: slice) -> None:
        _summed(rows, columns, weights, some.start, some.stop, values)

    in_blocks(products, rows.coarse)
    if weights.patched.any():
        in_blocks(sums, rows.coarse)
    return Stencil(values, held)


def along(axis: Axis) -> Array:
    """Return the band (coarse, 2 half + 1) of A K A^T along one axis."""
    smoothed = [np.convolve(weights, axis.taps) for weights in axis.weights]
    starts = axis.first - axis.reach
    half = _half(axis)
    band = np.zeros((axis.coarse, 2 * half + 1))
    for J in range(axis.coarse):
        for d in range(-half, half + 1):
            I = J + d  # noqa: E741
            if 0 <= I < axis.coarse and axis.last[I] > axis.first[I]:
                weights = axis.weights[I, : axis.last[I] - axis.first[I]]
                begin = axis.first[I] - starts[J]
                low, high = max(begin, 0), min(begin + len(weights), len(smoothed[J]))
                if low < high:
                    band[J, d + half] = (
                        weights[low - begin : high - begin] * smoothed[J][low:high]
                    ).sum()
    return band


def _half(axis: Axis) -> int:
    """Return how many coarse pixels away another one still has to do with a first."""
    some = axis.last > axis.first
    first, last = axis.first[some], axis.last[some]
    beyond = np.searchsorted(first, last + axis.reach) - np.arange(len(first)) - 1
    return int(max(beyond.max(initial=0), 0))


@njit(cache=True, error_model="numpy", nogil=True)
def _separable(
    down: Array, across: Array, share: Array, begin: int, end: int, values: Array
) -> None:
    r, c, high, wide = values.shape
    hr, hc = high // 2, wide // 2
    for i in range(begin, end):
        for j in range(c):
            for p in range(max(0, hr - i), min(high, r - i + hr)):
                for q in range(max(0, hc - j), min(wide, c - j + hc)):
                    both = share[i, j] * share[i + p - hr, j + q - hc]
                    values[i, j, p, q] = both * down[i, p] * across[j, q]


@njit(cache=True, error_model="numpy", nogil=True)
def _summed(
    rows: Axis, columns: Axis, weights: Weights, begin: int, end: int, values: Array
) -> None:
    """Write the entries of coarse pixels whose weights are no product of one factor per axis."""
    r, c, high, wide = values.shape
    hr, hc = high // 2, wide // 2
    n, m = rows.weights.shape[1], columns.weights.shape[1]
    foot, other = np.empty((n, m)), np.empty((n, m))
    near = np.empty((n + len(rows.taps) - 1, m + len(columns.taps) - 1))
    for i in range(begin, end):
        for j in range(c):
            if not weights.patched[i, j]:
                continue
            window(rows, columns, weights, i, j, foot, near)
            for p in range(max(0, hr - i), min(high, r - i + hr)):
                for q in range(max(0, hc - j), min(wide, c - j + hc)):
                    u, v = i + p - hr, j + q - hc
                    if weights.patched[u, v] and (u < i or (u == i and v < j)):
                        continue  # that one writes both entries
                    total = 0.0
                    if weights.share[u, v] != 0.0:
                        footprint(rows, columns, weights, u, v, other)
                        total = _shared(rows, columns, i, j, near, u, v, other)
                    values[i, j, p, q] = total
                    values[u, v, 2 * hr - p, 2 * hc - q] = total


@njit(cache=True, error_model="numpy", nogil=True)
def _shared(
    rows: Axis,
    columns: Axis,
    i: int,
    j: int,
    near: Array,
    u: int,
    v: int,
    foot: Array,
) -> float:
    """Return the sum over fine pixels of the window of i, j times the footprint of u, v."""
    a, b = len(rows.taps) // 2, len(columns.taps) // 2
    top, side = rows.first[i] - a, columns.first[j] - b
    total = 0.0
    for x in range(max(rows.first[u], top), min(rows.last[u], rows.last[i] + a)):
        for y in range(max(columns.first[v], side), min(columns.last[v], columns.last[j] + b)):
            total += foot[x - rows.first[u], y - columns.first[v]] * near[x - top, y - side]
    return total
