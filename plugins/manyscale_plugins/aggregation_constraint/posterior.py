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
from manyscale_plugins.aggregation_constraint.stencil import Stencil, footprint, smoothed
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


class _Scene(NamedTuple):
    """What the columns of A K are made of, see `stencil.assembled`."""

    valid: Array
    share: Array  # (r, c) what weights of a mean are multiplied by
    tangent: Array
    patched: Array  # (r, c) coarse pixels that are no product of one factor per axis


def posterior_std(
    matrix: Stencil,
    axes: tuple[Axis, Axis],
    valid: Array,
    share: Array,
    patched: Array,
    tangent: Array | None,
    model_std: float,
) -> Array:
    """Return the posterior standard deviation (row, column) in K, 0 where not valid.

    `matrix` is A K A^T + R / s^2; for the others see `stencil.assembled`. Raises
    ValueError if the matrix is singular.
    """
    kept = np.ones(valid.shape)
    sides = tuple(_side(axis) for axis in axes)
    slopes = np.empty((0, 0)) if tangent is None else tangent
    scene = _Scene(valid, share, slopes, patched)
    for rows in _parts(axes[0], matrix.half[0]):
        for columns in _parts(axes[1], matrix.half[1]):
            _tile(matrix, axes, sides, (rows, columns), scene, kept)
    return np.where(valid, model_std * np.sqrt(np.maximum(kept, 0.0)), 0.0)


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
    sides: tuple[_Side, ...],
    part: tuple[_Part, _Part],
    scene: _Scene,
    kept: Array,
) -> None:
    """Take from the variance of a tile's fine pixels what the observation tells."""
    rows, columns = (one.coarse for one in part)
    deep = tuple(_deepest(side, one.fine) for side, one in zip(sides, part, strict=True))
    near = _near(matrix, rows, columns, deep)
    windows, numbers = _windows(axes, rows, columns, scene)
    down, across = sides
    fine = part[0].fine, part[1].fine

    def work(some: slice) -> None:
        _remove(
            near, rows.start, columns.start, *down, *across, scene.share, numbers, windows,
            fine[0].start + some.start, fine[0].start + some.stop, fine[1].start, fine[1].stop,
            kept,
        )  # fmt: skip

    in_blocks(work, fine[0].stop - fine[0].start)


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
    axes: tuple[Axis, Axis], rows: slice, columns: slice, scene: _Scene
) -> tuple[Array, Array]:
    """Return columns of K A^T that are no products (number, n, m), and numbers (r, c) or -1."""
    down, over = axes
    some = scene.patched[rows, columns]
    numbers = np.full(some.shape, -1, np.int64)
    numbers[some] = np.arange(int(some.sum()))
    high, wide = (axis.weights.shape[1] + 2 * axis.reach for axis in axes)
    windows = np.zeros((int(some.sum()), high, wide))
    where = np.argwhere(some) + np.array([rows.start, columns.start])

    def work(few: slice) -> None:
        _smooth_some(
            where[few], down.first, down.last, down.weights, over.first, over.last, over.weights,
            down.taps, over.taps, scene.valid, scene.tangent, scene.share, windows[few],
        )  # fmt: skip

    in_blocks(work, len(where))
    return windows, numbers


@njit(cache=True, error_model="numpy", nogil=True)
def _smooth_some(
    where: Array, first: Array, last: Array, weights: Array, left: Array, right: Array,
    across: Array, down: Array, over: Array, valid: Array, tangent: Array, share: Array,
    windows: Array,
) -> None:  # fmt: skip
    n, m = weights.shape[1], across.shape[1]
    foot, middle = np.empty((n, m)), np.empty((n, m + 2 * (len(over) // 2)))
    for number in range(len(where)):
        i, j = where[number]
        one = foot[: last[i] - first[i], : right[j] - left[j]]
        footprint(
            first[i], last[i], left[j], right[j], weights[i], across[j], valid, tangent,
            share[i, j], one,
        )  # fmt: skip
        smoothed(one, down, over, middle, windows[number])


@njit(cache=True, error_model="numpy", nogil=True)
def _remove(
    near: Array, top: int, side: int,
    low: Array, high: Array, begin: Array, down: Array,
    left: Array, right: Array, start: Array, across: Array,
    share: Array, numbers: Array, windows: Array,
    first: int, last: int, first_column: int, last_column: int, kept: Array,
) -> None:  # fmt: skip
    dr, dc = near.shape[2] // 2, near.shape[3] // 2
    k = np.empty((dr + 1, dc + 1))
    for x in range(first, last):
        for y in range(first_column, last_column):
            for i in range(low[x], high[x]):
                for j in range(left[y], right[y]):
                    number = numbers[i - top, j - side]
                    u, v = x - begin[i], y - start[j]
                    if number >= 0:
                        k[i - low[x], j - left[y]] = windows[number, u, v]
                    else:
                        k[i - low[x], j - left[y]] = share[i, j] * down[i, u] * across[j, v]
            told = 0.0
            for i in range(low[x], high[x]):
                for j in range(left[y], right[y]):
                    for p in range(low[x], high[x]):
                        for q in range(left[y], right[y]):
                            told += (
                                k[i - low[x], j - left[y]]
                                * near[i - top, j - side, p - i + dr, q - j + dc]
                                * k[p - low[x], q - left[y]]
                            )
            kept[x, y] -= told
