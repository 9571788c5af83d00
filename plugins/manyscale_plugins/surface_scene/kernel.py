"""A scene from files: coarse temperatures with what is known of them, fine surface data by windows.

What is asked of the files comes as plain values; what is wrong with them is a ValueError in one
sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.surface_scene import alignment, masks, paths, rasters
from manyscale_plugins.surface_scene.grids import Grid, Window
from manyscale_plugins.surface_scene.rasters import Coding, Layer

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

COLDEST, HOTTEST = 150.0, 400.0  # K, what a surface on Earth may have
ZERO_CELSIUS = 273.15  # K
HARMLESS = {"albedo": 0.2, "ndvi": 0.5, "emissivity": 0.97}
"""What stands where there is no value."""
RANGES = {"albedo": (0.0, 1.0), "ndvi": (-1.0, 1.0), "emissivity": (0.0, 1.0)}


AS_IT_SAYS = Coding()


@dataclass(frozen=True)
class CoarseRequest:
    """The coarse file, or one for each pass, and how to read it."""

    files: str
    variable: str = ""
    number: int = 0  # of the pass, -1: all
    unit: str = "file"
    coding: Coding = AS_IT_SAYS
    times: Sequence[float] = (0.0,)  # s
    sigma: float = 0.0  # K
    sigma_file: str = ""
    quality: masks.Quality = masks.NO_QUALITY
    cloud: masks.Cloud = masks.NO_CLOUD


@dataclass(frozen=True)
class FineRequest:
    """The fine file, or several, and how to read albedo, vegetation index and emissivity."""

    files: str
    variables: Sequence[str] = ("albedo", "ndvi", "emissivity")
    codings: Sequence[Coding] = (AS_IT_SAYS,)  # one, or one for each
    out_of_range: str = "refuse"
    size: float = 0.0
    resample: alignment.Resample = "auto"
    warp: alignment.Warp = "fine"


class Coarse(NamedTuple):
    """Coarse temperatures: filled with their mean where not valid."""

    times: Floats  # (pass,) s
    lst: Floats  # (pass, r, c) K
    valid: Flags  # (pass, r, c)
    sigma: Floats  # (pass, r, c) K, 0 where not known
    grid: Grid


class Surface(NamedTuple):
    """Fine surface data, filled with harmless numbers where not valid."""

    albedo: NDArray[np.float32]  # (row, column)
    ndvi: NDArray[np.float32]
    emissivity: NDArray[np.float32]
    valid: Flags


@dataclass(frozen=True)
class Scene:
    """Open files of one scene."""

    coarse: Coarse
    grid: Grid
    """Of the fine pixels."""
    layers: Sequence[Layer]
    out_of_range: str
    report: Sequence[str]

    def surface(self, window: Window) -> Surface:
        """Return the surface data of a window."""
        found = {}
        for name, layer in zip(HARMLESS, self.layers, strict=True):
            found[name] = self._in_range(name, layer, layer.read(window))
        valid = np.logical_and.reduce([np.isfinite(values) for values in found.values()])
        filled = [
            np.where(valid, values, HARMLESS[name]).astype(np.float32)
            for name, values in found.items()
        ]
        return Surface(filled[0], filled[1], filled[2], valid)

    def whole(self) -> Surface:
        """Return the surface data of all of it, or refuse one without a value."""
        rows, columns = self.grid.shape
        found = self.surface((slice(0, rows), slice(0, columns)))
        if not found.valid.any():
            raise ValueError(
                f"no fine pixel has albedo, vegetation index and emissivity where the coarse file"
                f" lies: look at the nodata of {', '.join(layer.name for layer in self.layers)}"
            )
        return found

    def _in_range(self, name: str, layer: Layer, values: rasters.Values) -> rasters.Values:
        low, high = RANGES[name]
        bad = (values < low) | (values > high) | (values == low if name == "emissivity" else False)
        if not bad.any():
            return values
        if self.out_of_range == "refuse":
            raise ValueError(
                f"{layer.name} reaches from {np.nanmin(values):.6g} to {np.nanmax(values):.6g},"
                f" expected {name} from {low:g} to {high:g}{_range_hint(values)}; set"
                " fine_scale, fine_nodata, or out_of_range to mask"
            )
        return np.where(bad, np.nan, values)

    def close(self) -> None:
        """Release the files."""
        for layer in self.layers:
            layer.close()


def opened(coarse: CoarseRequest, fine: FineRequest) -> Scene:
    """Return the scene of these files. Raises ValueError for what is wrong with them."""
    observed, times = _coarse_layers(coarse)
    surface = _fine_layers(fine)
    placed = alignment.aligned(observed, surface, fine.warp, fine.size, fine.resample)
    report = [_told(observed[0], "coarse"), _told(surface[0], "fine"), *placed.report]
    grid = placed.coarse[0].grid.part(placed.coarse_window)
    fine_grid = placed.fine[0].grid
    lst = [_kelvin(one.read(placed.coarse_window), one, coarse.unit) for one in placed.coarse]
    good, why = masks.good(coarse.quality, coarse.cloud, grid, fine_grid)
    values, valid = _temperatures(np.stack(lst), good, why, placed.coarse[0].name, report)
    found = Coarse(np.array(times), values, valid, _sigma(coarse, grid, valid), grid)
    for layer in observed:
        layer.close()
    return Scene(found, fine_grid, placed.fine, fine.out_of_range, report)


def _paths(files: str, which: str) -> list[str]:
    words = paths.paths(files)
    if not words:
        raise ValueError(f"{which} names no file: set it to a GeoTIFF or NetCDF file")
    return [paths.shipped(which) if word == paths.SHIPPED else word for word in words]


def _coarse_layers(request: CoarseRequest) -> tuple[list[Layer], Sequence[float]]:
    """Return a layer for every pass, and their times in s."""
    files = _paths(request.files, "coarse")
    found: list[Layer] = []
    stamps: Sequence[float] = ()
    for path in files:
        layers, stamps = rasters.layers_of(path, request.coding)
        found += _of_variable(layers, request.variable, path)
    if not all(one.grid == found[0].grid for one in found):
        raise ValueError(f"the coarse files {', '.join(files)} lie on different grids")
    if request.number >= len(found):
        raise ValueError(
            f"coarse_pass is {request.number}, and {files[0]} has {len(found)} passes, counted"
            " from 0"
        )
    if request.number >= 0:
        return [found[request.number]], request.times[:1]
    times = request.times if len(request.times) == len(found) else stamps
    if len(times) != len(found):
        raise ValueError(
            f"{files[0]} has {len(found)} passes and observation_times {len(request.times)}: give"
            " one time in s for each"
        )
    return found, times


def _of_variable(layers: list[Layer], wanted: str, path: str) -> list[Layer]:
    names = [rasters.described(layer) for layer in layers]
    if wanted.isdigit() and 1 <= int(wanted) <= len(layers):
        return [layers[int(wanted) - 1]]
    if wanted:
        found = [one for one, name in zip(layers, names, strict=True) if _alike(name, wanted)]
        if not found:
            raise ValueError(f"{path} has no {wanted!r}; it has {_listed(names)}")
        return found
    if len(set(names)) > 1 or (len(layers) > 1 and not names[0]):
        raise ValueError(
            f"{path} has {_listed(names)}: set coarse_variable to the one with the temperature"
        )
    return layers


def _fine_layers(request: FineRequest) -> list[Layer]:
    """Return the layers of albedo, vegetation index and emissivity."""
    files = _paths(request.files, "fine")
    wanted = list(request.variables)
    if len(wanted) != len(HARMLESS):
        raise ValueError(
            f"fine_variables names {len(wanted)} bands, expected three: albedo, vegetation index"
            " and emissivity, in this order"
        )
    codings = list(request.codings) * (len(wanted) if len(request.codings) == 1 else 1)
    if len(codings) != len(wanted):
        raise ValueError("fine_scale, fine_offset and fine_nodata have one number, or one for each"
                         " of fine_variables")  # fmt: skip
    found = []
    for number, (name, coding) in enumerate(zip(wanted, codings, strict=True)):
        layers = [layer for path in files for layer in rasters.layers_of(path, coding)[0]]
        found.append(_wanted(layers, name, number, files))
        for layer in layers:
            if layer is not found[-1] and not _shares(layer, found[-1]):
                layer.close()
    return found


def _shares(one: Layer, other: Layer) -> bool:
    return getattr(one, "dataset", one) is getattr(other, "dataset", other)


def _wanted(layers: list[Layer], name: str, number: int, files: list[str]) -> Layer:
    """Return the layer a word means: description, variable, number or part of a file's name."""
    described = [rasters.described(layer) for layer in layers]
    for layer, text in zip(layers, described, strict=True):
        if _alike(text, name):
            return layer
    if name.isdigit() and 1 <= int(name) <= len(layers):
        return layers[int(name) - 1]
    stems = [layer for layer in layers if name.casefold() in layer.name.casefold().split(",")[0]]
    if len(stems) == 1:
        return stems[0]
    if len(layers) == len(HARMLESS) and not any(described):
        return layers[number]
    raise ValueError(
        f"{' and '.join(files)} {'has' if len(files) == 1 else 'have'} no band {name!r}, but"
        f" {_listed(described)}: set fine_variables to the names or numbers of albedo, vegetation"
        " index and emissivity, with ; between"
    )


