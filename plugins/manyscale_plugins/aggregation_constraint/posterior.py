"""The posterior standard deviation of every fine pixel: s (1 - k^T S^-1 k)^(1/2).

k is the column of A K of a fine pixel: only near coarse pixels have to do with it, so only entries
of S^-1 near the diagonal are wanted. S is block tridiagonal in groups of coarse rows; a block
factorisation and one sweep back give these entries and no others (Takahashi et al. 1973). Tile by
tile, each with a halo in which S^-1 decays.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from manyscale_plugins.aggregation_constraint.footprints import Axis
from manyscale_plugins.aggregation_constraint.stencil import Stencil
from manyscale_plugins.aggregation_constraint.weights import Weights, window
from manyscale_plugins.surface_energy_balance.kernel import in_blocks

Array = NDArray[Any]

_CORE = 24  # coarse pixels of a tile along an axis, without its halo
_HALO = 8  # coarse pixels, and twice the reach of S


class _Side(NamedTuple):
    """One axis: which coarse pixels fine ones are correlated with, and how much."""

    low: Array  # (fine,) the first of these coarse pixels
    high: Array  # (fine,) one behind the last
    begin: Array  # (coarse,) the first fine pixel a coarse one is correlated with
    smooth: Array  # (coarse, most) K A^T from there


class _Part(NamedTuple):
    """The part of one axis that a tile works on."""

    fine: slice  # its own fine pixels
    coarse: slice  # coarse pixels with the halo


class _Told(NamedTuple):
    """What the observation tells of a tile."""

    near: Array  # (r, c, 2 d + 1, 2 e + 1) S^-1 of its coarse pixels with those near them
    top: int  # its first coarse row
    side: int  # its first coarse column
    share: Array  # (all r, all c) see `Weights`
    windows: Array  # (number, n, m) columns of K A^T that are no products
    numbers: Array  # (r, c) which of them, or -1


def posterior_std(
    matrix: Stencil, axes: tuple[Axis, Axis], weights: Weights, model_std: float
) -> Array:
    """Return the posterior standard deviation (row, column) in K, 0 where not valid.

    `matrix` is A K A^T + R / s^2. Raises ValueError if it is singular.
    """
    kept = np.ones(weights.valid.shape)
    sides = _side(axes[0]), _side(axes[1])
    for rows in _parts(axes[0], matrix.half[0]):
        for columns in _parts(axes[1], matrix.half[1]):
            _tile(matrix, axes, sides, (rows, columns), weights, kept)
    return np.where(weights.valid, model_std * np.sqrt(np.maximum(kept, 0.0)), 0.0)


def _side(axis: Axis) -> _Side:
    pixels, some = np.arange(axis.fine), np.flatnonzero(axis.last > axis.first)
    low = np.searchsorted(axis.last[some], pixels - axis.reach, side="right")
    high = np.searchsorted(axis.first[some], pixels + axis.reach, side="right")
    smooth = np.array([np.convolve(weights, axis.taps) for weights in axis.weights])
    offset = some[0]
    return _Side(low + offset, np.maximum(high, low) + offset, axis.first - axis.reach, smooth)


def _parts(axis: Axis, half: int) -> Iterator[_Part]:
    """Cut an axis into tiles; every fine pixel belongs to one."""
    some = np.flatnonzero(axis.last > axis.first)
    begin, end = int(some[0]), int(some[-1]) + 1
    halo = _HALO + 2 * half
    for start in range(begin, end, _CORE):
        stop = min(start + _CORE, end)
        low = 0 if start == begin else int(axis.first[start])
        high = axis.fine if stop == end else int(axis.first[stop])
        near = (axis.last[some] > low - axis.reach) & (axis.first[some] < high + axis.reach)
        first, last = some[near][[0, -1]]
        coarse = slice(max(int(first) - halo, begin), min(int(last) + 1 + halo, end))
        yield _Part(slice(low, high), coarse)


def _tile(
    matrix: Stencil,
    axes: tuple[Axis, Axis],
    sides: tuple[_Side, _Side],
    part: tuple[_Part, _Part],
    weights: Weights,
    kept: Array,
) -> None:
    """Take from the variance of a tile's fine pixels what the observation tells."""
    (fine, rows), (across, columns) = part
    deep = _deepest(sides[0], fine), _deepest(sides[1], across)
    near = _near(matrix, rows, columns, deep)
    windows, numbers = _windows(axes, rows, columns, weights)
    told = _Told(near, rows.start, columns.start, weights.share, windows, numbers)

    def work(some: slice) -> None:
        lines = fine.start + some.start, fine.start + some.stop
        _remove(told, *sides, *lines, across.start, across.stop, kept)

    in_blocks(work, fine.stop - fine.start)


def _deepest(side: _Side, fine: slice) -> int:
    """Return how far apart two coarse pixels are at most that have to do with one fine pixel."""
    return max(int((side.high[fine] - side.low[fine]).max(initial=1)) - 1, 0)


def _near(matrix: Stencil, rows: slice, columns: slice, deep: tuple[int, ...]) -> Array:
    """Return S^-1 of a tile (r, c) with its neighbours up to `deep`: (r, c, 2 d + 1, 2 e + 1)."""
    group = max(matrix.half[0], deep[0], 1)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    sizes = [min(group, height - at) * width for at in range(0, height, group)]
    diagonal, above = [], []
    for number, size in enumerate(sizes):
        following = sizes[number + 1] if number + 1 < len(sizes) else 0
        one, other = np.zeros((size, size)), np.zeros((size, following))
        top = rows.start + number * group
        _fill(matrix.values, matrix.held, top, columns.start, width, one, other)
        diagonal.append(one)
        above.append(other)
    try:
        inverse, beside = selected_inverse(diagonal, above[:-1])
    except np.linalg.LinAlgError:
        raise ValueError(
            "the posterior standard deviation cannot be computed: some coarse pixels share nearly"
            " all their fine ones; use a larger min_cover or method = tikhonov"
        ) from None
    near = np.zeros((height, width, 2 * deep[0] + 1, 2 * deep[1] + 1))
    for number, one in enumerate(inverse):
        other = beside[number] if number < len(beside) else np.zeros((len(one), 0))
        _gather(one, other, number * group, width, near)
    return near


