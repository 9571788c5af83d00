"""The surface energy balance of a pixel, solved for its temperature.

f(T) = (1 - cg) [(1 - albedo) S + eps (L - sigma T^4)] - rho cp (T - Ta) / ra
       - (rho cp / gamma) max(es(T) - ea, 0) / (ra + rs)

decreases and is concave, so Newton's method from anywhere lands above the root once and then
comes down to it; bisection is there for what rounding may do.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import exp, log
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from manyscale_plugins.surface_energy_balance.air import GAMMA, RHO_CP, SIGMA

Array = NDArray[Any]

COLDEST, HOTTEST = 100.0, 1000.0  # K, between which a root is looked for
_MOST = 30  # Newton steps before bisection
_BARE, _SPAN = 0.1, 0.8  # ndvi of bare soil, and from there to full cover


class Weather(NamedTuple):
    """What the air above the scene is."""

    shortwave: float  # W/m2
    longwave: float  # W/m2
    air_temperature: float  # K
    vapour_pressure: float  # Pa


class Surface(NamedTuple):
    """How soil and vegetation hold back water and heat."""

    rs_veg: float = 80.0  # s/m
    rs_soil: float = 1500.0  # s/m
    ra_min: float = 40.0  # s/m, over full cover
    ra_max: float = 70.0  # s/m, over bare soil
    ground_fraction: float = 0.1


class Balance(NamedTuple):
    """Temperatures, and the sums over the valid pixels of every row."""

    temperature: Array  # (row, column) K, 0 where not valid
    sensible: Array  # (row,) W/m2
    latent: Array  # (row,) W/m2
    pixels: Array  # (row,) valid ones


@njit(cache=True, error_model="numpy", nogil=True)
def saturation(T: float) -> float:
    """Return the vapour pressure of saturated air [Pa] over water, Bolton (1980) eq. 10."""
    return 611.2 * exp(17.67 * (T - 273.15) / (T - 29.65))


@njit(cache=True, error_model="numpy", nogil=True)
def _root(gain: float, k: float, a: float, v: float, Ta: float, ea: float, tol: float) -> float:
    """Return T of gain - k T^4 - a (T - Ta) - v max(es(T) - ea, 0) = 0; NaN if there is none."""
    T = Ta + 5.0
    for _ in range(_MOST):
        cubed = T * T * T
        f = gain - k * cubed * T - a * (T - Ta)
        slope = -4.0 * k * cubed - a
        inverse = 1.0 / (T - 29.65)
        es = 611.2 * exp(17.67 * (T - 273.15) * inverse)
        if es > ea:
            f -= v * (es - ea)
            slope -= v * es * (17.67 * 243.5) * inverse * inverse
        change = -f / slope
        T += change
        if abs(change) <= tol and COLDEST < T < HOTTEST:
            return T
        if not COLDEST < T < HOTTEST:
            break
    return _bisected(gain, k, a, v, Ta, ea, tol)


@njit(cache=True, error_model="numpy", nogil=True)
def _bisected(gain: float, k: float, a: float, v: float, Ta: float, ea: float, tol: float) -> float:
    cold, hot = COLDEST, HOTTEST
    for end, sign in ((cold, 1.0), (hot, -1.0)):
        left = gain - k * end**4 - a * (end - Ta) - v * max(saturation(end) - ea, 0.0)
        if not left * sign >= 0.0:
            return np.nan
    while hot - cold > tol:
        T = 0.5 * (cold + hot)
        if T in (cold, hot):
            break
        if gain - k * T**4 - a * (T - Ta) - v * max(saturation(T) - ea, 0.0) > 0.0:
            cold = T
        else:
            hot = T
    return 0.5 * (cold + hot)


@njit(cache=True, error_model="numpy", nogil=True)
def cover(ndvi: float) -> float:
    """Return the vegetation fraction ((ndvi - 0.1) / 0.8)^2, within 0..1."""
    return min(max((ndvi - _BARE) / _SPAN, 0.0), 1.0) ** 2


@njit(cache=True, error_model="numpy", nogil=True)
def _solve_rows(
    albedo: Array,
    ndvi: Array,
    emissivity: Array,
    valid: Array,
    weather: Weather,
    surface: Surface,
    tol: float,
    T: Array,
    sums: Array,
) -> None:
    S, L, Ta, ea = weather
    rs_veg, rs_soil, ra_min, ra_max, cg = surface
    soil, change = log(rs_soil), log(rs_veg) - log(rs_soil)
    for i in range(T.shape[0]):
        sensible = latent = count = 0.0
        for j in range(T.shape[1]):
            if not valid[i, j]:
                T[i, j] = 0.0
                continue
            fv = cover(ndvi[i, j])
            ra = ra_max - (ra_max - ra_min) * fv
            rs = exp(soil + change * fv)
            eps = float(emissivity[i, j])
            gain = (1.0 - cg) * ((1.0 - albedo[i, j]) * S + eps * L)
            a, v = RHO_CP / ra, RHO_CP / GAMMA / (ra + rs)
            found = _root(gain, (1.0 - cg) * eps * SIGMA, a, v, Ta, ea, tol)
            T[i, j] = found
            sensible += a * (found - Ta)
            latent += v * max(saturation(found) - ea, 0.0)
            count += 1.0
        sums[i, 0], sums[i, 1], sums[i, 2] = sensible, latent, count


def balance(
    albedo: Array,
    ndvi: Array,
    emissivity: Array,
    valid: Array,
    weather: Weather,
    surface: Surface,
    tol: float = 1e-9,
    threads: int | None = None,
    first_row: int = 0,
) -> Balance:
    """Return the temperatures of a scene and its turbulent heat, row by row.

    Parameters
    ----------
    albedo, ndvi, emissivity
        (row, column), float32 or float64.
    valid
        (row, column) bool; what is not is left out.
    weather, surface
        Above and in the scene.
    tol
        Of the temperature, K.
    threads
        How many to use, one per core given to this process if None; the bits do not depend on it.
    first_row
        Number of the first row in the scene, for messages.

    Raises
    ------
    ValueError
        If a pixel has no balance between 100 K and 1000 K, naming the first.
    """
    T, sums = np.empty(albedo.shape), np.empty((len(albedo), 3))

    def solve(rows: slice) -> None:
        given = albedo[rows], ndvi[rows], emissivity[rows], valid[rows]
        _solve_rows(*given, weather, surface, tol, T[rows], sums[rows])

    in_blocks(solve, len(albedo), threads)
    _refuse_unbalanced(T, sums[:, 0], first_row)
    return Balance(T, sums[:, 0], sums[:, 1], sums[:, 2])


def _refuse_unbalanced(T: Array, sums: Array, first_row: int) -> None:
    """Refuse a scene (row, column) with a pixel without balance: NaN in T and in its row's sum."""
    bad = np.flatnonzero(np.isnan(sums))
    if len(bad):
        column = int(np.flatnonzero(np.isnan(T[bad[0]]))[0])
        raise ValueError(
            f"no temperature between {COLDEST:g} K and {HOTTEST:g} K balances the pixel in row"
            f" {first_row + bad[0]}, column {column}: look at shortwave, longwave and resistances"
        )


