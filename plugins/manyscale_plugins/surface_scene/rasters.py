"""Layers of raster files: one band or variable each, read window by window in physical numbers.

GeoTIFF and whatever else GDAL reads come through rasterio; NetCDF through xarray and rioxarray,
which know its dimensions and grid mappings.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import (
    CRSError,
    NotGeoreferencedWarning,
    RasterioError,
    RasterioIOError,
)
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as GdalWindow

from manyscale_plugins.surface_scene.grids import Grid, Window
from manyscale_plugins.surface_scene.paths import nearby

Values = NDArray[np.float64]
How = Literal["nearest", "bilinear", "cubic", "average"]
_CACHE = 256  # MB of decoded blocks


@dataclass(frozen=True)
class Coding:
    """How the numbers of a file become physical ones: raw * scale + offset.

    `scale` 0: both as the file says. `nodata` stands beside what the file itself marks. `crs` is
    for files that carry none.
    """

    scale: float = 0.0
    offset: float = 0.0
    nodata: float | None = None
    crs: str = ""


class Layer(Protocol):
    """One band or variable on a grid whose first row is north."""

    @property
    def name(self) -> str:
        """What it is called in sentences."""

    @property
    def grid(self) -> Grid:
        """Its pixels."""

    @property
    def unit(self) -> str:
        """What the file says of its unit."""

    def read(self, window: Window) -> Values:
        """Return the physical values of a window, NaN where there is none."""

    def warped(self, grid: Grid, how: How) -> Layer:
        """Return the layer on another grid."""

    def close(self) -> None:
        """Release the file."""


@dataclass(frozen=True)
class GdalLayer:
    """A band of a file that GDAL reads."""

    name: str
    grid: Grid
    unit: str
    dataset: Any
    band: int
    coding: Coding
    flipped: tuple[bool, bool] = (False, False)

    def read(self, window: Window) -> Values:
        """Return the physical values of a window, NaN where there is none."""
        parts = zip(window, self.grid.shape, self.flipped, strict=True)
        rows, columns = (slice(n - p.stop, n - p.start) if back else p for p, n, back in parts)
        where = GdalWindow.from_slices(rows, columns)
        try:
            raw = self.dataset.read(self.band, window=where, masked=True)
        except RasterioError as exc:
            raise ValueError(
                f"{self.name} cannot be read in rows {rows.start} to {rows.stop}: the file is"
                f" truncated or damaged ({_first_cause(exc)})"
            ) from None
        values = raw[tuple(slice(None, None, -1 if back else 1) for back in self.flipped)]
        return _physical(values, self.coding)

    def warped(self, grid: Grid, how: How) -> Layer:
        """Return the layer on another grid, warped as it is read."""
        own = {} if self.dataset.crs else {"src_crs": CRS.from_user_input(self.grid.crs)}
        marked = self.dataset.nodatavals[self.band - 1]
        if marked is None and self.coding.nodata is not None:
            own["src_nodata"] = self.coding.nodata
        rows, columns = grid.shape
        made = WarpedVRT(
            self.dataset, crs=CRS.from_user_input(grid.crs), width=columns, height=rows,
            transform=rasterio.Affine.from_gdal(*grid.geotransform), resampling=Resampling[how],
            dtype="float64" if self.dataset.dtypes[self.band - 1] == "float64" else "float32",
            nodata=np.nan, **own,
        )  # fmt: skip
        return replace(self, grid=grid, dataset=made, flipped=(False, False))

    def close(self) -> None:
        """Close the file."""
        self.dataset.close()


@dataclass(frozen=True)
class NetcdfLayer:
    """A variable of a NetCDF file: an xarray DataArray (row, column) that is read when needed."""

    name: str
    grid: Grid
    unit: str
    array: Any
    flipped: tuple[bool, bool]
    coding: Coding
    fill: tuple[float, ...] = ()
    """Raw numbers that the file marks as no value."""

    def read(self, window: Window) -> Values:
        """Return the physical values of a window, NaN where there is none."""
        parts = zip(window, self.grid.shape, self.flipped, strict=True)
        places = [slice(n - p.stop, n - p.start) if back else p for p, n, back in parts]
        try:
            raw = self.array[tuple(places)].values
        except (OSError, RuntimeError, ValueError) as exc:
            raise ValueError(
                f"{self.name} cannot be read: the file is truncated or damaged ({exc})"
            ) from None
        turned = raw[tuple(slice(None, None, -1 if back else 1) for back in self.flipped)]
        return _physical(np.ma.array(turned, mask=np.isin(turned, self.fill)), self.coding)

    def warped(self, grid: Grid, how: How) -> Layer:
        """Return the layer on another grid; the whole of it is warped in memory."""
        whole = slice(0, self.grid.shape[0]), slice(0, self.grid.shape[1])
        return MemoryLayer(self.name, self.grid, self.unit, self.read(whole)).warped(grid, how)

    def close(self) -> None:
        """Close the file."""
        self.array.close()


@dataclass(frozen=True)
class MemoryLayer:
    """Physical values (row, column) in memory, NaN where there is none."""

    name: str
    grid: Grid
    unit: str
    values: Values

    def read(self, window: Window) -> Values:
        """Return the physical values of a window, NaN where there is none."""
        return self.values[window]

    def warped(self, grid: Grid, how: How) -> Layer:
        """Return the layer on another grid."""
        from rasterio.warp import reproject

        found = np.full(grid.shape, np.nan, self.values.dtype)
        reproject(
            self.values,
            found,
            src_transform=rasterio.Affine.from_gdal(*self.grid.geotransform),
            src_crs=self.grid.crs,
            src_nodata=np.nan,
            dst_transform=rasterio.Affine.from_gdal(*grid.geotransform),
            dst_crs=grid.crs,
            dst_nodata=np.nan,
            resampling=Resampling[how],
        )
        return replace(self, grid=grid, values=found)

    def close(self) -> None:
        """Hold nothing but memory."""


def _physical(raw: Any, coding: Coding) -> Values:
    """Return raw * scale + offset as float64, NaN where masked."""
    values = np.array(raw.data, dtype=np.float64)
    bad = raw.mask
    if coding.nodata is not None:
        bad = bad | (raw.data == coding.nodata)
    if coding.scale != 1.0:
        values *= coding.scale
    if coding.offset:
        values += coding.offset
    values[np.broadcast_to(bad, values.shape)] = np.nan
    return values


def settings() -> Any:
    """Return GDAL's environment for reading: bounded cache, as many threads as there are for us."""
    return rasterio.Env(GDAL_CACHEMAX=_CACHE, GDAL_NUM_THREADS=_threads(), CPL_LOG="/dev/null")


