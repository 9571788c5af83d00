"""Rates of two scales of turbulence against each other, and a switch with hysteresis."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Range(NamedTuple):
    """The unstable modes on one side of the split: maxima over k, 0 if nothing grows.

    Attributes
    ----------
    gamma
        Largest growth rate in 1/s.
    speed
        Largest gamma/k in m/s.
    mixing
        gamma/k**2 of the fastest mode in m2/s, the mixing-length estimate of an eddy viscosity.
    """

    gamma: float
    speed: float
    mixing: float


class Index(NamedTuple):
    """The four numbers and what is made of two of them; NaN without a denominator."""

    p_ie: float
    p_ei: float
    r_gamma: float
    p: float

    @property
    def i(self) -> float:
        """The index, sqrt(P_ie P_ei)."""
        return math.sqrt(self.p_ie * self.p_ei)


def ranges(ky: Floats, gamma: Floats, split: float) -> tuple[Range, Range]:
    """Return what grows up to the wave number `split` and above it; ky and split in 1/m.

    Raises `ValueError` if either side has no wave number at all.
    """
    low = ky <= split
    for side, name, word in ((low, "up to", "smaller"), (~low, "above", "larger")):
        if not side.any():
            raise ValueError(
                f"the spectrum has no wave number {name} the split at {split:.6g} 1/m, it goes from"
                f" {ky.min():.6g} to {ky.max():.6g} 1/m; give it {word} wave numbers"
            )
    return _range(ky[low], gamma[low]), _range(ky[~low], gamma[~low])


def _range(ky: Floats, gamma: Floats) -> Range:
    grows = np.maximum(gamma, 0.0)
    top = int(grows.argmax())
    return Range(float(grows[top]), float((grows / ky).max()), float(grows[top] / ky[top] ** 2))


def index(low: Range, high: Range, shear: float, viscosity: float, k_ion: float) -> Index:
    """Return P_ie = wE/gamma_high, P_ei = nu k_ion**2/gamma_low, R_gamma and P.

    `shear` wE in 1/s is that of ion eddies, `viscosity` nu in m2/s that of electron eddies.
    """
    return Index(
        p_ie=_ratio(shear, high.gamma),
        p_ei=_ratio(viscosity * k_ion * k_ion, low.gamma),
        r_gamma=_ratio(high.gamma, low.gamma),
        p=_ratio(high.speed, low.speed),
    )


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0.0 else math.nan


def switched(was_on: bool, value: float, on: float, off: float) -> bool:
    """Return how the switch stands: on above `on`, off below `off`, else as it was.

    An index that is not defined turns it off: a scale without growth has no eddies.
    """
    if math.isnan(value):
        return False
    return value >= off if was_on else value > on
