"""Finite volumes for conduction in a slab, cells of equal width counted from the wall inwards."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

Array = NDArray[Any]


class Slab(NamedTuple):
    """A plane slab: its wall at s = 0, its outer side at s = length."""

    conductivity: float  # W/(m K)
    capacity: float  # J/(m3 K), density times specific heat
    length: float  # m
    cells: int
    outer: str  # temperature, insulated
    outer_temperature: float  # K

    @property
    def width(self) -> float:
        """Width of a cell in m."""
        return self.length / self.cells

    @property
    def half(self) -> float:
        """Conductance of half a cell in W/(m2 K)."""
        return 2.0 * self.conductivity / self.width

    @property
    def centres(self) -> Array:
        """Distance of the cells from the wall: (cells,) m."""
        return (np.arange(self.cells) + 0.5) * self.width


def advanced(
    slab: Slab, T: Array, dt: float, theta: float, held: bool, wall: tuple[float, float]
) -> Array:
    """Return the temperatures (cells,) K after dt [s].

    `wall` is the value before and after the step: of its temperature [K] if `held`, else of the
    flux into the slab [W/m2]. theta = 1 implicit Euler, 1/2 Crank-Nicolson.
    """
    storage = slab.capacity * slab.width / dt
    conductance = slab.half if held else 0.0
    own, beside = _conduction(slab, conductance)
    source = (1.0 - theta) * wall[0] + theta * wall[1]
    right = storage * T
    right[0] += conductance * source if held else source
    right[-1] += (slab.outer == "temperature") * slab.half * slab.outer_temperature
    right -= (1.0 - theta) * _product(own, beside, T)
    matrix = np.empty((2, slab.cells))
    matrix[0], matrix[1] = theta * beside, storage + theta * own
    after: Array = solveh_banded(matrix, right, check_finite=False)
    return after


def _conduction(slab: Slab, wall: float) -> tuple[Array, float]:
    """Return diagonal (cells,) and off-diagonal of the heat that leaves each cell [W/(m2 K)]."""
    inside = slab.conductivity / slab.width
    own = np.full(slab.cells, 2.0 * inside)
    own[0] = inside + wall
    own[-1] = inside + (slab.outer == "temperature") * slab.half
    return own, -inside


def _product(own: Array, beside: float, T: Array) -> Array:
    heat: Array = own * T
    heat[1:] += beside * T[:-1]
    heat[:-1] += beside * T[1:]
    return heat


def flux_out(slab: Slab, T: Array, wall: float) -> float:
    """Return the heat that leaves through a wall at this temperature [K], in W/m2."""
    return slab.half * (float(T[0]) - wall)


def wall_temperature(slab: Slab, T: Array, flux_in: float) -> float:
    """Return the temperature [K] of a wall through which this flux [W/m2] enters."""
    return float(T[0]) + flux_in / slab.half