@njit(cache=True, error_model="numpy", nogil=True)
def _fill(
    values: Array, held: Array, top: int, side: int, width: int, one: Array, other: Array
) -> None:
    """Write S of a group of coarse rows, and of it with the next group."""
    hr, hc = values.shape[2] // 2, values.shape[3] // 2
    n, m = other.shape
    for x in range(n):
        i, j = top + x // width, side + x % width
        if not held[i, j]:
            one[x, x] = 1.0
            continue
        for y in range(n + m):
            p, q = top + y // width - i, side + y % width - j
            if abs(p) <= hr and abs(q) <= hc and held[i + p, j + q]:
                if y < n:
                    one[x, y] = values[i, j, p + hr, q + hc]
                else:
                    other[x, y - n] = values[i, j, p + hr, q + hc]


@njit(cache=True, error_model="numpy", nogil=True)
def _gather(one: Array, other: Array, top: int, width: int, near: Array) -> None:
    """Write entries of S^-1 of a group of coarse rows, and of it with the next group."""
    dr, dc = near.shape[2] // 2, near.shape[3] // 2
    n, m = other.shape
    for x in range(n):
        i, j = top + x // width, x % width
        for y in range(n + m):
            p, q = top + y // width - i, y % width - j
            if abs(p) <= dr and abs(q) <= dc:
                entry = one[x, y] if y < n else other[x, y - n]
                near[i, j, p + dr, q + dc] = entry
                near[i + p, j + q, dr - p, dc - q] = entry


def selected_inverse(diagonal: list[Array], above: list[Array]) -> tuple[list[Array], list[Array]]:
    """Return these blocks of the inverse of a symmetric positive block tridiagonal matrix.

    Raises `numpy.linalg.LinAlgError` if it is not positive definite.
    """
    inverse, gains = [], []
    pivot = diagonal[0]
    for number in range(len(diagonal)):
        factor = cho_factor(pivot, lower=True)
        inverse.append(cho_solve(factor, np.eye(len(pivot))))
        if number < len(above):
            gains.append(cho_solve(factor, above[number]))
            pivot = diagonal[number + 1] - above[number].T @ gains[-1]
    beside = []
    for number in range(len(gains) - 1, -1, -1):
        beside.append(-gains[number] @ inverse[number + 1])
        inverse[number] = inverse[number] - beside[-1] @ gains[number].T
    return inverse, beside[::-1]


def _windows(
    axes: tuple[Axis, Axis], rows: slice, columns: slice, weights: Weights
) -> tuple[Array, Array]:
    """Return columns of K A^T that are no products (number, n, m), and numbers (r, c) or -1."""
    some = weights.patched[rows, columns]
    numbers = np.full(some.shape, -1, np.int64)
    numbers[some] = np.arange(int(some.sum()))
    high, wide = (axis.weights.shape[1] + 2 * axis.reach for axis in axes)
    windows = np.zeros((int(some.sum()), high, wide))
    where = np.argwhere(some) + np.array([rows.start, columns.start])
    in_blocks(lambda few: _fill_windows(*axes, weights, where[few], windows[few]), len(where))
    return windows, numbers


@njit(cache=True, error_model="numpy", nogil=True)
def _fill_windows(
    rows: Axis, columns: Axis, weights: Weights, where: Array, windows: Array
) -> None:
    foot = np.empty((rows.weights.shape[1], columns.weights.shape[1]))
    for number in range(len(where)):
        window(rows, columns, weights, where[number, 0], where[number, 1], foot, windows[number])


@njit(cache=True, error_model="numpy", nogil=True)
def _remove(
    told: _Told,
    down: _Side,
    across: _Side,
    first: int,
    last: int,
    left: int,
    right: int,
    kept: Array,
) -> None:
    """Subtract k^T S^-1 k from what is kept of the variance of every fine pixel."""
    dr, dc = told.near.shape[2] // 2, told.near.shape[3] // 2
    column = np.empty((dr + 1, dc + 1))
    for x in range(first, last):
        for y in range(left, right):
            n, m = down.high[x] - down.low[x], across.high[y] - across.low[y]
            i, j = down.low[x] - told.top, across.low[y] - told.side
            _column(told, down, across, x, y, column)
            for p in range(n):
                for q in range(m):
                    for s in range(n):
                        for t in range(m):
                            entry = told.near[i + p, j + q, s - p + dr, t - q + dc]
                            kept[x, y] -= column[p, q] * entry * column[s, t]


@njit(cache=True, error_model="numpy", nogil=True)
def _column(told: _Told, down: _Side, across: _Side, x: int, y: int, out: Array) -> None:
    """Write k of a fine pixel: A K between it and the coarse pixels that it has to do with."""
    for i in range(down.low[x], down.high[x]):
        for j in range(across.low[y], across.high[y]):
            number = told.numbers[i - told.top, j - told.side]
            u, v = x - down.begin[i], y - across.begin[j]
            if number >= 0:
                k = told.windows[number, u, v]
            else:
                k = told.share[i, j] * down.smooth[i, u] * across.smooth[j, v]
            out[i - down.low[x], j - across.low[y]] = k
