"""Multilevel Monte Carlo: most samples where they are cheap, few where they are exact.

E(Y_L) = sum_l E(Y_l - Y_(l-1)), each term from its own pairs: two members that share parameters
and seed, one on level l and one on l - 1. For a mean-square error of eps**2, half of it bias,

    N_l = ceil(2 eps**-2 sqrt(V_l/C_l) sum_k sqrt(V_k C_k)).

Giles, Multilevel Monte Carlo path simulation, Oper. Res. 56 (2008) 607; Acta Numerica 24 (2015)
259.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale.bridges.sampler.designs import Plan
from manyscale.bridges.sampler.distributions import Distribution, Floats
from manyscale.bridges.sampler.streams import seeds

Integers = NDArray[np.int64]

_SLOWEST = 0.5  # order of weak convergence that is assumed at least


class Differences(NamedTuple):
    """Of each level: number of pairs (l,), mean and variance (l, q) of Y_l - Y_(l-1)."""

    pairs: Integers
    means: Floats
    variances: Floats


def differences(plan: Plan, y: Floats) -> Differences:
    """Return what the answers y (n, q) of all members say of each level."""
    fine = plan.inner == 0
    level, found = plan.level[fine], y[fine].copy()
    found[level > 0] -= y[~fine]
    count = int(level.max()) + 1
    groups = [found[level == k] for k in range(count)]
    return Differences(
        np.array([len(group) for group in groups]),
        np.stack([group.mean(axis=0) for group in groups]),
        np.stack([group.var(axis=0, ddof=1) for group in groups]),
    )


def allocation(eps: float, variances: Floats, costs: Floats) -> Integers:
    """Return the pairs N_l (l,) with the least cost; variances: (l, q), costs: (l,)."""
    each = costs[:, None]
    sums = np.sqrt(variances * each).sum(axis=0)
    wanted = np.ceil(2.0 / eps**2 * np.sqrt(variances / each) * sums)
    return np.asarray(wanted.max(axis=1).astype(np.int64))


def bias(means: Floats) -> float:
    """Return an estimate of what the levels beyond the last would still add.

    Means that fall by 2**alpha per level leave m_L/(2**alpha - 1); alpha is fitted to the means
    and not believed to be less than 1/2. The last two levels are both asked.
    """
    sizes = np.abs(means[1:]).max(axis=1)
    levels = np.arange(1, len(means))
    if len(sizes) < 2 or not np.all(sizes > 0.0):
        return float(sizes[-1]) if len(sizes) else float("inf")
    alpha = max(_SLOWEST, -float(np.polyfit(levels, np.log2(sizes), 1)[0]))
    last = max(sizes[-1], sizes[-2] * 2.0**-alpha)
    return float(last / (2.0**alpha - 1.0))


def first(parameters: Sequence[Distribution], seed: int, levels: int, pilot: int) -> Plan:
    """Return the pilot members of all levels."""
    return pairs(parameters, seed, np.full(levels, pilot), np.zeros(levels, dtype=np.int64), 0)


def further(
    parameters: Sequence[Distribution],
    seed: int,
    plan: Plan,
    y: Floats,
    *,
    eps: float,
    growth: float,
    pilot: int,
    most: int,
) -> Plan:
    """Return the members still needed for an error of `eps`: none when it is reached.

    A level costs `growth` times the one below it. `most` levels are used at most.
    """
    known = differences(plan, y)
    count = len(known.pairs)
    wanted = _wanted(known, eps, growth)
    lacking = np.maximum(wanted - known.pairs, 0)
    # a few percent more or less are not worth another turn
    settled = bool((lacking <= 0.01 * known.pairs).all())
    if settled and bias(known.means) > eps / np.sqrt(2.0) and count < most:
        have = np.append(known.pairs, 0)
        return pairs(parameters, seed, np.append(lacking, pilot), have, _next(plan))
    if settled:
        lacking[:] = 0
    return pairs(parameters, seed, lacking, known.pairs, _next(plan))


def _next(plan: Plan) -> int:
    return len(plan.member)


def _wanted(known: Differences, eps: float, growth: float) -> Integers:
    levels = np.arange(len(known.pairs))
    # a pair needs its coarser member too
    costs = np.array([growth**k * (1.0 + (k > 0) / growth) for k in levels])
    return allocation(eps, known.variances, costs)


def pairs(
    parameters: Sequence[Distribution], seed: int, counts: Integers, have: Integers, start: int
) -> Plan:
    """Return so many more pairs of each level as a plan; members count on from `start`.

    What a pair is depends on its level and its number there, not on when it was asked for.
    """
    parts = [
        _of_level(parameters, seed, level, int(have[level]), int(count))
        for level, count in enumerate(counts)
    ]
    outer, inner, level, theta, keys = (np.concatenate(part) for part in zip(*parts, strict=True))
    member = np.arange(start, start + len(outer), dtype=np.int64)
    return Plan(member, outer, inner, level, theta, keys)


def _of_level(
    parameters: Sequence[Distribution], seed: int, level: int, have: int, count: int
) -> tuple[Integers, Integers, Integers, Floats, Integers]:
    number = np.arange(have, have + count, dtype=np.int64)
    where = np.full(count, level, dtype=np.int64)
    theta = np.empty((count, len(parameters)))
    for k, parameter in enumerate(parameters):
        key = seeds(seed, where, number, np.full(count, k + 1, dtype=np.int64))
        theta[:, k] = parameter.from_unit(np.asarray((key >> 10) + 0.5) * 2.0**-53)
    own = seeds(seed, where, number, np.zeros(count, dtype=np.int64))
    two = 1 + (level > 0)
    inner = np.tile(np.arange(two, dtype=np.int64), count)
    return (
        np.repeat(number, two),
        inner,
        level - inner,
        np.repeat(theta, two, axis=0),
        np.repeat(own, two),
    )


def joined(one: Plan, other: Plan) -> Plan:
    """Return one plan behind the other."""
    return Plan(*(np.concatenate([a, b]) for a, b in zip(one, other, strict=True)))
