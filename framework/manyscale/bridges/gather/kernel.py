"""What a sample says of the distribution it comes from, with standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONFIDENT = 1.959963984540054  # standard deviations on both sides of 95 %


class Moments(NamedTuple):
    """Mean and variance (q,) with standard errors, quantiles (q, k) with theirs."""

    mean: Floats
    mean_se: Floats
    variance: Floats
    variance_se: Floats
    quantiles: Floats
    quantiles_se: Floats


def moments(y: Floats, probabilities: Sequence[float]) -> Moments:
    """Return what independent samples y (n, q) say; n is at least 2.

    The standard error of a variance needs the fourth moment, that of a quantile comes from the
    order statistics around it (Conover, Practical Nonparametric Statistics (1999), 3.2). For
    points that fill space evenly the errors are upper bounds.
    """
    n = len(y)
    mean = y.mean(axis=0)
    off = y - mean
    squares = np.square(off)
    variance = squares.sum(axis=0) / (n - 1)
    fourth = np.square(squares).mean(axis=0)
    spread = np.maximum(fourth - variance**2 * (n - 3) / (n - 1), 0.0)
    quantiles, errors = _quantiles(y, np.asarray(probabilities, dtype=float))
    return Moments(mean, np.sqrt(variance / n), variance, np.sqrt(spread / n), quantiles, errors)


def _quantiles(y: Floats, p: Floats) -> tuple[Floats, Floats]:
    n = len(y)
    half = CONFIDENT * np.sqrt(n * p * (1.0 - p))
    low = np.clip(np.floor(n * p - half), 0, n - 1).astype(int)
    high = np.clip(np.ceil(n * p + half), 0, n - 1).astype(int)
    below = np.clip((n - 1) * p, 0, n - 1)
    whole = np.floor(below).astype(int)
    after = np.minimum(whole + 1, n - 1)
    # one partial sort gives all order statistics that are needed
    places = np.unique(np.concatenate([low, high, whole, after]))
    ranked = np.partition(y, places, axis=0)
    part = (below - whole)[:, None]
    found = (1.0 - part) * ranked[whole] + part * ranked[after]
    return found.T, ((ranked[high] - ranked[low]) / (2.0 * CONFIDENT)).T


class Levels(NamedTuple):
    """A multilevel estimate: mean and standard error (q,).

    Of each level: samples (l,), mean and variance (l, q) of the differences.
    """

    mean: Floats
    mean_se: Floats
    samples: NDArray[np.int64]
    means: Floats
    variances: Floats


def multilevel(level: NDArray[np.int64], inner: NDArray[np.int64], y: Floats) -> Levels:
    """Return the telescoping sum of the means of y_l - y_(l-1).

    level, inner: (n,), y: (n, q). A pair stands in two rows one after the other, the finer member
    (inner 0) first; on level 0 a member stands alone. Giles, Oper. Res. 56 (2008) 607.
    """
    fine = inner == 0
    of = level[fine]
    difference = y[fine].copy()
    difference[of > 0] -= y[~fine]
    count = int(of.max()) + 1
    samples = np.bincount(of, minlength=count)
    means = np.stack([difference[of == k].mean(axis=0) for k in range(count)])
    variances = np.stack([difference[of == k].var(axis=0, ddof=1) for k in range(count)])
    error = np.sqrt((variances / samples[:, None]).sum(axis=0))
    return Levels(means.sum(axis=0), error, samples, means, variances)
