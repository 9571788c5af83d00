"""Overlap areas of two meshes of convex polygons in the plane.

Every pair of cells whose bounding boxes meet is clipped, one polygon by the sides of the other
(I. E. Sutherland and G. W. Hodgman, Reentrant polygon clipping, Communications of the ACM 17
(1974) 32). Pairs are found with a grid of square buckets about as wide as the cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

_BENT = 1e-9  # how far a corner may point inwards, as a part of the square of a cell's width
_NOTHING = 1e-15  # overlaps below this part of the smaller cell are rounding
_MOST = 2**22  # buckets


def overlap(points_a: Floats, cells_a: Whole, points_b: Floats, cells_b: Whole) -> csr_array:
    """Return the areas (cells of a, cells of b) that cells of two meshes have in common, in m2.

    Parameters
    ----------
    points_a, points_b
        Corners (p, 2) in m.
    cells_a, cells_b
        Corner indices (c, v) of convex cells in either sense of rotation; a cell with fewer
        corners repeats its last one.

    Raises
    ------
    ValueError
        For cells that are not convex, have no area or name corners that do not exist.
    """
    from scipy.sparse import csr_array

    corners_a, corners_b = polygons(points_a, cells_a), polygons(points_b, cells_b)
    buckets = _buckets(_boxes(corners_a), _boxes(corners_b))
    counts, columns, areas = _overlaps(corners_a, corners_b, *buckets)
    ends = np.concatenate([[0], np.cumsum(counts)])
    found = csr_array((areas, columns, ends), shape=(len(cells_a), len(cells_b)))
    found.sort_indices()
    return found


def areas(points: Floats, cells: Whole) -> Floats:
    """Return the areas (c,) [m2] of convex cells (c, v) with corners `points` (p, 2) [m]."""
    corners = polygons(points, cells)
    return _signed(corners - corners[:, :1])


def polygons(points: Floats, cells: Whole) -> Floats:
    """Return the corners (c, v, 2) [m] of convex cells, anticlockwise.

    Raises `ValueError` naming the first cell that is not convex or has no area.
    """
    _refuse_bad_arrays(points, cells)
    corners = np.asarray(points[cells], dtype=np.float64)
    local = corners - corners[:, :1]
    signed = _signed(local)
    widths = np.ptp(local, axis=1).max(axis=1)
    flat = abs(signed) <= _NOTHING * widths**2
    if flat.any():
        raise ValueError(f"cell {int(np.argmax(flat))} has no area: take it out of the mesh")
    turned = np.where((signed < 0.0)[:, None, None], corners[:, ::-1], corners)
    bent = (_turns(turned) < -_BENT * widths[:, None] ** 2).any(axis=1) | _winds(turned)
    if bent.any():
        raise ValueError(f"cell {int(np.argmax(bent))} is not convex: cut it into triangles")
    return np.ascontiguousarray(turned)


def _refuse_bad_arrays(points: Floats, cells: Whole) -> None:
    if points.ndim != 2 or points.shape[1] != 2 or cells.ndim != 2 or cells.shape[1] < 3:
        raise ValueError(
            f"a mesh of the plane has points (p, 2) and cells (c, 3 or more), found {points.shape}"
            f" and {cells.shape}"
        )
    if not len(cells):
        raise ValueError("the mesh has no cells")
    if not np.isfinite(points).all():
        raise ValueError(f"point {int(np.argmax(~np.isfinite(points).all(axis=1)))} is not finite")
    if cells.min() < 0 or cells.max() >= len(points):
        bad = int(np.argmax(((cells < 0) | (cells >= len(points))).any(axis=1)))
        raise ValueError(f"cell {bad} has a corner that is none of the {len(points)} points")


def _signed(local: Floats) -> Floats:
    x, y = local[:, :, 0], local[:, :, 1]
    return np.asarray(0.5 * (x * np.roll(y, -1, 1) - y * np.roll(x, -1, 1)).sum(axis=1))


def _sides(corners: Floats) -> Floats:
    return np.roll(corners, -1, axis=1) - corners


def _turns(corners: Floats) -> Floats:
    """Return at each corner the cross product of the sides that meet there."""
    one = _sides(corners)
    other = np.roll(one, -1, axis=1)
    return one[:, :, 0] * other[:, :, 1] - one[:, :, 1] * other[:, :, 0]


def _winds(corners: Floats) -> NDArray[np.bool_]:
    """Return which polygons go round more than once, as a star does: every turn is a left one."""
    sides = _sides(corners)
    full = (sides != 0.0).any(axis=2)
    angles = np.arctan2(sides[:, :, 1], sides[:, :, 0])
    rows = np.arange(len(angles))
    ahead = np.argmax(full, axis=1)
    for column in range(angles.shape[1]):  # a side of no length keeps the direction before it
        ahead = np.where(full[:, column], column, ahead)
        angles[:, column] = angles[rows, ahead]
    turns = np.remainder(np.roll(angles, -1, axis=1) - angles + np.pi, 2.0 * np.pi) - np.pi
    return np.asarray(turns.sum(axis=1) > 3.0 * np.pi)


def _boxes(corners: Floats) -> Floats:
    """Return (c, 4): least x, least y, most x, most y."""
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def _buckets(boxes_a: Floats, boxes_b: Floats) -> tuple[Any, ...]:
    """Sort the cells of b into square buckets over their bounding box."""
    low, high = boxes_b[:, :2].min(axis=0), boxes_b[:, 2:].max(axis=0)
    extent = high - low
    mean = float((boxes_b[:, 2:] - boxes_b[:, :2]).mean())
    side = max(mean, float(np.sqrt(extent.prod() / min(_MOST, 4 * len(boxes_b)))))
    shape = np.maximum(1, np.ceil(extent / side)).astype(np.int64)
    starts, members = _sorted_in(boxes_b, low, side, shape)
    return boxes_a, boxes_b, low, side, shape, starts, members


@njit(cache=True)
def _bucket(x: float, low: float, side: float, count: int) -> int:
    return min(max(int((x - low) / side), 0), count - 1)


@njit(cache=True)
def _sorted_in(boxes: Floats, low: Floats, side: float, shape: Whole) -> tuple[Whole, Whole]:
    nx, ny = shape
    starts = np.zeros(nx * ny + 1, np.int64)
    members = np.empty(0, np.int64)
    for fill in range(2):
        for cell in range(len(boxes)):
            for i in range(
                _bucket(boxes[cell, 0], low[0], side, nx),
                _bucket(boxes[cell, 2], low[0], side, nx) + 1,
            ):
                for j in range(
                    _bucket(boxes[cell, 1], low[1], side, ny),
                    _bucket(boxes[cell, 3], low[1], side, ny) + 1,
                ):
                    bucket = i * ny + j
                    if fill:
                        members[starts[bucket]] = cell
                        starts[bucket] += 1
                    else:
                        starts[bucket + 1] += 1
        if fill:
            starts[1:] = starts[:-1].copy()
            starts[0] = 0
        else:
            starts = np.cumsum(starts)
            members = np.empty(starts[-1], np.int64)
    return starts, members


@njit(cache=True)
def _overlaps(
    corners_a: Floats,
    corners_b: Floats,
    boxes_a: Floats,
    boxes_b: Floats,
    low: Floats,
    side: float,
    shape: Whole,
    starts: Whole,
    members: Whole,
) -> tuple[Whole, Whole, Floats]:
    """Return how many overlaps each cell of a has, with which cells of b, and their areas."""
    nx, ny = shape
    size = corners_a.shape[1] + corners_b.shape[1] + 1
    work, spare = np.empty((size, 2)), np.empty((size, 2))
    counts = np.zeros(len(corners_a), np.int64)
    columns, found, used = np.empty(16, np.int64), np.empty(16), 0
    for a in range(len(corners_a)):
        for i in range(
            _bucket(boxes_a[a, 0], low[0], side, nx), _bucket(boxes_a[a, 2], low[0], side, nx) + 1
        ):
            for j in range(
                _bucket(boxes_a[a, 1], low[1], side, ny),
                _bucket(boxes_a[a, 3], low[1], side, ny) + 1,
            ):
                for k in range(starts[i * ny + j], starts[i * ny + j + 1]):
                    b = members[k]
                    x = max(boxes_a[a, 0], boxes_b[b, 0])
                    y = max(boxes_a[a, 1], boxes_b[b, 1])
                    if x >= min(boxes_a[a, 2], boxes_b[b, 2]):
                        continue
                    if y >= min(boxes_a[a, 3], boxes_b[b, 3]):
                        continue
                    # a pair met in several buckets counts in that of its lower left corner
                    if _bucket(x, low[0], side, nx) != i or _bucket(y, low[1], side, ny) != j:
                        continue
                    area = _common_area(corners_a[a], corners_b[b], work, spare)
                    if area <= 0.0:
                        continue
                    if used == len(columns):
                        columns = np.concatenate((columns, np.empty_like(columns)))
                        found = np.concatenate((found, np.empty_like(found)))
                    columns[used], found[used] = b, area
                    used += 1
                    counts[a] += 1
    return counts, columns[:used].copy(), found[:used].copy()


@njit(cache=True)
def _common_area(one: Floats, other: Floats, work: Floats, spare: Floats) -> float:
    """Return the area two convex anticlockwise polygons have in common; 0.0 for rounding."""
    x0, y0 = one[0, 0], one[0, 1]  # local coordinates: areas far from the origin stay exact
    count = len(one)
    for p in range(count):
        work[p, 0], work[p, 1] = one[p, 0] - x0, one[p, 1] - y0
    whole = _shoelace(work, count)
    corners = len(other)
    for q in range(corners):
        ax, ay = other[q, 0] - x0, other[q, 1] - y0
        r = q + 1 if q + 1 < corners else 0
        dx, dy = other[r, 0] - x0 - ax, other[r, 1] - y0 - ay
        if dx == 0.0 and dy == 0.0:
            continue
        count = _clipped(work, count, ax, ay, dx, dy, spare)
        if count < 3:
            return 0.0
        work, spare = spare, work
    area = _shoelace(work, count)
    for q in range(corners):
        spare[q, 0], spare[q, 1] = other[q, 0] - x0, other[q, 1] - y0
    return area if area > _NOTHING * min(whole, _shoelace(spare, corners)) else 0.0


@njit(cache=True)
def _clipped(
    polygon: Floats, count: int, ax: float, ay: float, dx: float, dy: float, out: Floats
) -> int:
    """Write what of a polygon is left of the line from (ax, ay) along (dx, dy); return corners."""
    kept = 0
    last = count - 1
    before = dx * (polygon[last, 1] - ay) - dy * (polygon[last, 0] - ax)
    for p in range(count):
        here = dx * (polygon[p, 1] - ay) - dy * (polygon[p, 0] - ax)
        if (here > 0.0 and before < 0.0) or (here < 0.0 and before > 0.0):
            t = before / (before - here)
            out[kept, 0] = polygon[last, 0] + t * (polygon[p, 0] - polygon[last, 0])
            out[kept, 1] = polygon[last, 1] + t * (polygon[p, 1] - polygon[last, 1])
            kept += 1
        if here >= 0.0:
            out[kept, 0], out[kept, 1] = polygon[p, 0], polygon[p, 1]
            kept += 1
        last, before = p, here
    return kept


@njit(cache=True)
def _shoelace(polygon: Floats, count: int) -> float:
    area, last = 0.0, count - 1
    for p in range(count):
        area += polygon[last, 0] * polygon[p, 1] - polygon[p, 0] * polygon[last, 1]
        last = p
    return 0.5 * area
