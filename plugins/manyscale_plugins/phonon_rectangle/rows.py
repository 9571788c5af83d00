"""One row of cells: what a beam does in it, alone or between walls that send it back.

In a cell that emits t, with A = 2 Lambda mu_x/dx, B = 2 Lambda mu_y/dy, a = A/(1 + A + B) and
b = B/(1 + A + B), the mean departs from t by d/2 with d = 2 (a (phi_x - t) + b (phi_y - t)), and
the far faces get t + d - (phi - t): diamond differences. `beam` holds by row, for every lane, what
AT names. A row is carried in one of three ways: silent, telling fluxes, or remembering the
distribution of the step before, of which a cell emits the part 1 - share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Arrays = tuple[Floats, ...]
Function = TypeVar("Function", bound=Callable[..., Any])

REASSOCIATE = {"reassoc", "contract", "nsz"}
SILENT, TELLING, REMEMBERING = 0, 1, 2
GIVEN, SPECULAR, PERIODIC = 0, 1, 2
"""What a wall does to phonons that reach it: they leave, are mirrored, or enter opposite."""
A, B, EXCHANGE, CONTENT, PATH_X, PATH_Y, FLUX_X, FLUX_Y = range(8)
"""Rows of a beam: a; b; W/(m3 K) of d; J/(m3 K); Lambda mu [m]; flux per kelvin [W/(m2 K)]."""


def inlined(function: Function) -> Function:
    """Compile a part of a sweep; `cast`: numba keeps signatures and does not say so."""
    compiled = numba.njit(fastmath=REASSOCIATE, error_model="numpy", nogil=True)
    return cast(Function, compiled(function))


@inlined
def flux(weight: Floats, phi: Floats) -> float:
    """Return the sum over lanes."""
    total = 0.0
    for k in range(phi.size):
        total += weight[k] * phi[k]
    return total


@inlined
def enter(phi: Floats, base: float, slope: float, path: Floats) -> None:
    """Fill phi with what a wall sends: its temperature, less what a gradient behind it takes."""
    for k in range(phi.size):
        phi[k] = base - slope * path[k]


@inlined
def _silent(
    theta: Floats,
    share: float,
    phi: Floats,
    rows: Floats,
    beam: Floats,
    gained: Floats,
    j: int,
    way: int,
) -> None:
    a, b, exchange = beam[A], beam[B], beam[EXCHANGE]
    first = 0 if way > 0 else theta.shape[1] - 1
    for n in range(theta.shape[1]):
        i = first + n * way
        t = share * theta[j, i]
        total = 0.0
        for k in range(a.size):
            u = phi[k] - t
            v = rows[i, k] - t
            d = 2.0 * (a[k] * u + b[k] * v)
            phi[k] = t + (d - u)
            rows[i, k] = t + (d - v)
            total += exchange[k] * d
        gained[j, i] += total


@inlined
def _telling(
    theta: Floats,
    phi: Floats,
    rows: Floats,
    beam: Floats,
    told: Arrays,
    j: int,
    way: int,
    up: int,
) -> None:
    a, b, exchange, along, across = beam[A], beam[B], beam[EXCHANGE], beam[FLUX_X], beam[FLUX_Y]
    gained, net_x, net_y, _ = told
    first = 0 if way > 0 else theta.shape[1] - 1
    for n in range(theta.shape[1]):
        i = first + n * way
        t = theta[j, i]
        total, to_x, to_y = 0.0, 0.0, 0.0
        for k in range(a.size):
            u = phi[k] - t
            v = rows[i, k] - t
            d = 2.0 * (a[k] * u + b[k] * v)
            x = t + (d - u)
            y = t + (d - v)
            phi[k] = x
            rows[i, k] = y
            total += exchange[k] * d
            to_x += along[k] * x
            to_y += across[k] * y
        gained[j, i] += total
        net_x[j, i + (way > 0)] += way * to_x
        net_y[j + (up > 0), i] += up * to_y


@inlined
def _remembering(
    theta: Floats,
    share: float,
    phi: Floats,
    rows: Floats,
    beam: Floats,
    told: Arrays,
    old: Floats,
    new: Floats,
    j: int,
    way: int,
    up: int,
) -> None:
    a, b, exchange, along, across = beam[A], beam[B], beam[EXCHANGE], beam[FLUX_X], beam[FLUX_Y]
    content = beam[CONTENT]
    gained, net_x, net_y, energy = told
    first = 0 if way > 0 else theta.shape[1] - 1
    for n in range(theta.shape[1]):
        i = first + n * way
        emitted = theta[j, i]
        total, to_x, to_y, held = 0.0, 0.0, 0.0, 0.0
        for k in range(a.size):
            before = old[j, i, k]
            t = before + share * (emitted - before)
            u = phi[k] - t
            v = rows[i, k] - t
            d = 2.0 * (a[k] * u + b[k] * v)
            x = t + (d - u)
            y = t + (d - v)
            mean = t + 0.5 * d
            phi[k] = x
            rows[i, k] = y
            new[j, i, k] = mean
            # what the cell gains is scattered minus emitted, so d seen from the emission
            total += exchange[k] * (d - 2.0 * (1.0 - share) * (emitted - before))
            to_x += along[k] * x
            to_y += across[k] * y
            held += content[k] * mean
        gained[j, i] += total
        energy[j, i] += held
        net_x[j, i + (way > 0)] += way * to_x
        net_y[j + (up > 0), i] += up * to_y


@inlined
def carried(
    kind: int,
    theta: Floats,
    share: float,
    phi: Floats,
    rows: Floats,
    beam: Floats,
    told: Arrays,
    old: Floats,
    new: Floats,
    j: int,
    way: int,
    up: int,
) -> None:
    """Carry phi (lane,) along row j to the right (way 1) or left (-1), and rows across it."""
    if kind == SILENT:
        _silent(theta, share, phi, rows, beam, told[0], j, way)
    elif kind == TELLING:
        _telling(theta, phi, rows, beam, told, j, way, up)
    else:
        _remembering(theta, share, phi, rows, beam, told, old, new, j, way, up)


@inlined
def _glance(
    kind: int,
    theta: Floats,
    share: float,
    phi: Floats,
    rows: Floats,
    beam: Floats,
    old: Floats,
    j: int,
    way: int,
) -> None:
    """Carry phi along a row without changing what crosses it."""
    a, b = beam[A], beam[B]
    first = 0 if way > 0 else theta.shape[1] - 1
    for n in range(theta.shape[1]):
        i = first + n * way
        for k in range(a.size):
            t = share * theta[j, i]
            if kind == REMEMBERING:
                t += (1.0 - share) * old[j, i, k]
            u = phi[k] - t
            d = 2.0 * (a[k] * u + b[k] * (rows[i, k] - t))
            phi[k] = t + (d - u)


@inlined
def closed(
    kind: int,
    theta: Floats,
    share: float,
    right: Floats,
    left: Floats,
    beam: Floats,
    old: Floats,
    jump: float,
    mirrored: bool,
    ends: Floats,
    j: int,
) -> None:
    """Find what enters a row whose ends are mirrors, or one another, as `ends` (2, lane).

    The first pass, from nothing, shows what the row adds; how much of the entering comes back is
    known: 2 a - 1 per cell.
    """
    ends[:] = 0.0
    _glance(kind, theta, share, ends[0], right, beam, old[1], j, 1)
    if mirrored:
        _glance(kind, theta, share, ends[0], left, beam, old[0], j, -1)
    else:
        _glance(kind, theta, share, ends[1], left, beam, old[0], j, -1)
    for k in range(ends.shape[1]):
        back = (2.0 * beam[A, k] - 1.0) ** theta.shape[1]
        if mirrored:
            ends[0, k] /= 1.0 - back * back
        else:
            ends[0, k] = (ends[0, k] + jump) / (1.0 - back)
            ends[1, k] = (ends[1, k] - jump) / (1.0 - back)
