"""References for films: the integral equation, without directions or sweeps, and closed forms."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.phonon_bte.spectrum import Spectrum

Floats = NDArray[np.float64]


def integral_equation(
    modes: Spectrum, length: float, cells: int, walls: tuple[float, float]
) -> tuple[Floats, float]:
    """Return theta (cells,) K between black walls [K], and the flux [W/m2].

    Directions are integrated in closed form: theta = sum_m w_m (T_1 E_2(x/Lambda)/2 + T_2 E_2((L -
    x)/Lambda)/2 + integral of theta E_1(|x - x'|/Lambda)/(2 Lambda)), w_m = C/tau over its sum.
    Piecewise constant, tested with the same functions; all integrals over cells are exact. Heaslet
    and Warming, International Journal of Heat and Mass Transfer 8 (1965) 979, for many modes.
    """
    from scipy.linalg import solve_toeplitz
    from scipy.special import expn

    h = length / cells
    x = np.arange(cells + 1) * h
    share = modes.exchange / modes.exchange.sum()
    within, enters, leaves = np.zeros(cells), np.zeros(cells), np.zeros(cells)
    for path, weight, current in zip(modes.free_path, share, modes.current, strict=True):
        third = expn(3, np.append(x, length + h) / path)  # E_3
        between = 0.5 * path / h * (third[2:] - 2.0 * third[1:-1] + third[:-2])
        within[1:] += weight * between[: cells - 1]
        within[0] += weight * (1.0 - path / h * (0.5 - third[1]))
        enters += weight * 0.5 * path / h * (third[:-2] - third[1:-1])
        leaves += 0.5 * current * (third[:-2] - third[1:-1])
    unit = np.zeros(cells)
    unit[0] = 1.0
    theta = solve_toeplitz(unit - within, walls[0] * enters + walls[1] * enters[::-1])
    far = float((modes.current * expn(3, length / modes.free_path)).sum())
    flux = 0.25 * walls[0] * float(modes.current.sum()) - 0.5 * walls[1] * far - leaves @ theta
    return np.asarray(theta), float(flux)


def extrapolated_flux(
    modes: Spectrum, length: float, cells: int, walls: tuple[float, float]
) -> float:
    """Return the flux [W/m2] of the integral equation from `cells` and twice as many.

    Its error is of second order; thick films need cells thinner than the shortest mean free path
    that matters.
    """
    coarse, fine = (integral_equation(modes, length, n, walls)[1] for n in (cells, 2 * cells))
    return (4.0 * fine - coarse) / 3.0


def ballistic(modes: Spectrum, length: float) -> float:
    """Return the conductivity of a film thin against all mean free paths, C v L/4 [W/(m K)]."""
    return 0.25 * float(modes.current.sum()) * length


def fuchs_sondheimer(delta: float) -> float:
    """Return k/k_bulk along a film of one mode with rough faces, delta = thickness/Lambda.

    1 - 3/(2 delta) (1/4 - E3(delta) + E5(delta)). E. H. Sondheimer, Advances in Physics 1 (1952) 1.
    """
    from scipy.special import expn

    return 1.0 - 1.5 / delta * (0.25 - float(expn(3, delta)) + float(expn(5, delta)))


def kirchhoff(temperatures: Floats, conductivity: Floats, low: float, high: float) -> float:
    """Return the integral of k(T), straight between its points, from low to high [W/m]."""
    inside = (temperatures > low) & (temperatures < high)
    T = np.concatenate([[low], temperatures[inside], [high]])
    k = np.interp(T, temperatures, conductivity)
    return math.fsum(0.5 * (k[1:] + k[:-1]) * np.diff(T))
