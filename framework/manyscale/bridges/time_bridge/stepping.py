"""Linear stability of multiple time stepping with impulses (r-RESPA).

H = p^2/2 + (Om^2 + w^2) q^2/2: the part Om is advanced exactly, the part w kicks every DT.
"""

from __future__ import annotations

import math
from typing import NamedTuple

_SCAN = 2000  # steps of a scan between two resonances


class Stability(NamedTuple):
    """What one step does to the test oscillator."""

    trace: float
    """Trace of the matrix of a step; stable if it is between -2 and 2."""
    growth: float
    """Logarithm of the growth of the amplitude in one step; 0 if stable."""

    @property
    def stable(self) -> bool:
        """Whether the amplitude stays bounded."""
        return abs(self.trace) < 2.0


def stability(Om: float, w: float, DT: float) -> Stability:
    """Return trace and growth of one step.

    Parameters
    ----------
    Om
        Angular frequency of the fast part in rad/s, positive.
    w
        Angular frequency that the slow part alone would have, in rad/s.
    DT
        Interval of the kicks in s.
    """
    angle = Om * DT
    trace = 2.0 * math.cos(angle) - (w * w * DT / Om) * math.sin(angle)
    growth = math.acosh(abs(trace) / 2.0) if abs(trace) > 2.0 else 0.0
    return Stability(trace, growth)


def stable_step(Om: float, w: float, DT: float) -> float:
    """Return a stable step in s, at most DT, 1 % below the nearest window of instability.

    Such a window lies just below every half period of the fast part, for w < Om narrower than it.
    """
    half = math.pi / Om
    for i in range(_SCAN + 1):
        step = DT - i * half / _SCAN
        if step > 0.0 and stability(Om, w, step).stable:
            nearer = _edge(Om, w, step, step + half / _SCAN)
            return nearer - 0.01 * min(half, nearer)
    return 0.5 * half


def _edge(Om: float, w: float, stable: float, unstable: float) -> float:
    for _ in range(60):
        middle = 0.5 * (stable + unstable)
        if stability(Om, w, middle).stable:
            stable = middle
        else:
            unstable = middle
    return stable
