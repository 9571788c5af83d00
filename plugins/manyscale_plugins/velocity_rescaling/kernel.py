"""Factors that bring the velocities of atoms towards a temperature."""

from math import exp, sqrt

import numpy as np


def weak(ratio: float, passed: float) -> float:
    """Return the factor of weak coupling (Berendsen and others 1984, eq. 11).

    `ratio` is the present temperature over the wanted one, `passed` the time since the last
    scaling over the time constant. Raises ValueError where the square would be negative.
    """
    if not passed <= 1.0:
        raise ValueError(
            f"the velocities are scaled only every {passed:.4g} time constants; weak coupling"
            " needs at least one scaling per time constant"
        )
    return sqrt(1.0 + passed * (1.0 / ratio - 1.0))


def stochastic(ratio: float, passed: float, freedoms: int, numbers: np.random.Generator) -> float:
    """Return the factor that samples the canonical ensemble (Bussi and others 2007, eq. A7).

    `ratio` and `passed` as in `weak`, here for any time between scalings; `freedoms` is the
    number of degrees of freedom.
    """
    kept = exp(-passed)
    share = (1.0 - kept) / (freedoms * ratio)
    first = numbers.standard_normal()
    # a sum of squares of normal numbers
    others = numbers.chisquare(freedoms - 1) if freedoms > 1 else 0.0
    square = kept + share * (first**2 + others) + 2.0 * first * sqrt(kept * share)
    # eq. A8: the kinetic energy of the first freedom may pass through zero
    sign = 1.0 if first + sqrt(kept / share) >= 0.0 else -1.0
    return sign * sqrt(max(square, 0.0))
