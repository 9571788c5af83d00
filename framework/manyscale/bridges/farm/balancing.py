"""Who computes what: jobs to workers by their measured cost.

Longest processing time first: R. L. Graham, Bounds on multiprocessing timing anomalies, SIAM
Journal on Applied Mathematics 17 (1969) 416; at most 4/3 - 1/(3K) times the best makespan.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Costs:
    """Running estimates of what a call of each member costs, in s.

    The newest measurement counts `memory`, those before together 1 - memory. A member that was
    never called is taken to cost the mean of the others.
    """

    def __init__(self, memory: float) -> None:
        self.memory = memory
        self.ids, self.seconds = np.zeros(0, dtype=np.int64), np.zeros(0)

    def of(self, ids: Array) -> Array:
        """Return the estimates (n,) in s."""
        at, known = self._at(ids)
        if not known.any():
            return np.ones(len(ids))
        found = np.full(len(ids), self.seconds[at[known]].mean())
        found[known] = self.seconds[at[known]]
        return found

    def measured(self, ids: Array, cost: Array) -> Array:
        """Take new measurements (n,); return the ratio of each to what was expected (1: new)."""
        at, known = self._at(ids)
        if not known.all():
            everybody = np.union1d(self.ids, ids)
            seconds = np.zeros(len(everybody))
            seconds[np.searchsorted(everybody, self.ids)] = self.seconds
            seconds[np.searchsorted(everybody, ids[~known])] = cost[~known]
            self.ids, self.seconds = everybody, seconds
            at, _ = self._at(ids)
        before = self.seconds[at]
        self.seconds[at] = before + self.memory * (cost - before)
        return np.divide(cost, before, out=np.ones(len(ids)), where=before > 0.0)

    def _at(self, ids: Array) -> tuple[Array, Array]:
        """Return where members stand, and who is known."""
        if not len(self.ids):
            return np.zeros(len(ids), dtype=np.intp), np.zeros(len(ids), dtype=bool)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return at, self.ids[at] == ids


def longest_first(cost: Array) -> Array:
    """Return the jobs (n,) in the order of falling cost; equal ones in their own order."""
    return np.argsort(-np.asarray(cost), kind="stable")


def lpt(cost: Array, workers: int) -> list[Array]:
    """Return the jobs of each worker, every list longest first."""
    if workers == 1:
        return [np.arange(len(cost))]
    lists: list[list[int]] = [[] for _ in range(workers)]
    free = [(0.0, k) for k in range(workers)]  # a heap already
    order = longest_first(cost)
    for job, seconds in zip(order.tolist(), np.asarray(cost)[order].tolist(), strict=True):
        load, k = free[0]
        lists[k].append(job)
        heapq.heapreplace(free, (load + seconds, k))
    return [np.array(one, dtype=np.intp) for one in lists]


def equal_count(count: int, workers: int) -> list[Array]:
    """Return as many jobs for each worker, in their own order."""
    return np.array_split(np.arange(count), workers)


def portions(cost: Array, workers: int, each: int = 8) -> list[Array]:
    """Return portions for a queue, longest jobs first: some `each` per worker in all.

    A portion holds a share of what is left of the estimated cost, so that the last ones are
    small and no worker waits long for another (guided self-scheduling, Polychronopoulos and
    Kuck, IEEE Transactions on Computers C-36 (1987) 1425).
    """
    order = longest_first(cost)
    ahead = np.concatenate([[0.0], np.cumsum(np.asarray(cost)[order])])
    found, first = [], 0
    while first < len(order):
        share = (ahead[-1] - ahead[first]) / (each * workers)
        last = int(np.searchsorted(ahead, ahead[first] + share, side="right"))
        last = min(max(last - 1, first + 1), len(order))
        found.append(order[first:last])
        first = last
    return found


def makespan(lists: Iterable[Array], cost: Array) -> float:
    """Return when the last worker is done, in s."""
    return max((float(np.asarray(cost)[jobs].sum()) for jobs in lists), default=0.0)


def queue_makespan(order: Sequence[int] | Array, cost: Array, workers: int) -> float:
    """Return when the last worker is done if each takes the next job of a queue, in s."""
    free = [0.0] * workers
    for seconds in np.asarray(cost)[np.asarray(order)].tolist():
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


def rounds_makespan(cost: Array, workers: int) -> float:
    """Return the time of lock-step rounds, in which all workers wait for the slowest, in s."""
    return sum(float(cost[i : i + workers].max()) for i in range(0, len(cost), workers))


def ideal(cost: Array, workers: int) -> float:
    """Return the least possible makespan: the mean load, or the longest job, in s."""
    return max(float(np.sum(cost)) / workers, float(np.max(cost, initial=0.0)))
