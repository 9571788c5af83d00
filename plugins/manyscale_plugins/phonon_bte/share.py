"""What one of several processes does, and how all of them put their parts together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Ranks(Protocol):
    """The ranks of one component, as its host shows them."""

    size: int

    @property
    def root(self) -> bool:
        """Whether this is rank 0."""

    def block(self, length: int) -> slice:
        """Return the part of an axis this rank holds."""

    def sum(self, value: Any) -> Any:
        """Return the sum over all ranks, the same on each."""

    def gathered(self, block: Floats) -> Floats | None:
        """Return all blocks joined, on rank 0."""


class Share(NamedTuple):
    """The part of one process.

    Sums are taken over blocks in order, so that they have the same bits on any number of
    processes.
    """

    part: Callable[[int], slice]  # of so many blocks, those of this process
    total: Callable[[Floats], Floats]  # (own block, ...): the sum over all blocks, everywhere
    joined: Callable[[Floats], Floats]  # (own, ...): (all, ...), everywhere


def _whole(count: int) -> slice:
    return slice(0, count)


def _sum(rows: Floats) -> Floats:
    # + 0.0: a negative zero is positive on several ranks
    return np.asarray(np.add.reduce(rows, axis=0) + 0.0)


def _same(rows: Floats) -> Floats:
    return rows + 0.0


ALONE = Share(_whole, _sum, _same)


def among(ranks: Ranks) -> Share:
    """Return the share of one rank."""
    if ranks.size == 1:
        return ALONE

    def total(rows: Floats) -> Floats:
        every = ranks.gathered(rows)
        here = np.zeros(rows.shape[1:]) if every is None else np.add.reduce(every, axis=0)
        return np.asarray(ranks.sum(here))

    def joined(rows: Floats) -> Floats:
        count = int(ranks.sum(len(rows)))
        every = ranks.gathered(rows)
        here = np.zeros((count, *rows.shape[1:])) if every is None else every
        return np.asarray(ranks.sum(here))

    return Share(ranks.block, total, joined)
