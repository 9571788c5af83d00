"""Directions and their weights."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@lru_cache(maxsize=16)
def half_range(count: int) -> tuple[Floats, Floats]:
    """Return Gauss-Legendre points and weights on 0 < mu < 1, both (count,).

    The distribution jumps at mu = 0 on a wall, so each half has its own rule (double Gauss).
    Weights sum to 1.
    """
    x, w = np.polynomial.legendre.leggauss(count)
    return 0.5 * (x + 1.0), 0.5 * w


@lru_cache(maxsize=16)
def grazing(count: int) -> tuple[Floats, Floats]:
    """Return the same with mu = t4, t the Gauss points: dense where phonons graze the faces."""
    t, w = half_range(count)
    return t**4, 4.0 * t**3 * w


@lru_cache(maxsize=16)
def quadrant(polar: int, azimuth: int) -> tuple[Floats, Floats, Floats]:
    """Return direction cosines mu_x, mu_y > 0 and weights of a quarter of all directions.

    (polar azimuth,); the rule is Gauss-Legendre in both angles, of the z axis and around it, and
    stands for both signs of mu_z. Weights are parts of the whole sphere and sum to 1/4.
    """
    angle, w_polar = (0.5 * np.pi * part for part in half_range(polar))
    around, w_around = (0.5 * np.pi * part for part in half_range(azimuth))
    height = np.sin(angle)
    weight = np.multiply.outer(w_polar * height, w_around).ravel() / (2.0 * np.pi)
    mu_x = np.multiply.outer(height, np.cos(around)).ravel()
    mu_y = np.multiply.outer(height, np.sin(around)).ravel()
    return mu_x, mu_y, weight * (0.25 / weight.sum())
