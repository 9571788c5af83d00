"""The slab: its response function, and what the argument principle says of it in closed form.

All functions are those of ions; the other species is adiabatic. Frequencies and parallel wave
numbers are counted as omega = w k_y rho v/a and k_par = s k_y rho/(sqrt(2) a), with v**2 = T/m,
rho = v/Omega and a the minor radius, so that zeta = w/s, z* = -kn/s and z* eta = -kt/s:

D(w) = 1 + theta + G0 (zeta + kn/s) Z + kt/s [W G0 + b (G1 - G0) Z], W = zeta + (zeta**2 - 1/2) Z.

Electrons have the same roots at the same k_y rho, b and theta, mirrored: w -> -conj(w).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from manyscale_plugins.gyrokinetic_dispersion.dispersion_function import moments


class Mode(NamedTuple):
    """What the response of one perpendicular wave number depends on.

    Attributes
    ----------
    G0, spread
        exp(-b) I0(b) and b exp(-b) (I0(b) - I1(b)), with b = (k_y rho)**2.
    theta
        T of the kinetic species over T of the adiabatic one.
    kn, kt
        a/L_n and a/L_T of the kinetic species.
    curvature
        a/R; 0 in the slab.
    """

    G0: float
    spread: float
    theta: float
    kn: float
    kt: float
    curvature: float = 0.0


@njit(cache=True, error_model="numpy")
def response(w: complex, s: float, mode: Mode) -> tuple[complex, complex, complex]:
    """Return D, dD/dw and dD/ds of the slab."""
    zeta = w / s
    Z, X, W, slope = moments(zeta)
    kn, kt = mode.kn / s, mode.kt / s
    # 1 - G0 is what the mode stands on when G0 zeta Z has taken its share
    driven = mode.G0 * (kn * Z + kt * W) - mode.spread * kt * Z
    D = 1.0 + mode.theta - mode.G0 + mode.G0 * X + driven
    change = mode.G0 * (Z - 2.0 * zeta * X + kt * slope)
    change -= 2.0 * X * (mode.G0 * kn - mode.spread * kt)
    # D depends on w/s, kn/s and kt/s, and is linear in the last two
    return D, change / s, -(zeta * change + driven) / s


@njit(cache=True, error_model="numpy")
def widest(mode: Mode) -> float:
    """Return the s up to which one root grows; 0 if none does at any s.

    On the real axis Im D is exp(-zeta**2) times a quadratic. Where it vanishes Re Z drops out of
    D, which is 1 + theta + kt G0 zeta/s there. D thus goes round the origin once if
    s**2 < widest**2 = G0**2 [kt**2 (1/2 + b (1 - G1/G0)) - kt kn]/((1 + theta) (1 + theta - G0)),
    and never otherwise: 1/eta < 1/2 + b (1 - G1/G0) for s -> 0 (Kadomtsev and Pogutse 1970).
    """
    inner = mode.kt * (0.5 * mode.G0 + mode.spread) - mode.kn * mode.G0
    if inner <= 0.0 or mode.kt <= 0.0:
        return 0.0
    left = (1.0 + mode.theta) * (1.0 + mode.theta - mode.G0)
    return float(np.sqrt(mode.G0 * mode.kt * inner / left))


@njit(cache=True, error_model="numpy")
def neutral(s: float, mode: Mode) -> float:
    """Return w of the neutral mode at the largest s."""
    return -s * s * (1.0 + mode.theta) / (mode.kt * mode.G0)
