"""The plasma dispersion function Z, by Weideman's rational expansion of the Faddeeva function.

J. A. C. Weideman, Computation of the complex error function, SIAM Journal on Numerical Analysis
31 (1994) 1497: 32 terms in the upper half of the plane, reflection in the lower one, and the
asymptotic series far out, where the moments of Z would cancel.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TERMS = 32
FAR = 8.0  # |zeta| from which the asymptotic series, 16 terms, is exact to 1e-15
ROOT_PI = float(np.sqrt(np.pi))


def _coefficients(terms: int) -> tuple[float, Floats]:
    """Return L and the coefficients of the polynomial in (L + iz)/(L - iz), highest first."""
    scale = float(np.sqrt(terms / np.sqrt(2.0)))
    angle = np.arange(-2 * terms + 1, 2 * terms) * np.pi / (2 * terms)
    t = scale * np.tan(0.5 * angle)
    samples = np.concatenate(([0.0], np.exp(-(t**2)) * (scale**2 + t**2)))
    series = np.fft.fft(np.fft.fftshift(samples)).real / (4 * terms)
    return scale, series[terms:0:-1].copy()


_SCALE, _SERIES = _coefficients(TERMS)


@njit(cache=True, error_model="numpy")
def _faddeeva(z: complex) -> complex:
    """Return w(z) = exp(-z**2) erfc(-iz) for Im z >= 0."""
    below = _SCALE - 1j * z
    ratio = (_SCALE + 1j * z) / below
    total = 0.0j
    for coefficient in _SERIES:
        total = total * ratio + coefficient
    return (2.0 * total / below + 1.0 / ROOT_PI) / below


@njit(cache=True, error_model="numpy")
def _series(zeta: complex) -> tuple[complex, complex, complex, complex]:
    """Return the four functions of `moments` far from the origin, without the residue.

    Z = -sum c_n zeta**-(2n+1), X = -sum c_n zeta**-2n from n = 1, W = -sum n c_n zeta**-(2n+1),
    W' = sum n (2n+1) c_n zeta**-(2n+2), with c_n = (2n-1)!!/2**n.
    """
    inverse = 1.0 / zeta
    square = inverse * inverse
    term = inverse  # c_n zeta**-(2n+1)
    Z, X, W, slope = -term, 0.0j, 0.0j, 0.0j
    for n in range(1, 16):
        term *= 0.5 * (2 * n - 1) * square
        Z -= term
        X -= term * zeta
        W -= n * term
        slope += n * (2 * n + 1) * term * inverse
    return Z, X, W, slope


@njit(cache=True, error_model="numpy")
def moments(zeta: complex) -> tuple[complex, complex, complex, complex]:
    """Return Z, X = 1 + zeta Z, W = zeta + (zeta**2 - 1/2) Z and dW/dzeta.

    X and W are 1 + zeta Z and zeta + (zeta**2 - 1/2) Z as they are meant, without the loss of
    digits at large zeta. dZ/dzeta = -2 X.
    """
    if abs(zeta) > FAR:
        Z, X, W, slope = _series(zeta)
        if zeta.imag >= 0.0:
            return Z, X, W, slope
        residue = 2j * ROOT_PI * np.exp(-zeta * zeta)
        Z += residue
        X += zeta * residue
        W += (zeta * zeta - 0.5) * residue
        return Z, X, W, slope + (3.0 * zeta - 2.0 * zeta**3) * residue
    if zeta.imag >= 0.0:
        Z = 1j * ROOT_PI * _faddeeva(zeta)
    else:
        Z = 1j * ROOT_PI * (2.0 * np.exp(-zeta * zeta) - _faddeeva(-zeta))
    X = 1.0 + zeta * Z
    return Z, X, zeta * X - 0.5 * Z, (3.0 - 2.0 * zeta * zeta) * X - 1.0
