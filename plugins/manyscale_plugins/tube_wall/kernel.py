"""The elastic tube law: cross-section and pressure of a thin ring without inertia."""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def wave_speed(young_modulus: float, thickness: float, radius: float, density: float) -> float:
    """Return the Moens-Korteweg speed c [m/s] of a small wave, sqrt(E h/(2 rho r0))."""
    return sqrt(young_modulus * thickness / (2.0 * density * radius))


def largest_pressure(speed: float, density: float) -> float:
    """Return 2 rho c^2 [Pa], at which the tube would be infinitely wide."""
    return 2.0 * density * speed**2


def cross_section(pressure: Array, radius: float, speed: float, density: float) -> Array:
    """Return the cross-section [m2] at a pressure [Pa].

    a = a0 (2 rho c^2/(2 rho c^2 - p))^2 with a0 = pi r0^2. Raises ValueError where the pressure
    reaches 2 rho c^2.
    """
    limit = largest_pressure(speed, density)
    highest = float(np.max(pressure))
    if not highest < limit:
        raise ValueError(
            f"the pressure reaches {highest:.6g} Pa, but the tube bursts at 2 rho c^2 ="
            f" {limit:.6g} Pa: a smaller step of the iteration or a stiffer wall is needed"
        )
    return np.pi * radius**2 * (limit / (limit - pressure)) ** 2
