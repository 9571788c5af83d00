"""Items with their measured cost and place, checked and in the order of their ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Items(NamedTuple):
    """ids (n,) ascending, cost (n,) in s, position (n, d) in m; edges (edge, 2) by place in ids."""

    ids: NDArray[np.int64]
    cost: NDArray[np.float64]
    position: NDArray[np.float64]
    edges: NDArray[np.int64] | None = None

    @property
    def weights(self) -> NDArray[np.float64]:
        """Costs, or ones where nothing costs anything."""
        return self.cost if self.cost.sum() > 0.0 else np.ones(len(self.cost))


def gathered(
    ids: Sequence[NDArray[np.int64]],
    cost: Sequence[NDArray[np.float64]],
    position: Sequence[NDArray[np.float64]],
    edges: Sequence[NDArray[np.int64]] = (),
) -> tuple[Items, NDArray[np.intp]]:
    """Return the items of all senders by id, and for each where it was in their sequence.

    Raises ValueError for repeated ids, costs that are negative or not finite, places of several
    dimensions, and edges to items that are not there.
    """
    all_ids = np.concatenate(ids)
    where = np.argsort(all_ids, kind="stable")
    sorted_ids = all_ids[where]
    twice = sorted_ids[1:][sorted_ids[1:] == sorted_ids[:-1]]
    if twice.size:
        raise ValueError(f"the id {twice[0]} comes more than once; every item has an id of its own")
    all_cost = np.concatenate(cost)[where]
    unfit = ~(np.isfinite(all_cost) & (all_cost >= 0.0))
    if unfit.any():
        item, value = sorted_ids[unfit][0], all_cost[unfit][0]
        raise ValueError(f"the cost of item {item} is {value:g} s, expected a number >= 0")
    return Items(sorted_ids, all_cost, _places(position)[where], _pairs(edges, sorted_ids)), where


def _places(position: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    some = [p for p in position if len(p)]
    if not some:
        return np.zeros((0, 1))
    if len({p.shape[1] for p in some}) > 1 or not some[0].shape[1]:
        found = ", ".join(str(p.shape[1]) for p in some)
        raise ValueError(f"positions have {found} coordinates; all need the same number, 1 or more")
    found_places = np.concatenate(some)
    if not np.isfinite(found_places).all():
        raise ValueError("a position is not finite; an item without a place cannot be put anywhere")
    return found_places


def _pairs(edges: Sequence[NDArray[np.int64]], ids: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return edges as places in the ids, each once and in order; None without any."""
    if not sum(map(len, edges)):
        return None
    named = np.concatenate(edges)
    at = np.searchsorted(ids, named).clip(max=len(ids) - 1)
    strange = named[ids[at] != named]
    if strange.size:
        raise ValueError(f"an edge leads to item {strange[0]}, which nobody reported")
    pairs = np.sort(at, axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