def _threads() -> str:
    return os.environ.get("OMP_NUM_THREADS", "ALL_CPUS")


def layers_of(path: str, coding: Coding) -> tuple[list[Layer], Sequence[float]]:
    """Return the layers of a file, and times [s] where they are passes of one variable.

    Raises ValueError in one sentence for a file that is not there, no raster, or without a place
    on the map.
    """
    if not os.path.exists(path):
        raise ValueError(f"there is no file {path}{nearby(path)}")
    if _is_netcdf(path):
        from manyscale_plugins.surface_scene import netcdf

        return netcdf.layers_of(path, coding)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # told below
            dataset = rasterio.open(path, **({"num_threads": _threads()} if _is_tiff(path) else {}))
    except RasterioIOError as exc:
        raise ValueError(
            f"{path} is no raster that GDAL can read: it is damaged, truncated, or of another"
            f" kind ({_first_cause(exc)})"
        ) from None
    grid, flipped = _grid_of(dataset, path, coding)
    found: list[Layer] = []
    for band in range(1, dataset.count + 1):
        if dataset.colorinterp[band - 1] is rasterio.enums.ColorInterp.alpha:
            continue
        described = dataset.descriptions[band - 1]
        name = os.path.basename(path)
        if dataset.count > 1:
            name += f", band {described or band}"
        own = Coding(dataset.scales[band - 1], dataset.offsets[band - 1], coding.nodata)
        given = own if coding.scale == 0.0 else coding
        unit = dataset.units[band - 1] or dataset.tags(band).get("units", "")
        found.append(GdalLayer(name, grid, unit, dataset, band, given, flipped))
    return found, ()


def described(layer: Layer) -> str:
    """Return what a file calls a layer: the description of its band, the name of a variable."""
    if isinstance(layer, GdalLayer):
        return layer.dataset.descriptions[layer.band - 1] or ""
    return str(layer.array.name) if isinstance(layer, NetcdfLayer) else ""


