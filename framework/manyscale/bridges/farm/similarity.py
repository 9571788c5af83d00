"""Which members are alike: a few compute, each of the others copies the one nearest to it.

Members are points in the space of their scaled inputs. Those that compute lie so that every
other has one of them within `ref_tol`; one that computes stops when another is within
`coarse_tol` < `ref_tol` (Redeker and Eck, Computers and Mathematics with Applications 66 (2013)
1361; the same rule as in the micro manager of preCICE, Desai et al., Journal of Open Source
Software 8 (2023) 5842). They compare all pairs; here a grid of cells as wide as `ref_tol` names
the few that may be near, so that time and memory grow as N log N.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_MOST_AXES = 3  # of the grid; further coordinates are compared, but not sorted by
_MOST_CELLS = 2**20  # along an axis


class Cover(NamedTuple):
    """Who computes, whom the others copy, and how far away that one is."""

    active: Array  # (n,) bool
    owner: Array  # (n,) rows; of active members their own
    distance: Array  # (n,); 0 for active members


def spread(points: Array) -> float:
    """Return the diagonal of the box around points (n, p): no two are farther apart."""
    if not len(points):
        return 0.0
    return float(np.linalg.norm(points.max(axis=0) - points.min(axis=0)))


def cover(points: Array, active: Array, coarse_tol: float, ref_tol: float) -> Cover:
    """Return who of `points` (n, p) computes, given who did (n,), in the order of the rows."""
    points = np.ascontiguousarray(points, dtype=np.float64)
    cells, near = _grid(points, max(ref_tol, coarse_tol))
    leads, owner, square = _cover(points, active, cells, near, coarse_tol**2, ref_tol**2)
    return Cover(leads, owner, np.sqrt(square))


def cover_pairs(distance: Array, active: Array, coarse_tol: float, ref_tol: float) -> Cover:
    """Return the same from the distances of all pairs (n, n)."""
    return Cover(*_cover_pairs(distance, active, coarse_tol, ref_tol))


def _grid(points: Array, width: float) -> tuple[Array, Array]:
    """Return the cell of every point (n,) and the cells around every cell (m, 3**axes), or -1."""
    count, axes = points.shape
    if not count or not axes or width <= 0.0:
        # no two can be within nothing of each other, unless they are the same
        _, cells = np.unique(points, axis=0, return_inverse=True)
        cells = cells.reshape(-1).astype(np.int64)
        return cells, np.arange(cells.max(initial=-1) + 1, dtype=np.int64)[:, None]
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    chosen = np.sort(np.argsort(-extent, kind="stable")[:_MOST_AXES])
    wide = np.maximum(width, extent[chosen] / (_MOST_CELLS - 4))
    index = np.floor((points[:, chosen] - low[chosen]) / wide).astype(np.int64) + 1
    strides = (_MOST_CELLS ** np.arange(len(chosen))).astype(np.int64)
    keys, cells = np.unique(index @ strides, return_inverse=True)
    steps = np.stack(np.meshgrid(*[[-1, 0, 1]] * len(chosen), indexing="ij"), -1)
    around = keys[:, None] + (steps.reshape(-1, len(chosen)) @ strides)[None, :]
    at = np.minimum(np.searchsorted(keys, around), len(keys) - 1)
    return cells.reshape(-1).astype(np.int64), np.where(keys[at] == around, at, -1)


@numba.njit(cache=True)
def _nearest(points, i, cells, near, head, after, limit):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the leader nearest to a point and its squared distance, at most `limit`."""
    best, found = limit, -1
    for k in range(near.shape[1]):
        cell = near[cells[i], k]
        j = head[cell] if cell >= 0 else -1
        while j >= 0:
            square = 0.0
            for a in range(points.shape[1]):
                step = points[i, a] - points[j, a]
                square += step * step
                if square > best:
                    break
            # of equally near ones the first: the order of lists must not count
            if square < best or (square == best and (found < 0 or j < found)):
                best, found = square, j
            j = after[j]
    return found, best


@numba.njit(cache=True)
def _cover(points, active, cells, near, coarse, refine):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    count = points.shape[0]
    head = np.full(near.shape[0], -1, np.int64)
    after = np.full(count, -1, np.int64)
    leads = np.zeros(count, np.bool_)
    for turn in range(2):
        for i in range(count):
            if leads[i] or active[i] != (turn == 0):
                continue
            limit = coarse if turn == 0 else refine
            found, square = _nearest(points, i, cells, near, head, after, limit)
            alike = found >= 0 and (square < limit or turn == 1)
            if not alike:
                leads[i] = True
                after[i] = head[cells[i]]
                head[cells[i]] = i
    owner = np.arange(count)
    squares = np.zeros(count)
    for i in range(count):
        if not leads[i]:
            owner[i], squares[i] = _nearest(points, i, cells, near, head, after, refine)
    return leads, owner, squares


@numba.njit(cache=True)
def _cover_pairs(distance, active, coarse, refine):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    count = distance.shape[0]
    leads = np.zeros(count, np.bool_)
    for turn in range(2):
        for i in range(count):
            if leads[i] or active[i] != (turn == 0):
                continue
            least = math.inf
            for j in range(count):
                if leads[j] and distance[i, j] < least:
                    least = distance[i, j]
            if least >= coarse if turn == 0 else least > refine:
                leads[i] = True
    owner = np.arange(count)
    apart = np.zeros(count)
    for i in range(count):
        if not leads[i]:
            apart[i] = math.inf
            for j in range(count):
                if leads[j] and distance[i, j] < apart[i]:
                    owner[i], apart[i] = j, distance[i, j]
    return leads, owner, apart


@numba.njit(cache=True)
def accumulated(distance, points, decay, dt):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Return D <- decay D + dt |d_i - d_j| for all pairs (n, n) of points (n, p)."""
    count = points.shape[0]
    found = np.empty_like(distance)
    for i in range(count):
        found[i, i] = 0.0
        for j in range(i):
            square = 0.0
            for a in range(points.shape[1]):
                step = points[i, a] - points[j, a]
                square += step * step
            found[i, j] = decay * distance[i, j] + dt * math.sqrt(square)
            found[j, i] = found[i, j]
    return found


def slope(points: Array, values: Array, between: Array | None, neighbours: int = 4) -> float:
    """Return the steepest change of values (n, q) per distance between near points (n, p).

    Distances are those of the points, or given for all pairs (n, n). An estimate of the
    Lipschitz constant from what was computed, not a bound of it.
    """
    from scipy.spatial import cKDTree

    count = len(points)
    if count < 2:
        return 0.0
    if between is None:
        distance, other = cKDTree(points).query(points, k=min(neighbours + 1, count))
    else:
        other = np.argsort(between, axis=1, kind="stable")[:, : neighbours + 1]
        distance = np.take_along_axis(between, other, axis=1)
    change = np.linalg.norm(values[:, None, :] - values[other], axis=-1)
    apart = distance > 0.0
    return float((change[apart] / distance[apart]).max(initial=0.0))


def among(rows: Array, between: Array | None) -> Array | None:
    """Return the distances between some rows."""
    return None if between is None else between[np.ix_(rows, rows)]
