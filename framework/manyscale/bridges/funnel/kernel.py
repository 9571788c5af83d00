"""Keep the best of many by a cheap score, and what that loses and saves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_FAR = 12.0  # standard deviations beyond which nothing is left of a normal distribution
_ENOUGH = 3  # pairs from which a correlation can be told


class Candidates(NamedTuple):
    """Candidates by ascending id: ids (n,), and of each the row of its features.

    features: (m, p), each row once; row: (n,).
    """

    ids: Integers
    features: Floats
    row: NDArray[np.intp]


def candidates(ids: Integers, features: Floats, dedupe: bool) -> Candidates:
    """Return candidates by id, equal features once if `dedupe`.

    Raises ValueError for repeated ids and for features that are not finite.
    """
    order = np.argsort(ids, kind="stable")
    ids, features = ids[order], features[order]
    twice = ids[1:][ids[1:] == ids[:-1]]
    if twice.size:
        raise ValueError(f"candidate {twice[0]} comes more than once; ids must differ")
    unfit = ~np.isfinite(features).all(axis=1)
    if unfit.any():
        raise ValueError(
            f"candidate {ids[unfit][0]} has features that are not finite; leave it out"
        )
    if not dedupe or not len(ids):
        return Candidates(ids, features, np.arange(len(ids)))
    _, first, row = np.unique(features, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return Candidates(ids, features[np.sort(first)], rank[row.ravel()])


def representatives(found: Candidates) -> Integers:
    """Return the smallest id (m,) that has each row of features."""
    _, first = np.unique(found.row, return_index=True)
    return found.ids[first]


def best(score: Floats, count: int, tie: Floats) -> NDArray[np.intp]:
    """Return the places of the highest scores, ascending; equal ones by the smallest `tie`.

    NaN is never among them. O(n).
    """
    held = np.where(np.isnan(score), -np.inf, score)
    count = min(count, int(np.count_nonzero(~np.isnan(score))))
    if count == 0:
        return np.zeros(0, dtype=np.intp)
    cut = np.partition(held, len(held) - count)[len(held) - count]
    above = np.flatnonzero(held > cut)
    level = np.flatnonzero((held == cut) & ~np.isnan(score))
    some = level[np.argsort(tie[level], kind="stable")[: count - len(above)]]
    return np.sort(np.concatenate([above, some]))


def matched(ids: Integers, came: Integers, values: Floats) -> Floats:
    """Return the values that came, in the order of the ids that were asked for.

    Raises ValueError unless exactly these came.
    """
    order, there = np.argsort(ids, kind="stable"), np.argsort(came, kind="stable")
    if len(ids) != len(came) or not np.array_equal(ids[order], came[there]):
        strange = np.setxor1d(ids, came)
        which = f"item {strange[0]}" if strange.size else "an item twice"
        raise ValueError(f"the answer and the question differ in {which}")
    found = np.empty(len(ids))
    found[order] = values[there]
    return found


def speed_up(cost_ratio: float, fraction: float) -> float:
    """Return the cost of brute force over that of the funnel, C_hi/(C_lo + f C_hi)."""
    return cost_ratio / (1.0 + fraction * cost_ratio)


def expected_recall(rho: float, fraction: float, top: float) -> float:
    """Return the share of the true best `top` that is among the best `fraction` by score.

    P(z > z_q and s > s_f)/q of the bivariate normal distribution with correlation rho.
    """
    from scipy.integrate import quad
    from scipy.special import ndtr, ndtri

    if fraction >= 1.0:
        return 1.0
    if rho >= 1.0:
        return min(1.0, fraction / top)
    z_q, s_f = -ndtri(top), -ndtri(fraction)
    spread = np.sqrt(1.0 - rho * rho)

    def density(z: float) -> float:
        return float(np.exp(-0.5 * z * z) * ndtr((rho * z - s_f) / spread))

    found = quad(density, z_q, max(z_q, 0.0) + _FAR, epsabs=0.0, epsrel=1e-10, limit=200)[0]
    return float(found / np.sqrt(2.0 * np.pi) / top)


def correlation(score: Floats, value: Floats) -> float:
    """Return Pearson's correlation of a random sample; NaN if it cannot be told."""
    good = np.isfinite(score) & np.isfinite(value)
    if good.sum() < _ENOUGH:
        return float("nan")
    a, b = score[good] - score[good].mean(), value[good] - value[good].mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b / size) if size > 0.0 else float("nan")