def _grid_of(dataset: Any, path: str, coding: Coding) -> tuple[Grid, tuple[bool, bool]]:
    a = dataset.transform
    crs = dataset.crs or (reference(coding.crs) if coding.crs else None)
    if a.is_identity or a.determinant == 0.0:
        raise ValueError(
            f"{path} does not say where it lies (no geotransform); give it one, for example with"
            " gdal_translate -a_ullr and -a_srs"
        )
    if crs is None:
        raise ValueError(
            f"{path} has no coordinate reference system; set crs to that of the file, such as"
            " EPSG:32633"
        )
    if a.b or a.d:
        raise ValueError(
            f"{path} is rotated against its coordinate reference system; make it north-up with"
            " gdalwarp first"
        )
    rows, columns = dataset.shape
    west, north = a.c + min(0.0, a.a * columns), a.f + max(0.0, a.e * rows)
    grid = Grid(west, north, abs(a.a), abs(a.e), (rows, columns), text_of(crs))
    return grid, (a.e > 0.0, a.a < 0.0)


def reference(text: str) -> Any:
    """Return the coordinate reference system of a text, or refuse it with ValueError."""
    try:
        return CRS.from_user_input(text)
    except CRSError:
        raise ValueError(
            f"crs is {text!r}, which is no coordinate reference system; write it like EPSG:32633"
        ) from None


def text_of(crs: Any) -> str:
    """Return EPSG:n for what has such a number, else WKT."""
    number = crs.to_epsg()
    return f"EPSG:{number}" if number else str(crs.to_wkt())


def called(crs: str) -> str:
    """Return the short name of a coordinate reference system."""
    name = re.search(r'^\w+\["([^"]+)"', crs)
    if name is None or name[1] not in ("unknown", "unnamed"):
        return name[1] if name else crs
    method = re.search(r'(?:PROJECTION|METHOD)\["([^"]+)"', crs)
    return f"{method[1]} projection" if method else "an unnamed system"


def same_reference(one: str, other: str) -> bool:
    """Return whether two texts mean one coordinate reference system."""
    return one == other or bool(CRS.from_user_input(one) == CRS.from_user_input(other))


def likely_grid(layer: Layer, crs: str) -> Grid:
    """Return the grid GDAL proposes for a layer in another reference system."""
    from rasterio.warp import calculate_default_transform

    rows, columns = layer.grid.shape
    west, south, east, north = layer.grid.bounds
    try:
        a, wide, high = calculate_default_transform(
            CRS.from_user_input(layer.grid.crs), CRS.from_user_input(crs), columns, rows,
            left=west, bottom=south, right=east, top=north,
        )  # fmt: skip
    except RasterioError as exc:
        raise ValueError(
            f"{layer.name} in {called(layer.grid.crs)} cannot be put into {called(crs)}"
            f" ({_first_cause(exc)})"
        ) from None
    return Grid(a.c, a.f, a.a, -a.e, (int(high), int(wide)), crs)


def times_in_seconds(stamps: Any) -> list[float]:
    """Return seconds since the first of numpy's datetime64 stamps."""
    return [float((stamp - stamps[0]) / np.timedelta64(1, "s")) for stamp in stamps]


def degrees_or(unit: str) -> str:
    """Return `degC` for every spelling of degrees Celsius, else `K` or the unit as it is."""
    plain = unit.strip().lower().replace("°", "deg").replace(" ", "").replace("_", "")
    if plain in ("c", "degc", "celsius", "degreescelsius", "degreecelsius", "degreesc", "cdeg"):
        return "degC"
    return "K" if plain in ("k", "kelvin", "kelvins", "degk", "degreeskelvin") else unit


def _first_cause(exc: BaseException) -> str:
    while exc.__cause__ is not None:
        exc = exc.__cause__
    return " ".join(str(exc).split()).rstrip(".")


def _head(path: str) -> bytes:
    if os.path.isdir(path):
        return b""
    with open(path, "rb") as file:
        return file.read(8)


def _is_netcdf(path: str) -> bool:
    return _head(path)[:3] == b"CDF" or _head(path) == b"\x89HDF\r\n\x1a\n"


def _is_tiff(path: str) -> bool:
    return _head(path)[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
