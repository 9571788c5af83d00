"""The same step in plain numpy, as one writes it down: what the passes are compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.drift_turbulence.kernel import Grid, Plasma, response

Complexes = NDArray[np.complex128]
Floats = NDArray[np.float64]


def rates(grid: Grid, plasma: Plasma, tilt: float = 0.0) -> Complexes:
    """Return the linear rate (kx, columns) of every mode; that of the mean is 0."""
    kx = grid.kx[:, None] - tilt * grid.ky
    b = kx**2 + grid.ky**2
    b[0, 0] = 1.0
    growth = plasma.drive * (grid.ky**2 / b) ** 2 - plasma.nu * b - plasma.hyper * b**4
    if plasma.zonal:
        z = b[:, 0] / (1.0 + b[:, 0])
        growth[:, 0] -= plasma.friction * (1.0 - (z**2 if plasma.pade else 0.0))
    found = growth - 1j * plasma.drift * grid.ky / response(grid, plasma, tilt)
    found[0, 0] = 0.0
    return np.asarray(found)


def bracket(grid: Grid, q: Complexes, M: Floats) -> Complexes:
    """Return minus the divergence of v q (kx, columns), dealiased."""
    n, columns = grid.n, grid.kept + 1
    ikx, iky = 1j * grid.kx[:, None], 1j * grid.ky
    phi = q / M
    vx, vy, moved = (
        np.fft.irfft2(_padded(field, n), s=(n, n), norm="forward")
        for field in (-iky * phi, ikx * phi, q)
    )
    spectra = [np.fft.rfft2(v * moved, norm="forward")[:, :columns] for v in (vx, vy)]
    found = -(ikx * spectra[0] + iky * spectra[1]) * grid.live[:, None]
    found[0, 0] = 0.0
    return np.asarray(found)


def step(grid: Grid, plasma: Plasma, q: Complexes, dt: float) -> Complexes:
    """Return q (kx, columns) a step on, without shear."""
    M = response(grid, plasma)
    half = np.exp(0.5 * dt * rates(grid, plasma))
    one = bracket(grid, q, M)
    two = bracket(grid, half * (q + 0.5 * dt * one), M)
    three = bracket(grid, half * q + 0.5 * dt * two, M)
    four = bracket(grid, half * (half * q + dt * three), M)
    partial = half * (q + dt / 6.0 * one) + dt / 3.0 * (two + three)
    return half * partial + dt / 6.0 * four


def _padded(field: Complexes, n: int) -> Complexes:
    padded = np.zeros((n, n // 2 + 1), complex)
    padded[:, : field.shape[1]] = field
    return padded
