"""Tiles of a scene: their edges on lines common to both grids where there are some, else a halo.

A fine pixel belongs to the tile that holds its middle, a coarse one to the tile that holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.surface_scene.grids import NEAR, Grid, Window

Integers = NDArray[np.int64]


class Cut(NamedTuple):
    """Tiles along one axis, all in pixels: what each owns, and what it reads besides."""

    coarse: Integers  # (tile, 2) first and behind the last it owns
    coarse_read: Integers  # (tile, 2)
    fine: Integers  # (tile, 2)
    fine_read: Integers  # (tile, 2)


class Tile(NamedTuple):
    """One tile."""

    coarse: Window
    coarse_read: Window
    fine: Window
    fine_read: Window


def cut(coarse: Grid, fine: Grid, axis: int, tile: int, halo: int, everywhere: bool = False) -> Cut:
    """Return the tiles of about `tile` coarse pixels along one axis, 0: one.

    Where an edge is no common line, or `everywhere`, tiles overlap by `halo` coarse pixels.
    """
    count, size = coarse.shape[axis], (coarse.height, coarse.width)[axis]
    step = (fine.height, fine.width)[axis]
    offset = (coarse.edges(axis)[0] - fine.edges(axis)[0]) / step
    at = offset + np.arange(count + 1) * (size / step)  # coarse edges, in fine pixels
    lines = _lines(at, count, tile or count)
    lone = [k for k in lines[1:-1] if everywhere or abs(at[k] - round(at[k])) >= NEAR]
    rows = []
    for first, last in pairwise(lines):
        before = max(0, first - (halo if first in lone else 0))
        behind = min(count, last + (halo if last in lone else 0))
        own = _owned(at, first, last, count, fine.shape[axis])
        rows.append((first, last, before, behind, *own, *_seen(at, before, behind, fine, axis)))
    table = np.array(rows, dtype=np.int64)
    return Cut(table[:, :2], table[:, 2:4], table[:, 4:6], table[:, 6:])


def needs_halo(coarse: Grid, fine: Grid, tile: int) -> bool:
    """Return whether some tile has an edge that is no common line."""
    for axis in (0, 1):
        one = cut(coarse, fine, axis, tile, 1)
        if (one.coarse != one.coarse_read).any():
            return True
    return False


def _lines(at: NDArray[np.float64], count: int, tile: int) -> list[int]:
    """Return the coarse edges between tiles: common lines near every `tile`, else these."""
    common = np.flatnonzero(np.abs(at - np.round(at)) < NEAR)
    found = [0]
    for wanted in range(tile, count, tile):
        near = common[(common > found[-1]) & (common < count)]
        near = near[np.abs(near - wanted) <= tile / 2]
        line = int(near[np.abs(near - wanted).argmin()]) if near.size else wanted
        if found[-1] < line < count:
            found.append(line)
    return [*found, count]


def _owned(at: NDArray[np.float64], first: int, last: int, count: int, pixels: int) -> list[int]:
    begin = 0 if first == 0 else _nearest(at[first])
    end = pixels if last == count else _nearest(at[last])
    return [min(max(begin, 0), pixels), min(max(end, 0), pixels)]


def _nearest(place: float) -> int:
    """Return the first pixel whose middle lies behind a place."""
    return int(np.ceil(place - 0.5 - NEAR))


def _seen(
    at: NDArray[np.float64], before: int, behind: int, fine: Grid, axis: int
) -> tuple[int, int]:
    begin, end = np.floor(at[before] + NEAR), np.ceil(at[behind] - NEAR)
    pixels = fine.shape[axis]
    first = 0 if before == 0 else int(begin)
    last = pixels if behind == len(at) - 1 else int(end)
    return min(max(first, 0), pixels), min(max(last, 0), pixels)


def tile_of(rows: Cut, columns: Cut, number: int) -> Tile:
    """Return a tile, counted row by row; an empty one behind the last."""
    i, j = divmod(number, len(columns.coarse))
    if i >= len(rows.coarse):
        nothing = slice(0, 0), slice(0, 0)
        return Tile(nothing, nothing, nothing, nothing)
    sides = zip(rows, columns, strict=True)
    return Tile(*((slice(*map(int, a[i])), slice(*map(int, b[j]))) for a, b in sides))


def places(tiles: Sequence[Tile]) -> dict[str, Integers]:
    """Return what tiles own (tile, 4) as row, column, rows and columns, and skip of what is read.

    The skip (tile, 2) is where in what is read that begins.
    """
    found = {}
    for name, own, read in (("fine", 2, 3), ("coarse", 0, 1)):
        found[name] = np.array([_side(tile[own]) for tile in tiles])
        found[f"{name}_skip"] = np.array([_skip(tile[own], tile[read]) for tile in tiles])
    return found


def _side(window: Window) -> list[int]:
    rows, columns = window
    return [rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start]


def _skip(own: Window, read: Window) -> list[int]:
    return [mine.start - all_of.start for mine, all_of in zip(own, read, strict=True)]
