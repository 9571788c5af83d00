"""Which coarse pixels are good: quality bits on the coarse grid, clouds on any grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.surface_scene import alignment, rasters
from manyscale_plugins.surface_scene.grids import Grid

Flags = NDArray[np.bool_]
_STRIP = 2**22  # fine pixels that are looked at together


@dataclass(frozen=True)
class Quality:
    """A raster of which some bits must have a value: good where raw & bits == value."""

    file: str = ""
    variable: str = ""
    bits: int = -1  # all
    value: int = 0
    crs: str = ""


@dataclass(frozen=True)
class Cloud:
    """A raster on any grid that is not 0 under clouds, and how much of a pixel they may cover."""

    file: str = ""
    limit: float = 0.0
    crs: str = ""


NO_QUALITY, NO_CLOUD = Quality(), Cloud()


def good(quality: Quality, cloud: Cloud, coarse: Grid, fine: Grid) -> tuple[Flags, list[str]]:
    """Return which coarse pixels (r, c) may be used, and how many may not, in words."""
    keep = np.ones(coarse.shape, dtype=np.bool_)
    why = []
    if quality.file:
        fit = _fit(quality, coarse)
        why.append(f"{int((~fit).sum())} are of bad quality")
        keep &= fit
    if cloud.file:
        covered = _covered(cloud, coarse, fine) > cloud.limit
        why.append(f"{int(covered.sum())} lie under clouds")
        keep &= ~covered
    return keep, why


def _fit(quality: Quality, grid: Grid) -> Flags:
    layer = _one(quality.file, quality.variable, quality.crs)
    placed = alignment.on_grid(layer, grid, "nearest")
    values = placed.read((slice(0, grid.shape[0]), slice(0, grid.shape[1])))
    layer.close()
    there = np.isfinite(values)
    bits = np.where(there, values, 0.0).astype(np.int64) & quality.bits
    return np.asarray(there & (bits == quality.value))


def _covered(cloud: Cloud, coarse: Grid, fine: Grid) -> NDArray[np.float64]:
    """Return which part of every coarse pixel clouds cover, of what the fine grid sees of it."""
    from manyscale_plugins.surface_scene import areas

    layer = _one(cloud.file, "", cloud.crs)
    placed = alignment.on_grid(layer, fine, "nearest")
    found = np.zeros(coarse.shape)
    height = max(1, round(_STRIP / max(1, fine.shape[1]) / (coarse.height / fine.height)))
    for rows in areas.strips(coarse, height):
        part = coarse.part((rows, slice(0, coarse.shape[1])))
        window = fine.touched(part.bounds)
        if window is not None:
            under = np.nan_to_num(placed.read(window)) != 0.0
            found[rows] = areas.coarse_means(under.astype(np.float64), fine.part(window), part)
    layer.close()
    return np.nan_to_num(found)


def _one(path: str, variable: str, crs: str) -> rasters.Layer:
    layers, _ = rasters.layers_of(path, rasters.Coding(scale=1.0, crs=crs))
    names = [rasters.described(layer) for layer in layers]
    if variable and variable not in names:
        raise ValueError(f"{path} has no {variable!r}; it has {', '.join(filter(None, names))}")
    return layers[names.index(variable)] if variable else layers[0]
