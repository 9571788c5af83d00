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


def assembled(
    axes: tuple[Axis, Axis],
    valid: Array,
    share: Array,
    held: Array,
    patched: Array,
    tangent: Array | None,
) -> Stencil:
    """Return S for the coarse pixels that are held.

    Parameters
    ----------
    axes
        Overlaps along rows and columns.
    valid
        Fine pixels (row, column) that are there.
    share
        What the weights of a mean (r, c) are multiplied by; 0 where not held.
    held
        Coarse pixels (r, c) with a constraint.
    patched
        Those of them with fine pixels that are not valid, or with weights of a tangent.
    tangent
        V^(1/3) (row, column), or None for V = 1: see `sweeps.spread`.
    """
    rows, columns = axes
    bands = along(rows), along(columns)
    half = bands[0].shape[1] // 2, bands[1].shape[1] // 2
    values = np.zeros((*held.shape, 2 * half[0] + 1, 2 * half[1] + 1))
    slopes = np.empty((0, 0)) if tangent is None else tangent
    both = (rows.first, rows.last, rows.weights, columns.first, columns.last, columns.weights)

    def products(some: slice) -> None:
        _separable(bands[0], bands[1], share, some.start, some.stop, values)

    def pieces(some: slice) -> None:
        _summed(
            *both, rows.taps, columns.taps, valid, slopes, share, patched, some.start, some.stop,
            values,
        )  # fmt: skip

    in_blocks(products, rows.coarse)
    if patched.any():
        in_blocks(pieces, rows.coarse)
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
def smoothed(foot: Array, down: Array, across: Array, middle: Array, window: Array) -> None:
    """Write the correlation of a footprint (n, m) into its window (n + 2 a, m + 2 b)."""
    n, m = foot.shape
    a, b = len(down) // 2, len(across) // 2
    for i in range(n):
        for j in range(m + 2 * b):
            total = 0.0
            for k in range(max(0, j - 2 * b), min(m, j + 1)):
                total += foot[i, k] * across[j - k]
            middle[i, j] = total
    for i in range(n + 2 * a):
        for j in range(m + 2 * b):
            window[i, j] = 0.0
        for k in range(max(0, i - 2 * a), min(n, i + 1)):
            for j in range(m + 2 * b):
                window[i, j] += middle[k, j] * down[i - k]


@njit(cache=True, error_model="numpy", nogil=True)
def footprint(
    low: int, high: int, left: int, right: int, weights: Array, across: Array,
    valid: Array, tangent: Array, share: float, foot: Array,
) -> None:  # fmt: skip
    """Write a row of A on its fine pixels (high - low, right - left)."""
    for i in range(low, high):
        for j in range(left, right):
            x = weights[i - low] * across[j - left] * share if valid[i, j] else 0.0
            foot[i - low, j - left] = x * tangent[i, j] ** 3 if tangent.size else x


@njit(cache=True, error_model="numpy", nogil=True)
def _summed(
    first: Array, last: Array, weights: Array, left: Array, right: Array, across: Array,
    down: Array, over: Array, valid: Array, tangent: Array, share: Array, patched: Array,
    begin: int, end: int, values: Array,
) -> None:  # fmt: skip
    r, c, high, wide = values.shape
    hr, hc, a, b = high // 2, wide // 2, len(down) // 2, len(over) // 2
    n, m = weights.shape[1], across.shape[1]
    foot, other = np.empty((n, m)), np.empty((n, m))
    middle, window = np.empty((n, m + 2 * b)), np.empty((n + 2 * a, m + 2 * b))
    for i in range(begin, end):
        for j in range(c):
            if not patched[i, j]:
                continue
            top, side = first[i], left[j]
            h, w = last[i] - top, right[j] - side
            one = foot[:h, :w]
            footprint(
                top, last[i], side, right[j], weights[i], across[j], valid, tangent,
                share[i, j], one,
            )  # fmt: skip
            smoothed(one, down, over, middle, window)
            for p in range(max(0, hr - i), min(high, r - i + hr)):
                for q in range(max(0, hc - j), min(wide, c - j + hc)):
                    I, J = i + p - hr, j + q - hc  # noqa: E741
                    if patched[I, J] and (i > I or (i == I and j > J)):
                        continue  # that one has written both entries
                    total = 0.0
                    if share[I, J] != 0.0:
                        footprint(
                            first[I], last[I], left[J], right[J], weights[I], across[J], valid,
                            tangent, share[I, J], other,
                        )  # fmt: skip
                        for x in range(max(first[I], top - a), min(last[I], top + h + a)):
                            for y in range(max(left[J], side - b), min(right[J], side + w + b)):
                                total += (
                                    other[x - first[I], y - left[J]]
                                    * window[x - top + a, y - side + b]
                                )
                    values[i, j, p, q] = total
                    values[I, J, 2 * hr - p, 2 * hc - q] = total
