"""Sharpening by regression: fitted between coarse means, applied to fine pixels, plus what is left.

DisTrad (Kustas 2003): T a parabola in the vegetation index. TsHARP (Agam 2007): T a line in the
fractional cover 1 - ((n_max - n) / (n_max - n_min))^0.625. What a coarse pixel has beyond the mean
of the sharpened ones is added to those whose middles lie in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.surface_scene.areas import coarse_means, coarse_sums
from manyscale_plugins.surface_scene.grids import Grid

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Method = Literal["distrad", "tsharp", "uniform"]
_CLASSES = (0.2, 0.5)  # of the vegetation index, Kustas (2003)
_FEWEST = 12  # coarse pixels that a regression needs
_COVER = 0.5  # part of a coarse pixel of which the surface is known


class Coarse(NamedTuple):
    """What was seen."""

    lst: Floats  # (r, c) K
    valid: Flags  # (r, c)
    grid: Grid


def grid_of(geotransform: Floats, shape: tuple[int, int], crs: str) -> Grid:
    """Return the grid of a north-up raster."""
    west, width, _, north, _, down = map(float, geotransform)
    return Grid(west, north, width, -down, shape, crs)


def sharpened(
    ndvi: NDArray[Any], valid: Flags, fine: Grid, seen: Coarse, method: Method, homogeneous: float
) -> Floats:
    """Return the sharpened temperature (row, column) in K, 0 where not valid.

    `homogeneous` is the part of the coarse pixels the regression is fitted to: those in which the
    index varies least, of each of three classes of it. Raises ValueError for too few.
    """
    known = np.where(valid, ndvi, np.nan).astype(np.float64)
    if method == "uniform":
        return np.where(valid, nearest(seen.lst, seen, fine), 0.0)
    usable = covered(valid, fine, seen) & seen.valid
    mean = coarse_means(known, fine, seen.grid)
    square = coarse_means(known**2, fine, seen.grid)
    chosen = usable & _even(mean, square, usable, homogeneous)
    refuse_few(chosen)
    terms = _terms(method, known)
    weights = np.linalg.lstsq(terms(mean[chosen]), seen.lst[chosen], rcond=None)[0]
    found = np.where(valid, terms(np.where(valid, ndvi, 0.5).astype(np.float64)) @ weights, np.nan)
    return with_means(found, valid, fine, seen, usable)


def with_means(found: Floats, valid: Flags, fine: Grid, seen: Coarse, usable: Flags) -> Floats:
    """Return fine temperatures (row, column), shifted by what their means in coarse pixels lack.

    A pixel that lies in several is shifted with that of its middle, so a little is left.
    """
    mean = coarse_means(found, fine, seen.grid)
    left = np.where(usable, seen.lst - mean, 0.0)
    return np.where(valid, found + nearest(left, seen, fine), 0.0)


def covered(valid: Flags, fine: Grid, seen: Coarse) -> Flags:
    """Return the coarse pixels (r, c) of which at least half the surface is known."""
    return np.asarray(coarse_sums(valid.astype(np.float64), fine, seen.grid) >= _COVER)


def nearest(values: Floats, seen: Coarse, fine: Grid) -> Floats:
    """Return coarse values (r, c) at the fine pixels whose middles lie in them."""
    places = []
    for axis in (0, 1):
        middles = fine.edges(axis)[:-1] + 0.5 * (fine.height, fine.width)[axis]
        place = np.searchsorted(seen.grid.edges(axis), middles, side="right") - 1
        places.append(place.clip(0, seen.grid.shape[axis] - 1))
    return np.asarray(values[np.ix_(*places)])


def refuse_few(chosen: Flags) -> None:
    """Raise ValueError if a regression has too few coarse pixels."""
    if chosen.sum() < _FEWEST:
        raise ValueError(
            f"{int(chosen.sum())} coarse pixels are left for the regression, expected {_FEWEST} or"
            " more: choose a larger scene"
        )


def _even(mean: Floats, square: Floats, usable: Flags, part: float) -> Flags:
    """Return the coarse pixels whose index varies least, of every class of it."""
    if part >= 1.0 or usable.sum() * part < _FEWEST:
        return np.ones(mean.shape, dtype=np.bool_)
    spread = np.sqrt(np.maximum(square - mean**2, 0.0)) / np.maximum(np.abs(mean), 1e-6)
    chosen = np.zeros(mean.shape, dtype=np.bool_)
    for number in range(len(_CLASSES) + 1):
        members = usable & (np.digitize(mean, _CLASSES) == number)
        if members.any():
            chosen |= members & (spread <= np.quantile(spread[members], part))
    return chosen


def _terms(method: Method, ndvi: Floats) -> Callable[[Any], Floats]:
    """Return what gives the terms (..., k) of the regression for an index."""
    if method == "distrad":
        return lambda n: np.stack([np.ones_like(n), n, n**2], axis=-1)
    low, high = np.nanmin(ndvi), np.nanmax(ndvi)

    def line(n: Any) -> Floats:
        bare = np.clip((high - n) / max(high - low, 1e-9), 0.0, None)
        return np.stack([np.ones_like(bare), 1.0 - bare**0.625], axis=-1)

    return line
