"""Dynamic relaxation by Aitken's rule."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def factor(omega: float, r_before: Array, r: Array) -> float:
    """Return the next relaxation factor, -omega r_before.(r - r_before)/|r - r_before|^2.

    Residuals (n,) are scaled. Where two residuals are equal there is nothing to learn and
    `omega` stays.
    """
    change = r - r_before
    below = float(np.dot(change, change))
    return -omega * float(np.dot(r_before, change)) / below if below > 0.0 else omega