def _alike(text: str, wanted: str) -> bool:
    return text.casefold() == wanted.casefold()


def _listed(names: Sequence[str]) -> str:
    words = list(dict.fromkeys(name for name in names if name))
    return ", ".join(words) if words else f"{len(names)} bands without names"


def _kelvin(values: Floats, layer: Layer, unit: str) -> Floats:
    """Return temperatures in K, from the unit that was given or that the file names."""
    found = rasters.degrees_or(layer.unit) if unit == "file" else unit
    if found == "degC":
        return values + ZERO_CELSIUS
    if found not in ("K", "", "1", "none", "unitless", "dimensionless"):
        raise ValueError(
            f"{layer.name} is in {layer.unit!r}, expected K or degC: set coarse_unit, and"
            " coarse_scale and coarse_offset if need be"
        )
    return values


def _temperatures(
    values: Floats, good: Flags, why: list[str], name: str, report: list[str]
) -> tuple[Floats, Flags]:
    """Return temperatures filled with their mean, and which of them are valid."""
    there = np.isfinite(values)
    valid = there & good
    lost = [f"{int((~there).sum())} have no value", *why]
    if not valid.any():
        raise ValueError(f"no pixel of {name} is left: of {valid.size}, {', '.join(lost)}")
    low, high = values[valid].min(), values[valid].max()
    if low < COLDEST or high > HOTTEST:
        raise ValueError(
            f"{name} reaches from {low:.6g} to {high:.6g} K, expected {COLDEST:g} to {HOTTEST:g} K"
            f"{_celsius_hint(low, high)}"
        )
    report.append(f"{int(valid.sum())} of {valid.size} coarse pixels are valid: {', '.join(lost)}")
    return np.where(valid, values, values[valid].mean()), valid


