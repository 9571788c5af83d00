"""What a spectrum of growth rates says of the columns of a box, and the units it is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ELEMENTARY_CHARGE = 1.602176634e-19  # C
ION, ELECTRON = 0, 1  # branches of a spectrum
BRANCHES = {"ion": (ION,), "electron": (ELECTRON,), "both": (ION, ELECTRON)}


@dataclass(frozen=True)
class Units:
    """Gyro-Bohm units of one species: rho [m], v/a [1/s], T/e [V], and a [m]."""

    rho: float
    rate: float
    volts: float
    length: float

    @property
    def diffusivity(self) -> float:
        """rho2 v/a in m2/s."""
        return self.rho**2 * self.rate

    @property
    def potential(self) -> float:
        """(T/e) (rho/a) in V."""
        return self.volts * self.rho / self.length


def units(rho_s: float, t_e: float, b_field: float, length: float, mass_ratio: float) -> Units:
    """Return the units of a species `mass_ratio` lighter than the ions; T_e in eV."""
    speed = t_e / (b_field * rho_s)  # rho_s c_s = T_e/(e B)
    root = mass_ratio**0.5
    return Units(rho_s / root, speed * root / length, t_e, length)


class Columns(NamedTuple):
    """Growth rate, and correlation times of ion and electron modes, (columns,), in units of v/a."""

    drive: Floats
    ion_time: Floats
    electron_time: Floats


def columns(
    spectrum: Any, ky: Floats, units: Units, rho_s: float, branches: tuple[int, ...]
) -> Columns:
    """Return what a spectrum says at wave numbers ky (columns,) in 1/rho.

    Straight lines in k_y between points, the rate through the origin below the first, nothing
    beyond the last. The correlation time of a growing mode is gamma/(gamma2 + omega2).
    """
    at = np.asarray(spectrum.ky_rhos)
    wanted = ky * (rho_s / units.rho)
    drive, times = np.zeros(len(ky)), [np.zeros(len(ky)), np.zeros(len(ky))]
    for branch in branches:
        gamma = np.where(np.asarray(spectrum.branch) == branch, spectrum.gamma, 0.0) / units.rate
        omega = np.asarray(spectrum.omega) / units.rate
        time = np.where(gamma > 0.0, gamma / np.maximum(gamma**2 + omega**2, 1e-300), 0.0)
        drive += np.interp(wanted, np.append(0.0, at), np.append(0.0, gamma), right=0.0)
        times[branch] = np.interp(wanted, at, time, right=0.0)
    return Columns(drive, *times)


def refuse_outside(spectrum: Any, smallest: float, largest: float, whose: str) -> None:
    """Refuse a spectrum that ends before the box begins, or begins after it; k_y rho_s.

    Raises
    ------
    ValueError
        With both ranges.
    """
    first, last = float(spectrum.ky_rhos[0]), float(spectrum.ky_rhos[-1])
    if last < smallest or first > largest:
        raise ValueError(
            f"the spectrum has k_y rho_s from {first:g} to {last:g}, but the {whose} box holds"
            f" {smallest:.4g} to {largest:.4g}, so none of its modes would grow: give the"
            " dispersion another ky_min or ky_max, or change box or n"
        )
