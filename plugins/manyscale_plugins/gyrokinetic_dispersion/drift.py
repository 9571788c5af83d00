"""The magnetic drift of a torus, local to its outer side: the response function with curvature.

D(w) = 1 + theta - int exp(-y) J0(sqrt(2 b y))**2 I(y) dy over y = v_perp**2/(2 T/m) > 0, with

I(y) = pi**-1/2 int exp(-x**2) N/d dx, N = w + kn + kt (x**2 + y - 3/2),
d = w - s x + e (2 x**2 + y), e = a/R,

over x = v_par/sqrt(2 T/m) in the variables of `slab`. d is a quadratic in x with one root above and
one below the real axis, so I(y) is a difference of two Z. What is left over y is a Gauss-Laguerre
sum on a ray turned into the upper half of the plane, away from the branch point of the resonance.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from manyscale_plugins.gyrokinetic_dispersion.dispersion_function import moments
from manyscale_plugins.gyrokinetic_dispersion.slab import Mode

Complexes = NDArray[np.complex128]

TURN = 0.5  # tangent of the angle of the ray
NODES = 32


def nodes(b: float, count: int = NODES) -> tuple[Complexes, Complexes]:
    """Return y (node,) and the weights with exp(-y) J0**2 in them (node,) for b = (k_y rho)**2."""
    from scipy.special import jv

    t, weight = np.polynomial.laguerre.laggauss(count)
    y = (t * (1.0 + 1j * TURN)).astype(np.complex128)
    turned = weight * np.exp(-1j * TURN * t) * (1.0 + 1j * TURN)
    averaged: Complexes = turned * jv(0, np.sqrt(2.0 * b * y)) ** 2
    return y, averaged


@njit(cache=True, error_model="numpy")
def _along(
    u: complex, Z: complex, X: complex, at: tuple[complex, float]
) -> tuple[complex, complex]:
    """Return int exp(-x**2) (c + kt x**2)/(x - u) dx/sqrt(pi) and its derivative in u."""
    c, kt = at
    return c * Z + kt * u * X, -2.0 * c * X + kt * (X + u * (Z - 2.0 * u * X))


@njit(cache=True, error_model="numpy")
def response(
    w: complex, s: float, mode: Mode, y: Complexes, weight: Complexes
) -> tuple[complex, complex, complex]:
    """Return D, dD/dw and dD/ds for Im w >= 0 (and a little below)."""
    e, kt = mode.curvature, mode.kt
    D, change, along = 1.0 + mode.theta + 0.0j, 0.0j, 0.0j
    for node in range(y.size):
        root = np.sqrt(s * s - 8.0 * e * (w + e * y[node]))
        above, below = (s - root) / (4.0 * e), (s + root) / (4.0 * e)
        at = (w + mode.kn + kt * (y[node] - 1.5), kt)
        Z, X, _, _ = moments(above)
        upper, upper_slope = _along(above, Z, X, at)
        Z_, X, _, _ = moments(-below)
        lower, lower_slope = _along(below, -Z_, X, at)
        inner = (lower - upper) / root
        # w moves c, the two roots by -+1/root, and root by -4 e/root; s the roots and root
        moved = -Z_ - Z - (lower_slope + upper_slope) / root + inner * 4.0 * e / root
        shifted = (1.0 + s / root) * lower_slope - (1.0 - s / root) * upper_slope
        D -= weight[node] * inner
        change -= weight[node] * moved / root
        along -= weight[node] * (0.25 * shifted / e - inner * s / root) / root
    return D, change, along
