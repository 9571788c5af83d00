"""Growth of ion and electron modes over k_y, at one radius or at many, in SI units.

Arrays are (radius, k_y) unless said otherwise. Temperatures are in eV.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int32]
Complexes = NDArray[np.complex128]

CHARGE = 1.602176634e-19  # C, exact (SI)
ION, ELECTRON, STABLE = 0, 1, -1
LARGEST = 4.0  # k_y rho up to which the sum over v_perp of the torus resolves the gyration


class Plasma(NamedTuple):
    """A plasma at each radius, arrays (radius,)."""

    t_i: Floats  # eV
    t_e: Floats  # eV
    density: Floats  # 1/m3
    b_field: Floats  # T
    minor_radius: Floats  # m
    major_radius: Floats  # m
    a_over_ln: Floats
    a_over_lti: Floats
    a_over_lte: Floats

    def rho_s(self, ion_mass: float) -> Floats:
        """Return sqrt(m_i T_e)/(e B) in m."""
        return np.sqrt(ion_mass * self.t_e / CHARGE) / self.b_field

    def part(self, radii: slice) -> Plasma:
        """Return some of the radii."""
        return Plasma(*(values[radii] for values in self))


class Scan(NamedTuple):
    """Which wave numbers are looked at, and of what model.

    Attributes
    ----------
    ky_rhos
        k_y rho_s (k_y,).
    n_kpar
        Samples in k_par.
    mass_ratio, ion_mass
        m_i/m_e, and m_i in kg.
    curvature
        Whether the magnetic drift of the torus is in.
    electrons_from
        k_y rho_i from which the ions are adiabatic for electron modes.
    """

    ky_rhos: Floats
    n_kpar: int
    mass_ratio: float
    ion_mass: float
    curvature: bool
    electrons_from: float


class Branch(NamedTuple):
    """The fastest mode of one kinetic species at every k_y; zeros where nothing grows."""

    gamma: Floats  # 1/s
    omega: Floats  # 1/s
    k_par: Floats  # 1/m


class Spectrum(NamedTuple):
    """The fastest mode at every k_y, of whichever species."""

    gamma: Floats  # 1/s
    omega: Floats  # 1/s, > 0 in the electron diamagnetic direction
    branch: Whole  # ION, ELECTRON or STABLE


def wave_numbers(smallest: float, largest: float, count: int) -> Floats:
    """Return k_y rho_s, log spaced (k_y,)."""
    return np.geomspace(smallest, largest, count)


def branch(plasma: Plasma, scan: Scan, species: int) -> Branch:
    """Return the fastest modes over k_par of ions or electrons, the other species adiabatic.

    Raises `ValueError` where the roots found are not as many as the argument principle counts.
    """
    k, theta = _own_units(plasma, scan, species)
    slope = plasma.a_over_lti if species == ION else plasma.a_over_lte
    curvature = plasma.minor_radius / plasma.major_radius if scan.curvature else 0.0 * theta
    s, w = _solved(k, theta, (plasma.a_over_ln, slope, curvature), scan)
    # omega = w k_y T/(e B a), k_par = s k_y rho/(sqrt(2) a)
    temperature = (plasma.t_i if species == ION else plasma.t_e)[:, None]
    field, minor = plasma.b_field[:, None], plasma.minor_radius[:, None]
    ky = scan.ky_rhos / plasma.rho_s(scan.ion_mass)[:, None]
    rate = ky * temperature / (field * minor)
    direction = 1.0 if species == ION else -1.0
    return Branch(w.imag * rate, direction * w.real * rate, s * k / (np.sqrt(2.0) * minor))


def _own_units(plasma: Plasma, scan: Scan, species: int) -> tuple[Floats, Floats]:
    """Return k_y rho of a species and its temperature over the other's (radius,)."""
    theta = plasma.t_i / plasma.t_e
    if species == ELECTRON:
        k = np.broadcast_to(
            scan.ky_rhos / np.sqrt(scan.mass_ratio), (theta.size, scan.ky_rhos.size)
        )
        return k, 1.0 / theta
    return np.sqrt(theta)[:, None] * scan.ky_rhos, theta


def _solved(
    k: Floats, theta: Floats, drive: tuple[Floats, Floats, Floats], scan: Scan
) -> tuple[Floats, Complexes]:
    """Return s and w (radius, k_y) of the fastest modes; `drive` is a/L_n, a/L_T, a/R (radius,)."""
    from manyscale_plugins.gyrokinetic_dispersion import fastest

    full = [np.broadcast_to(values[:, None], k.shape).ravel() for values in (theta, *drive)]
    asked = np.flatnonzero((k.ravel() <= LARGEST) | (not scan.curvature))
    modes, y, weight = _modes(k.ravel()[asked], *(values[asked] for values in full))
    samples = np.zeros((asked.size, scan.n_kpar))
    values = np.zeros(samples.shape, np.complex128)
    found = fastest.fastest(modes, asked // k.shape[1], y, weight, samples, values)
    _refuse_missed(found[2], k.ravel()[asked])
    s, w = np.zeros(k.size), np.zeros(k.size, np.complex128)
    s[asked], w[asked] = found[:2]
    return s.reshape(k.shape), w.reshape(k.shape)


def _modes(
    k: Floats, theta: Floats, kn: Floats, kt: Floats, curvature: Floats
) -> tuple[Floats, Complexes, Complexes]:
    """Return the modes as `fastest` takes them: columns of `slab.Mode` and nodes of `drift`."""
    from scipy.special import i0e, i1e

    from manyscale_plugins.gyrokinetic_dispersion import drift

    b = k * k
    G0 = i0e(b)
    table = np.column_stack((G0, b * (G0 - i1e(b)), theta, kn, kt, curvature))
    if not curvature.any():
        empty = np.zeros((k.size, 0), np.complex128)
        return table, empty, empty
    y, weight = zip(*(drift.nodes(value) for value in b), strict=True)
    return table, np.array(y), np.array(weight)


def _refuse_missed(fate: NDArray[np.int64], k: Floats) -> None:
    missed = np.flatnonzero(fate)
    if missed.size:
        raise ValueError(
            f"{missed.size} of {k.size} wave numbers, the first at k_y rho = {k[missed[0]]:.4g},"
            " have fewer growing roots than the argument principle counts; take more n_kpar, or"
            " leave these wave numbers out"
        )


def merged(plasma: Plasma, scan: Scan, ions: Branch, electrons: Branch) -> Spectrum:
    """Return the faster of both branches; electron modes count where ions are adiabatic."""
    k_ion = np.sqrt(plasma.t_i / plasma.t_e)[:, None] * scan.ky_rhos
    admitted = np.where(k_ion >= scan.electrons_from, electrons.gamma, 0.0)
    fast = admitted > ions.gamma
    gamma = np.where(fast, admitted, ions.gamma)
    omega = np.where(fast, electrons.omega, ions.omega)
    which = np.where(gamma > 0.0, np.where(fast, ELECTRON, ION), STABLE)
    return Spectrum(gamma, omega, which.astype(np.int32))


def table(plasma: Plasma) -> Floats:
    """Return a plasma as one array (quantity, radius)."""
    return np.stack(plasma)
