"""What n random elements conduct together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.random_conductivity_rve import conduction

Floats = NDArray[np.float64]


def linear(theta: float, z: Floats, s_a: float) -> float:
    """Return theta + s_a mean(z) [W/(m K)]; z: (n,) standard normal."""
    return float(theta + s_a * z.mean())


def lognormal(theta: float, z: Floats, s_a: float, k_ref: float) -> float:
    """Return k_ref e^theta mean(e^(s_a z)) [W/(m K)]: elements side by side along the flux."""
    return float(k_ref * math.exp(theta) * np.exp(s_a * z).mean())


def field(theta: float, z: Floats, s_a: float, k_ref: float, cells: int) -> float:
    """Return the conductivity [W/(m K)] of a square of grains, each of cells x cells cells."""
    side = math.isqrt(len(z))
    grains = np.exp(s_a * z).reshape(side, side)
    fine = np.repeat(np.repeat(grains, cells, axis=0), cells, axis=1)
    return k_ref * math.exp(theta) * conduction.effective_conductivity(fine)
