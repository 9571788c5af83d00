"""The law of total variance from a nested sample: what is random, and what is not known.

Var(Y) = E(Var(Y | theta)) + Var(E(Y | theta)), aleatory and epistemic. With N outer samples of
theta and M inner ones, W the mean of the inner variances and B the variance of the inner means,

    E(W) = E Var,    E(B) = Var E + E Var / M,

so B alone overrates what is not known. Searle, Casella and McCulloch, Variance Components
(1992), 3.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Split(NamedTuple):
    """The two parts of a variance, each (q,).

    epistemic: B - W/M, which may be negative where little is epistemic; aleatory: W;
    uncorrected: B; pick_freeze: covariance of two inner samples of one theta, a second estimate
    of the epistemic part; total, between, within: sums of squares.
    """

    epistemic: Floats
    epistemic_se: Floats
    aleatory: Floats
    aleatory_se: Floats
    uncorrected: Floats
    pick_freeze: Floats
    total: Floats
    between: Floats
    within: Floats


def split(y: Floats) -> Split:
    """Return the split of values y (N, M, q), N and M at least 2.

    Standard errors from the influence of each outer sample, whatever the distribution.
    """
    outer, inner = y.shape[:2]
    y = y - y.mean(axis=(0, 1))  # no digits are lost to a large mean
    means = y.mean(axis=1)
    within = _within(y)
    between = inner * np.square(means).sum(axis=0)
    aleatory = within.sum(axis=0) / (outer * (inner - 1))
    uncorrected = between / (inner * (outer - 1))
    one = within / (inner - 1)
    influence = np.square(means) * outer / (outer - 1) - one / inner
    return Split(
        uncorrected - aleatory / inner,
        influence.std(axis=0, ddof=1) / math.sqrt(outer),
        aleatory,
        one.std(axis=0, ddof=1) / math.sqrt(outer),
        uncorrected,
        pick_freeze(y[:, 0], y[:, 1]),
        np.square(y).sum(axis=(0, 1)),
        between,
        within.sum(axis=0),
    )


def _within(y: Floats) -> Floats:
    """Return the sum of squares (N, q) within each outer sample: 0 where all are equal."""
    off = y - y[:, :1]
    return np.asarray(np.square(off - off.mean(axis=1, keepdims=True)).sum(axis=1))


def total_error(y: Floats) -> Floats:
    """Return the standard error (q,) of epistemic and aleatory part together; y: (N, M, q)."""
    outer, inner = y.shape[:2]
    y = y - y.mean(axis=(0, 1))
    means = y.mean(axis=1)
    one = _within(y) / (inner - 1)
    influence = np.square(means) * outer / (outer - 1) + one * (1.0 - 1.0 / inner)
    return np.asarray(influence.std(axis=0, ddof=1) / math.sqrt(outer))


def pick_freeze(one: Floats, other: Floats) -> Floats:
    """Return the covariance (q,) of two values (N, q) that share theta and nothing else."""
    centre = 0.5 * (one.mean(axis=0) + other.mean(axis=0))
    return np.asarray(((one - centre) * (other - centre)).sum(axis=0) / (len(one) - 1))


def deviation(epistemic: float, aleatory: float, outer: int, inner: int) -> float:
    """Return the standard deviation of B - W/M for normal effects."""
    first = 2.0 * (epistemic + aleatory / inner) ** 2 / (outer - 1)
    second = 2.0 * aleatory**2 / (inner**2 * outer * (inner - 1))
    return math.sqrt(first + second)


def best_inner(epistemic: float, aleatory: float, runs: int, dear: float = 0.0) -> int:
    """Return the M with the smallest deviation for a fixed cost of `runs` runs.

    An outer sample costs `dear` runs besides its inner ones.
    """

    def error(inner: int) -> float:
        outer = int(runs / (inner + dear))
        return deviation(epistemic, aleatory, outer, inner) if outer >= 2 else math.inf

    return min(range(2, max(3, runs // 2)), key=error)
