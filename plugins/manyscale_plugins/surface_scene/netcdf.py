"""Layers of NetCDF files, opened with xarray and placed on the map by rioxarray."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import rioxarray  # noqa: F401  gives DataArrays their `rio`
import xarray as xr
from rioxarray.exceptions import MissingSpatialDimensionError

from manyscale_plugins.surface_scene.grids import Grid
from manyscale_plugins.surface_scene.rasters import (
    Coding,
    Layer,
    NetcdfLayer,
    reference,
    text_of,
    times_in_seconds,
)

_PLAIN = (("lon", "lat"), ("X", "Y"), ("easting", "northing"), ("east", "north"))
_UNEVEN = 1e-3  # of the spacing


def layers_of(path: str, coding: Coding) -> tuple[list[Layer], Sequence[float]]:
    """Return a layer per variable and pass of a file, and the times of passes in s.

    Raises ValueError in one sentence for what cannot be placed on a map.
    """
    try:
        data = xr.open_dataset(path, engine="netcdf4", decode_coords="all", mask_and_scale=False)
    except (OSError, RuntimeError, ValueError) as exc:
        raise ValueError(f"{path} cannot be read as NetCDF: it is damaged or truncated ({exc})"
                         ) from None  # fmt: skip
    found: list[Layer] = []
    times: Sequence[float] = ()
    for name, array in data.data_vars.items():
        if array.ndim < 2 or array.dtype.kind not in "fiu":
            continue
        axes = _axes(array)
        if axes is None:
            continue
        passes, stamps = _passes(array.transpose(..., *axes), path)
        times = stamps or times
        grid, flipped = _grid_of(array, axes, path, coding)
        for one in passes:
            label = f"{os.path.basename(path)}, variable {name}"
            unit = str(array.attrs.get("units", ""))
            given = _coding(array, coding)
            found.append(NetcdfLayer(label, grid, unit, one, flipped, given, _fill(array)))
    if not found:
        raise ValueError(
            f"{path} has no variable on a grid; its variables are"
            f" {', '.join(map(str, data.data_vars)) or 'none'}"
        )
    return found, times


def _coding(array: Any, asked: Coding) -> Coding:
    """Return scale and offset of a variable, unless others were asked for."""
    if asked.scale:
        return asked
    scale, offset = (array.attrs.get(name, usual)
                     for name, usual in (("scale_factor", 1.0), ("add_offset", 0.0)))  # fmt: skip
    return replace(asked, scale=float(scale), offset=float(offset))


def _fill(array: Any) -> tuple[float, ...]:
    """Return the raw numbers a variable marks as no value."""
    found = [array.attrs.get(name) for name in ("_FillValue", "missing_value")]
    return tuple(float(one) for one in found if one is not None)


def _axes(array: Any) -> tuple[str, str] | None:
    """Return the names of the dimensions of rows and columns, None if there are none."""
    try:
        return str(array.rio.y_dim), str(array.rio.x_dim)
    except MissingSpatialDimensionError:
        known = [(y, x) for x, y in _PLAIN if x in array.dims and y in array.dims]
        return known[0] if known else None


def _passes(array: Any, path: str) -> tuple[list[Any], list[float]]:
    """Return the 2-D arrays of an array (time, y, x) or (y, x), and times in s."""
    others = array.dims[:-2]
    if not others:
        return [array], []
    if len(others) > 1:
        raise ValueError(
            f"{path}, variable {array.name}, has the dimensions {', '.join(map(str, array.dims))};"
            " expected one beside x and y, the passes"
        )
    axis = array[others[0]]
    timed = others[0] in array.coords and axis.dtype.kind == "M"
    return list(array), times_in_seconds(axis.values) if timed else []


def _grid_of(
    array: Any, axes: tuple[str, str], path: str, coding: Coding
) -> tuple[Grid, tuple[bool, bool]]:
    y, x = (_centres(array, name, path) for name in axes)
    crs = array.rio.crs or (reference(coding.crs) if coding.crs else None)
    if crs is None and axes[1].lower().startswith("lon"):
        crs = reference("EPSG:4326")
    if crs is None:
        raise ValueError(
            f"{path} has no coordinate reference system; set crs to that of the file, such as"
            " EPSG:32633"
        )
    width, height = (abs(c[-1] - c[0]) / (len(c) - 1) for c in (x, y))
    west, north = min(x[0], x[-1]) - 0.5 * width, max(y[0], y[-1]) + 0.5 * height
    if crs.is_geographic and west >= 180.0:
        west -= 360.0
    grid = Grid(west, north, width, height, (len(y), len(x)), text_of(crs))
    return grid, (bool(y[-1] > y[0]), bool(x[-1] < x[0]))


def _centres(array: Any, name: str, path: str) -> Any:
    centres = np.asarray(array[name].values, dtype=np.float64)
    if centres.size < 2:
        raise ValueError(f"{path} has one pixel along {name}, and its size is not known")
    steps = np.diff(centres)
    if np.abs(steps - steps.mean()).max() > _UNEVEN * abs(steps.mean()):
        raise ValueError(
            f"{path} has pixels of different sizes along {name}; put it on an even grid first"
        )
    return centres
