"""Loops over modes and points: one pass over memory for each stage of a Runge-Kutta step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

Complexes = NDArray[np.complex128]
Floats = NDArray[np.float64]
Whole = NDArray[np.int32]


def _compiled(function: Any) -> Any:
    return cast(
        Callable[..., Any], numba.njit(cache=True, error_model="numpy", nogil=True)(function)
    )


def _adiabatic(b: float, zonal: bool, pade: bool) -> float:
    """Return the response of the other species: 1, and less on surfaces it cannot leave."""
    if not zonal:
        return 1.0
    if not pade:
        return 0.0
    z = b / (1.0 + b)
    return z * z


adiabatic = _compiled(_adiabatic)


def _response(b: float, zonal: bool, pade: bool, electrons: float) -> float:
    """Return M of one mode."""
    own = b / (1.0 + b) + electrons * b if pade else b
    return float(adiabatic(b, zonal, pade) + own)


response = _compiled(_response)


def _rate(
    kx: float, ky: float, zonal: bool, drive: float, decay: Any, drift: float, shape: Any
) -> complex:
    """Return the linear rate of one mode: growth, damping and drift."""
    hyper, nu, friction = decay
    pade, electrons = shape
    ky2 = ky * ky
    b = kx * kx + ky2
    slope = ky2 / b
    growth = drive * slope * slope - nu * b - hyper * (b * b) * (b * b)
    if zonal:
        growth -= friction * (1.0 - adiabatic(b, zonal, pade))
    return complex(growth, -drift * ky / response(b, zonal, pade, electrons))


rate = _compiled(_rate)


def _factors(
    kx: Floats,
    ky: Floats,
    tilts: Any,
    span: float,
    drive: Floats,
    decay: Any,
    drift: float,
    zonal: bool,
    shape: Any,
    out: Complexes,
) -> None:
    """Fill exp of the linear rate integrated over a span of time in which the tilt changes.

    Gauss's rule with two points, of fourth order; exact where nothing tilts.
    """
    first, last = tilts
    middle, half = 0.5 * (first + last), 0.5 * (last - first) / np.sqrt(3.0)
    for r in range(kx.size):
        for j in range(ky.size):
            alone = zonal and j == 0
            if r == 0 and j == 0:
                out[r, j] = 0.0
                continue
            one = rate(kx[r] - (middle - half) * ky[j], ky[j], alone, drive[j], decay, drift, shape)
            if half != 0.0:
                other = rate(
                    kx[r] - (middle + half) * ky[j], ky[j], alone, drive[j], decay, drift, shape
                )
                one = 0.5 * (one + other)
            out[r, j] = np.exp(span * one)


factors = _compiled(_factors)


def _shells(
    q: Complexes,
    kx: Floats,
    ky: Floats,
    live: NDArray[np.bool_],
    tilt: float,
    zonal: bool,
    shape: Any,
    width: float,
    places: Whole,
    weights: Floats,
) -> Floats:
    """Return v2/2 and the number of modes in shells of k, (2, shell).

    Fills in which shell each mode is, and the weight of those with ky = 0.
    """
    pade, electrons = shape
    found = np.zeros((2, 2 * kx.size))
    for r in range(kx.size):
        for j in range(ky.size):
            k = kx[r] - tilt * ky[j]
            b = k * k + ky[j] * ky[j]
            alone = zonal and j == 0
            weight = adiabatic(b, alone, pade)
            if j == 0:
                weights[r] = weight
            place = int(np.sqrt(b) / width + 0.5)
            places[r, j] = place
            if place == 0 or not live[r]:
                continue
            m = response(b, alone, pade, electrons)
            weight *= 0.5 if j == 0 else 1.0  # the half with ky < 0 is the mirror image
            found[0, place] += weight * b * (q[r, j].real ** 2 + q[r, j].imag ** 2) / (m * m)
            found[1, place] += weight
    return found


shells = _compiled(_shells)


def _returned(
    q: Complexes,
    kx: Floats,
    ky: Floats,
    live: NDArray[np.bool_],
    tilt: float,
    zonal: bool,
    shape: Any,
    places: Whole,
    weights: Floats,
    speeds: Floats,
    normals: Complexes,
) -> None:
    """Add to every mode a velocity of random phase, of the rms `speeds` of its shell."""
    pade, electrons = shape
    for r in range(kx.size):
        for j in range(ky.size):
            place = places[r, j]
            if place == 0 or not live[r]:
                continue
            k = kx[r] - tilt * ky[j]
            b = k * k + ky[j] * ky[j]
            alone = zonal and j == 0
            size = speeds[place] * response(b, alone, pade, electrons) / np.sqrt(b)
            value = normals[r, j]
            if j == 0:
                size *= np.sqrt(weights[r])
                if r > kx.size // 2:
                    value = np.conj(normals[kx.size - r, 0])
            q[r, j] += size * value


returned = _compiled(_returned)


def _stage(
    number: int,
    h: float,
    spectra: Complexes,
    q: Complexes,
    partial: Complexes,
    before: Complexes,
    after: Complexes,
    places: Whole,
    weights: Floats,
    left: Floats,
    kx: Floats,
    ky: Floats,
    live: NDArray[np.bool_],
    tilt: float,
    zonal: bool,
    shape: Any,
    fields: Complexes,
) -> None:
    """Take in the products of one stage and lay out the fields of the next one.

    `spectra` (2, kx, columns) are the transforms of vx q and vy q, `fields` (3, kx, columns) get
    vx, vy and q. Stage 0 only lays out; stage 4 ends the step in `q`.
    """
    pade, electrons = shape
    points = 1.0 / (kx.size * kx.size)
    for r in range(kx.size):
        for j in range(ky.size):
            if not live[r] or (r == 0 and j == 0):
                fields[0, r, j] = 0.0
                fields[1, r, j] = 0.0
                fields[2, r, j] = 0.0
                continue
            value = q[r, j]
            if number > 0:
                flux = kx[r] * spectra[0, r, j] + ky[j] * spectra[1, r, j]
                slope = complex(flux.imag * points, -flux.real * points)
                kept = left[places[r, j]]
                if j == 0:
                    kept = 1.0 - weights[r] * (1.0 - kept)
                one, two = kept * before[r, j], kept * after[r, j]
                if number == 1:
                    partial[r, j] = one * (value + h / 6.0 * slope)
                    value = one * (value + 0.5 * h * slope)
                elif number == 2:
                    partial[r, j] += h / 3.0 * slope
                    value = one * value + 0.5 * h * slope
                elif number == 3:
                    partial[r, j] += h / 3.0 * slope
                    value = two * (one * value + h * slope)
                else:
                    value = two * partial[r, j] + h / 6.0 * slope
                    q[r, j] = value
            k = kx[r] - tilt * ky[j]
            phi = value / response(k * k + ky[j] * ky[j], zonal and j == 0, pade, electrons)
            fields[0, r, j] = complex(ky[j] * phi.imag, -ky[j] * phi.real)
            fields[1, r, j] = complex(-kx[r] * phi.imag, kx[r] * phi.real)
            fields[2, r, j] = value


stage = _compiled(_stage)


def _products(fields: Floats) -> float:
    """Turn vx, vy, q (3, x, y) into vx q, vy q in place; return the largest abs(vx) + abs(vy)."""
    fastest = 0.0
    for r in range(fields.shape[1]):
        for c in range(fields.shape[2]):
            vx, vy, q = fields[0, r, c], fields[1, r, c], fields[2, r, c]
            fastest = max(fastest, abs(vx) + abs(vy))
            fields[0, r, c] = vx * q
            fields[1, r, c] = vy * q
    return fastest


products = _compiled(_products)


def _moments(
    q: Complexes, kx: Floats, ky: Floats, tilt: float, zonal: bool, shape: Any, cut: float
) -> tuple[Floats, Floats]:
    """Return sums over all modes, and the square of vx in each column.

    The sums: phi2, v2, w2 (vorticity squared), shear2 (of vy in x), energy, enstrophy, and
    M abs(phi)2 and k2 M abs(phi)2 of what is not zonal. All but energy and enstrophy are of modes
    with k < cut.
    """
    pade, electrons = shape
    sums, columns = np.zeros(8), np.zeros(ky.size)
    for r in range(kx.size):
        for j in range(ky.size):
            if r == 0 and j == 0:
                continue
            k = kx[r] - tilt * ky[j]
            b = k * k + ky[j] * ky[j]
            m = response(b, zonal and j == 0, pade, electrons)
            twice = 1.0 if j == 0 else 2.0  # the half with ky < 0 is the mirror image
            square = twice * (q[r, j].real ** 2 + q[r, j].imag ** 2)
            phi2 = square / (m * m)
            sums[4] += 0.5 * m * phi2
            sums[5] += 0.5 * square
            columns[j] += ky[j] * ky[j] * phi2
            if b >= cut * cut:
                continue
            sums[0] += phi2
            sums[1] += b * phi2
            sums[2] += b * b * phi2
            sums[3] += k**4 * phi2
            if j > 0:
                sums[6] += m * phi2
                sums[7] += b * m * phi2
    return sums, columns


moments = _compiled(_moments)


def _tilted_back(q: Complexes, turns: int, live: NDArray[np.bool_]) -> Complexes:
    """Return q on wave numbers that follow the shear, with the tilt lowered by `turns`."""
    rows, columns = q.shape
    new = np.zeros_like(q)
    for r in range(rows):
        here = r if r <= rows // 2 else r - rows
        for j in range(columns):
            there = here - turns * j
            if live[r] and -rows // 2 < there < rows // 2 and live[there % rows]:
                new[there % rows, j] = q[r, j]
    return new


tilted_back = _compiled(_tilted_back)
