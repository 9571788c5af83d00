"""Items over parts of equal load, and whether it pays to move them.

Items are given in the order of their ids, so results depend neither on the order of messages nor
on the partition before (except `diffusive`, which begins with it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manyscale.bridges.partition.diffusion import diffusive
from manyscale.bridges.partition.graph import metis
from manyscale.bridges.partition.items import Items
from manyscale.bridges.partition.order import hilbert, recursive_bisection

Parts = NDArray[np.int32]

METHODS: Mapping[str, Callable[[Items, int], Parts]] = {
    "rcb": recursive_bisection,
    "hilbert": hilbert,
    "metis": metis,
}


@dataclass(frozen=True)
class Terms:
    """When to rebalance: beyond 1 + tolerance, if the gain until the next look pays for it."""

    tolerance: float = 0.1
    seconds_per_item: float = 0.0
    steps: int = 1


@dataclass(frozen=True)
class Balance:
    """A decision: the parts (n,) from now on, and max/mean load before and after."""

    parts: Parts
    before: float
    after: float
    moved: bool


def partition(items: Items, count: int, method: str, old: Parts | None = None) -> Parts:
    """Return the part (n,) of every item; labels are chosen so that few items change theirs."""
    if count == 1 or not len(items.cost):
        return np.zeros(len(items.cost), dtype=np.int32)
    if method == "diffusive":
        return diffusive(items, _all_used(items, count, old), count)
    new = METHODS[method](items, count)
    return new if old is None else relabelled(new, old, count)


def _all_used(items: Items, count: int, old: Parts | None) -> Parts:
    """Return the parts to begin with: the old ones, unless load cannot flow to one of them."""
    if old is None:
        return hilbert(items, count)
    if np.bincount(old, minlength=count).all():
        return old
    return relabelled(hilbert(items, count), old, count)


def relabelled(new: Parts, old: Parts, count: int) -> Parts:
    """Return the same partition under the labels that leave most items where they are."""
    from scipy.optimize import linear_sum_assignment

    stay = np.zeros((count, count), dtype=np.int64)
    np.add.at(stay, (new, old), 1)
    _, label = linear_sum_assignment(stay, maximize=True)
    return np.asarray(label[new], dtype=np.int32)


def loads(items: Items, parts: Parts, count: int) -> NDArray[np.float64]:
    """Return the load (count,) of every part in s, summed in the order of ids."""
    return np.bincount(parts, items.cost, minlength=count).astype(np.float64)


def imbalance(items: Items, parts: Parts, count: int) -> float:
    """Return max/mean load; 1 without any load."""
    found = loads(items, parts, count)
    mean = found.mean()
    return float(found.max() / mean) if mean > 0.0 else 1.0


def rebalanced(items: Items, old: Parts, count: int, method: str, terms: Terms) -> Balance:
    """Return the parts from now on: new ones only if load is uneven and moving pays."""
    before = imbalance(items, old, count)
    if before <= 1.0 + terms.tolerance:
        return Balance(old, before, before, False)
    new = partition(items, count, method, old)
    gain = (loads(items, old, count).max() - loads(items, new, count).max()) * terms.steps
    if gain <= terms.seconds_per_item * np.count_nonzero(new != old):
        return Balance(old, before, before, False)
    return Balance(new, before, imbalance(items, new, count), True)


def cut_edges(parts: Parts, edges: NDArray[np.int64]) -> int:
    """Return how many edges (edge, 2), as positions of items, join two parts."""
    return int(np.count_nonzero(parts[edges[:, 0]] != parts[edges[:, 1]]))
