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


def correlation_time(values: Floats) -> float:
    """Return the integrated autocorrelation time of a stationary series, in samples; at least 1/2.

    The sum of the autocorrelation over a window of five such times (Sokal, Monte Carlo methods in
    statistical mechanics, 1997), with the bias of a mean from the same series taken out (Wolff,
    Computer Physics Communications 156 (2004) 143, eq. 49). Low if the series holds few of them.
    """
    off = np.asarray(values, dtype=float) - np.mean(values)
    count = len(off)
    if count < 2 or not off.any():
        return 0.5
    padded = np.fft.rfft(off, 2 * count)
    rho = np.fft.irfft(padded * padded.conj())[:count] / (off @ off)
    times = np.cumsum(rho) - 0.5
    wide = np.flatnonzero(np.arange(count) >= 5.0 * times)
    window = int(wide[0]) if wide.size else count - 1
    return max(0.5, float(times[window]) * (1.0 + (2 * window + 1) / count))


def mean_and_error(values: Floats, first: int = 0) -> tuple[float, float]:
    """Return the mean of a series from `first` on, and its standard error.

    Samples count as independent when they are two correlation times apart.
    """
    kept = np.asarray(values, dtype=float)[first:]
    independent = len(kept) / (2.0 * correlation_time(kept))
    error = kept.std(ddof=1) / np.sqrt(independent) if len(kept) > 1 else np.nan
    return float(kept.mean()), float(error)