def in_blocks(work: Callable[[slice], None], rows: int, threads: int | None = None) -> None:
    """Do work on blocks of rows, side by side; it must release the interpreter."""
    count = min(cores() if threads is None else threads, max(rows, 1))
    if count == 1:
        return work(slice(0, rows))
    # more blocks than threads: pixels differ in cost
    edges = np.linspace(0, rows, min(8 * count, rows) + 1).astype(int)
    with ThreadPoolExecutor(count) as pool:
        blocks = [slice(int(a), int(b)) for a, b in pairwise(edges)]
        for done in [pool.submit(work, block) for block in blocks]:
            done.result()
    return None


def cores() -> int:
    """Return the threads this process may use."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) else len(os.sched_getaffinity(0))


@njit(cache=True, error_model="numpy", nogil=True)
def _outside(values: Array, valid: Array, low: float, high: float, open_below: bool) -> int:
    """Return the number of the first valid pixel that is not in low..high, or -1."""
    width = values.shape[1]
    for i in range(values.shape[0]):
        for j in range(width):
            x = values[i, j]
            if valid[i, j] and not (low < x <= high if open_below else low <= x <= high):
                return int(i * width + j)
    return -1


def refuse_unlikely(
    albedo: Array, ndvi: Array, emissivity: Array, valid: Array, first_row: int = 0
) -> None:
    """Refuse surface data (row, column) that no surface has, naming the first pixel.

    `first_row` is the number of the first row in the scene. Raises ValueError.
    """
    for name, values, low, open_below, text in (
        ("albedo", albedo, 0.0, False, "0..1"),
        ("ndvi", ndvi, -1.0, False, "-1..1"),
        ("emissivity", emissivity, 0.0, True, "in (0, 1]"),
    ):
        pixel: int = _outside(values, valid, low, 1.0, open_below)
        if pixel >= 0:
            row, column = divmod(pixel, values.shape[1])
            raise ValueError(
                f"fine_in: {name} is {float(values[row, column]):.6g} in row {first_row + row},"
                f" column {column}, expected {text}: look at scale factor, offset and nodata of"
                " the file it came from"
            )


def resistances(
    ndvi: Array,
    rs_veg: float = 80.0,
    rs_soil: float = 1500.0,
    ra_min: float = 40.0,
    ra_max: float = 70.0,
) -> tuple[Array, Array]:
    """Return the aerodynamic and the surface resistance [s/m] of pixels with this ndvi."""
    fv = np.clip((np.asarray(ndvi, np.float64) - _BARE) / _SPAN, 0.0, 1.0) ** 2
    rs = np.exp(log(rs_soil) + (log(rs_veg) - log(rs_soil)) * fv)
    return ra_max - (ra_max - ra_min) * fv, rs


@njit(cache=True, error_model="numpy", nogil=True)
def _solve_pixels(
    albedo: Array, emissivity: Array, ra: Array, rs: Array, given: Array, tol: float, T: Array
) -> None:
    S, L, Ta, ea, cg = given
    for i in range(T.size):
        eps = float(emissivity[i])
        gain = (1.0 - cg) * ((1.0 - albedo[i]) * S + eps * L)
        a, v = RHO_CP / ra[i], RHO_CP / GAMMA / (ra[i] + rs[i])
        T[i] = _root(gain, (1.0 - cg) * eps * SIGMA, a, v, Ta, ea, tol)


def surface_temperature(
    albedo: Array | float,
    emissivity: Array | float,
    ra: Array | float,
    rs: Array | float,
    S: float,
    L: float,
    Ta: float,
    ea: float,
    cg: float = 0.1,
    tol: float = 1e-9,
) -> Array:
    """Return the temperatures [K] of pixels with these resistances [s/m]; NaN without balance.

    The first four are arrays of one shape, or numbers; S, L in W/m2, Ta in K, ea in Pa.
    """
    every = [np.asarray(x, np.float64) for x in (albedo, emissivity, ra, rs)]
    pixels = np.broadcast_arrays(*every)
    T = np.empty(pixels[0].shape)
    given = np.array([S, L, Ta, ea, cg], np.float64)
    a, e, r, s = (np.ascontiguousarray(x).ravel() for x in pixels)
    _solve_pixels(a, e, r, s, given, tol, T.reshape(-1))
    return T
