"""What is seen of a conductivity: laws of one number, for any number of members at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]


class Cell(NamedTuple):
    """A battery cell: current [A], resistance [ohm], dU/dT [V/K], temperature around [K]."""

    current: float
    resistance: float
    entropy: float
    ambient: float


def linear(k: Floats, c: float) -> Floats:
    """Return c k."""
    return np.asarray(c * k)


def slab(k: Floats, flux: float, length: float) -> Floats:
    """Return the temperature difference q L/k [K]: Fourier's law across a slab.

    Raises ValueError for k that is not positive.
    """
    _refuse_unfit(k)
    return np.asarray(flux * length / k)


def battery(k: Floats, cell: Cell, length_per_area: float) -> Floats:
    """Return the temperature rise [K] of a cell behind a slab with the resistance r = L/(k A).

    T - T0 = r (I**2 R + I T dU/dT), linear in T: T = (T0 + r I**2 R)/(1 - r I dU/dT); the heat
    is that of Bernardi et al. (1985) with one current. Raises ValueError for k that is not
    positive, and where reversible heat rises faster with T than the slab can carry it away.
    """
    _refuse_unfit(k)
    r = length_per_area / k
    left = 1.0 - r * cell.current * cell.entropy
    if not np.all(left > 0.0):
        raise ValueError(
            f"a slab with k = {np.min(k):g} W/(m K) carries less heat per kelvin than"
            " I dU/dT adds; the cell has no steady temperature"
        )
    joule = cell.current**2 * cell.resistance
    return np.asarray(r * (joule + cell.current * cell.entropy * cell.ambient) / left)


def _refuse_unfit(k: Floats) -> None:
    if not np.all(k > 0.0):
        raise ValueError(
            f"k_eff is {np.min(k):g} W/(m K); a slab needs a positive conductivity, as that of the"
            " lognormal sample always is"
        )
