"""Sobol indices from a Saltelli design, with standard errors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Indices(NamedTuple):
    """First-order and total Sobol indices (q, p) with their standard errors."""

    first: Floats
    first_se: Floats
    total: Floats
    total_se: Floats


def saltelli(y: Floats) -> Indices:
    """Return indices from values y (n, p + 2, q) in the blocks A, B, AB_1 .. AB_p.

    First order: mean of f_B (f_ABi - f_A) over V (Saltelli et al., Comput. Phys. Commun. 181
    (2010) 259, table 2 b); total: mean of (f_A - f_ABi)**2 / 2 over V (Jansen, ibid. 117 (1999)
    35); V is that of A and B together. Standard errors to first order in 1/sqrt(n) from the
    influence of each row on the ratio. Where V is 0 the indices are NaN.
    """
    y = y - y[:, :2].mean(axis=(0, 1))
    a, b, mixed = y[:, 0], y[:, 1], y[:, 2:]
    spread = 0.5 * (np.square(a) + np.square(b))
    step = mixed - a[:, None]
    first = _ratio(b[:, None] * step, spread)
    total = _ratio(0.5 * np.square(step), spread)
    return Indices(*first, *total)


def _ratio(part: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Return mean(part)/mean(spread) (q, p) and its standard error; part: (n, p, q)."""
    n = len(part)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = spread.mean(axis=0)
        found = part.mean(axis=0) / variance
        influence = (part - found * spread[:, None]) / variance
        error = np.sqrt(np.square(influence).sum(axis=0) / (n - 1) / n)
    return found.T, error.T
