"""References for two slabs in contact: closed forms, and both solved as one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_banded
from scipy.special import erfc

from manyscale_plugins.heat_slab.kernel import Slab

Array = NDArray[Any]


def effusivity(slab: Slab) -> float:
    """Return sqrt(k rho c) in W s^(1/2)/(m2 K)."""
    return math.sqrt(slab.conductivity * slab.capacity)


def contact_temperature(one: Slab, other: Slab, T_one: float, T_other: float) -> float:
    """Return the temperature [K] of the contact of two half-spaces, constant from t > 0 on.

    Carslaw and Jaeger (1959), section 2.14, with effusivities as weights.
    """
    e, f = effusivity(one), effusivity(other)
    return (e * T_one + f * T_other) / (e + f)


def half_space(slab: Slab, s: Array, t: float, T_start: float, T_wall: float) -> Array:
    """Return T(s) [K] at time t [s] in a half-space whose wall jumps at t = 0."""
    diffusivity = slab.conductivity / slab.capacity
    spread = np.asarray(erfc(s / (2.0 * math.sqrt(diffusivity * t))))
    return T_start + (T_wall - T_start) * spread


def steady_interface(one: Slab, other: Slab) -> float:
    """Return the temperature [K] of the contact when both outer sides are held and time is over."""
    a, b = one.conductivity / one.length, other.conductivity / other.length
    return (a * one.outer_temperature + b * other.outer_temperature) / (a + b)


def iteration_factor(dirichlet: Slab, neumann: Slab) -> float:
    """Return the factor of a plain iteration of the steady problem; it diverges below -1."""
    one, other = dirichlet.conductivity / dirichlet.length, neumann.conductivity / neumann.length
    return -one / other


def as_one(
    one: Slab, other: Slab, start: tuple[float, float], dt: float, steps: int, scheme: str
) -> tuple[Array, Array]:
    """Solve both slabs as one body with one matrix.

    Returns the interface temperature (steps + 1,) K, nan at the start, and all temperatures
    (steps + 1, cells of one + of other) K from the outer side of `one` to that of `other`.
    Of `crank_nicolson` the first step is implicit Euler, as in the model.
    """
    k = np.repeat([one.conductivity, other.conductivity], [one.cells, other.cells])
    h = np.repeat([one.width, other.width], [one.cells, other.cells])
    storage = np.repeat([one.capacity, other.capacity], [one.cells, other.cells]) * h / dt
    resistance = h / (2.0 * k)
    faces = 1.0 / (resistance[:-1] + resistance[1:])
    held = [s.outer == "temperature" for s in (one, other)]
    ends = np.array(held) / resistance[[0, -1]]
    own = np.append(faces, ends[1]) + np.insert(faces, 0, ends[0])
    T = np.repeat(np.asarray(start, np.float64), [one.cells, other.cells])
    found, shown = [np.nan], [T]
    for step in range(steps):
        theta = 0.5 if scheme == "crank_nicolson" and step else 1.0
        right = storage * T - (1.0 - theta) * own * T
        right[:-1] += (1.0 - theta) * faces * T[1:]
        right[1:] += (1.0 - theta) * faces * T[:-1]
        right[0] += ends[0] * one.outer_temperature
        right[-1] += ends[1] * other.outer_temperature
        matrix = np.zeros((3, len(T)))
        matrix[0, 1:] = matrix[2, :-1] = -theta * faces
        matrix[1] = storage + theta * own
        T = solve_banded((1, 1), matrix, right)
        shown.append(T)
        i, g = one.cells, 1.0 / resistance
        found.append((g[i - 1] * T[i - 1] + g[i] * T[i]) / (g[i - 1] + g[i]))
    return np.array(found), np.array(shown)
