"""What is measured of a flow: fluxes, shear, size and viscosity of its eddies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.drift_turbulence.kernel import Sample
from manyscale_plugins.drift_turbulence.spectrum import Units

Floats = NDArray[np.float64]


class Seen(NamedTuple):
    """Every sample, in SI: (sample,)."""

    q_i: Floats  # W/m2
    q_e: Floats  # W/m2
    shear: Floats  # 1/s, rms of d vy/dx
    nu: Floats  # m2/s
    sums: Floats  # (sample, 8), of `passes.moments`


class Mean(NamedTuple):
    """Means over time, in SI."""

    q_i: float  # W/m2
    q_e: float  # W/m2
    shear: float  # 1/s, rms
    k: float  # 1/m, rms weighted with the energy of what is not zonal
    nu: float  # m2/s


def seen(samples: Sequence[Sample], units: Units, columns: Floats, gradients: Floats) -> Seen:
    """Return what samples say.

    Flux n chi T/L_T with chi = sum of vx2 times its correlation time (quasi-linear); `columns`
    (3, ky) holds both times after the growth rate, `gradients` (2,) n T/L_T in J/m4. Viscosity
    v2/(2 w), a velocity times the length v/w over which it turns.
    """
    sums = np.array([sample.sums for sample in samples])
    squares = np.array([sample.columns for sample in samples])
    chi = units.diffusivity * squares @ columns[1:].T
    q_i, q_e = (chi * gradients).T
    return Seen(q_i, q_e, units.rate * np.sqrt(sums[:, 3]), units.diffusivity * _nu(sums), sums)


def means(all_samples: Seen, settle: float, units: Units) -> Mean:
    """Return means over the samples that are left when the first part is left out."""
    first = int(settle * len(all_samples.q_i))
    of = all_samples.sums[first:].mean(axis=0)
    k = np.sqrt(of[7] / of[6]) if of[6] > 0.0 else 0.0
    return Mean(
        float(all_samples.q_i[first:].mean()),
        float(all_samples.q_e[first:].mean()),
        float(units.rate * np.sqrt(of[3])),
        float(k / units.rho),
        float(units.diffusivity * _nu(of[None])[0]),
    )


def _nu(sums: Floats) -> Floats:
    vorticity = np.sqrt(sums[:, 2])
    return np.asarray(0.5 * sums[:, 1] / np.where(vorticity > 0.0, vorticity, 1.0))


def mean_and_error(values: Floats, first: int = 0) -> tuple[float, float]:
    """Return the mean of exchanges from `first` on, and its standard error.

    Exchanges are taken as independent: they should be longer than the eddies live.
    """
    kept = np.asarray(values, dtype=float)[first:]
    error = kept.std(ddof=1) / np.sqrt(len(kept)) if len(kept) > 1 else np.nan
    return float(kept.mean()), float(error)