def _celsius_hint(low: float, high: float) -> str:
    if low > -100.0 and high < 130.0:
        return "; is the file in degrees Celsius? Then set coarse_unit to degC"
    if high > 1000.0:
        return "; is there a scale factor (0.02 in MODIS products)? Then set coarse_scale"
    return "; is there a number that means no value? Then set coarse_nodata"


def _range_hint(values: Floats) -> str:
    if np.nanmax(values) > 10.0:
        return "; is there a scale factor (often 0.0001)?"
    return "; does 0 mean no value?" if (values == 0.0).any() else ""


def _sigma(request: CoarseRequest, grid: Grid, valid: Flags) -> Floats:
    """Return the standard deviation (pass, r, c) of the coarse pixels in K."""
    values = np.full(grid.shape, request.sigma)
    if request.sigma_file:
        (layer,) = rasters.layers_of(request.sigma_file, Coding(crs=request.coding.crs))[0][:1]
        placed = alignment.on_grid(layer, grid, "nearest")
        values = placed.read((slice(0, grid.shape[0]), slice(0, grid.shape[1])))
        layer.close()
    if (values < 0.0).any():
        raise ValueError(f"a standard deviation of {np.nanmin(values):.6g} K is negative")
    return np.where(valid & np.isfinite(values), values, 0.0)


def _told(layer: Layer, what: str) -> str:
    return f"{what} file: {layer.name}, {layer.grid} in {rasters.called(layer.grid.crs)}"
