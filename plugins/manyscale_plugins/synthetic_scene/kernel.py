"""A scene made by recipe: surface data of smooth noise, and temperatures that are known.

Vegetation in patches, albedo and emissivity that follow it, and moisture that nobody is told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from manyscale_plugins.surface_energy_balance import kernel as balance
from manyscale_plugins.surface_scene.areas import coarse_means
from manyscale_plugins.surface_scene.grids import Grid

Floats = NDArray[np.float64]
_LEVELS = 12  # of vegetation
_PATCH, _RIPPLE, _MOIST, _CLOUDY = 6.0, 10.0, 25.0, 1.5  # pixels, of smoothing
_NOISE = 0.05


class Weather(NamedTuple):
    """What the air does at the passes, one number each."""

    shortwave: Sequence[float]  # W/m2
    longwave: Sequence[float]  # W/m2
    air_temperature: Sequence[float]  # K
    vapour_pressure: Sequence[float]  # Pa


@dataclass(frozen=True)
class Recipe:
    """All that a scene is made of."""

    fine: Grid
    coarse: Grid
    seed: int = 1
    truth: str = "energy_balance"
    moisture: float = 0.35  # of ln rs
    noise: float = 0.0  # K, of the coarse temperatures
    cloud_fraction: float = 0.0
    resistances: tuple[float, float, float, float] = (80.0, 1500.0, 40.0, 70.0)
    ground_fraction: float = 0.1


class Surface(NamedTuple):
    """Fine surface data."""

    albedo: NDArray[np.float32]  # (row, column)
    ndvi: NDArray[np.float32]
    emissivity: NDArray[np.float32]


class Made(NamedTuple):
    """A scene with its truth."""

    surface: Surface
    truth: Floats  # (pass, row, column) K
    lst: Floats  # (pass, r, c) K
    valid: NDArray[np.bool_]  # (pass, r, c)
    moisture: Floats  # (row, column), mean 0 and variance 1


def grids(
    shape: Sequence[int], fine_size: float, coarse_size: float, corner: Sequence[float], crs: str
) -> tuple[Grid, Grid]:
    """Return the fine grid and the coarse one that begins with it and holds all of it."""
    rows, columns = (math.ceil(n * fine_size / coarse_size - 1e-9) for n in shape)
    west, north = corner
    fine = Grid(west, north, fine_size, fine_size, (int(shape[0]), int(shape[1])), crs)
    return fine, Grid(west, north, coarse_size, coarse_size, (rows, columns), crs)


def made(recipe: Recipe, weather: Weather) -> Made:
    """Return the scene of a recipe, a temperature field for every pass of the weather."""
    numbers = np.random.default_rng(recipe.seed)
    shape = recipe.fine.shape
    level = np.floor(_LEVELS * _unit(_smooth(numbers, shape, _PATCH)))
    x = (level / _LEVELS + _NOISE * numbers.standard_normal(shape)).clip(0.0, 1.0)
    ndvi = 0.1 + 0.8 * x
    cover = x**2
    albedo = 0.28 - 0.12 * cover + 0.01 * _normal(_smooth(numbers, shape, _RIPPLE))
    fields = (albedo.clip(0.05, 0.5), ndvi, 0.95 + 0.04 * cover)
    surface = Surface(*(field.astype(np.float32) for field in fields))
    moisture = _normal(_smooth(numbers, shape, _MOIST))
    rough = 1.5 * _normal(_smooth(numbers, shape, 15.0)) + 0.3 * numbers.standard_normal(shape)
    truth = np.stack(
        [
            _temperature(recipe, surface, moisture, now)
            if recipe.truth == "energy_balance"
            else _statistical(surface.ndvi, rough, now)
            for now in zip(*weather, strict=True)
        ]
    )
    lst = np.stack([coarse_means(field, recipe.fine, recipe.coarse) for field in truth])
    lst += recipe.noise * numbers.standard_normal(lst.shape)
    return Made(surface, truth, lst, _clear(recipe, numbers, lst.shape), moisture)


def _temperature(
    recipe: Recipe, surface: Surface, moisture: Floats, now: Sequence[float]
) -> Floats:
    """Return the temperature (row, column) that balances energy where moisture changes rs."""
    albedo, ndvi, emissivity = surface
    ra, rs = balance.resistances(ndvi, *recipe.resistances)
    hidden = rs * np.exp(recipe.moisture * moisture)
    S, L, Ta, ea = now
    cg = recipe.ground_fraction
    return balance.surface_temperature(albedo, emissivity, ra, hidden, S, L, Ta, ea, cg)


def _statistical(ndvi: NDArray[np.float32], rough: Floats, now: Sequence[float]) -> Floats:
    """Return a temperature (row, column) that only follows the vegetation index, and noise."""
    return now[2] + 14.0 - 18.0 * ndvi.astype(np.float64) + 6.0 * np.square(ndvi) + rough


def _clear(
    recipe: Recipe, numbers: np.random.Generator, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    clouds = np.stack([_smooth(numbers, recipe.coarse.shape, _CLOUDY) for _ in range(shape[0])])
    if recipe.cloud_fraction == 0.0:
        return np.ones(shape, dtype=np.bool_)
    return np.asarray(clouds < np.quantile(clouds, 1.0 - recipe.cloud_fraction))


def _smooth(numbers: np.random.Generator, shape: Sequence[int], width: float) -> Floats:
    noise = numbers.standard_normal(tuple(shape))
    return np.asarray(ndimage.gaussian_filter(noise, width, mode="reflect"))


def _unit(field: Floats) -> Floats:
    """Return a field scaled to 0..1."""
    low, high = float(field.min()), float(field.max())
    return np.asarray((field - low) / (high - low or 1.0))


def _normal(field: Floats) -> Floats:
    """Return a field with mean 0 and variance 1."""
    return np.asarray((field - field.mean()) / (float(field.std()) or 1.0))
