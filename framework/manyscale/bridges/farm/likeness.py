"""What a farm remembers of how alike its members are, from call to call."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from manyscale.contract.fields import Array
from manyscale.contract.refusal import Refused

if TYPE_CHECKING:
    from manyscale.bridges.farm.similarity import Cover

Mode = Literal["present", "vectors", "pairs"]
MOST_PAIRS = 2000


class Rule(NamedTuple):
    """How alike members must be for one to copy the other."""

    mode: Mode
    refine: float  # Cr: ref_tol in parts of the largest distance
    coarsen: float  # Cc: coarse_tol in parts of ref_tol
    forget: float  # Lambda, 1/s
    tolerance: float  # ref_tol itself; 0: from `refine`


class Shared(NamedTuple):
    """Who computes in a call and whom the others copy, by row of the jobs."""

    active: Array  # (n,) bool
    owner: Array  # (n,) rows
    distance: Array  # (n,)
    donor: Array  # (n,) ids whose kept State a member begins from
    points: Array | None  # (n, p) in which distance is measured; None: those of the call before
    between: Array | None  # (n, n) distances, with `pairs`


@dataclass(frozen=True)
class Likeness:
    """By member, ascending ids: what it is compared by, and who it copied last."""

    ids: Array  # (m,)
    active: Array  # (m,) bool
    owner: Array  # (m,) ids
    donor: Array  # (m,) ids
    distance: Array  # (m,)
    history: Array  # (m, p) of `vectors`, (m, m) distances of `pairs`, else (m, 0)
    time: float  # s
    slope: float = 0.0  # steepest change of answers with distance that was seen last

    def again(self, ids: Array) -> Shared | None:
        """Return who computes in a repeated window: the same, as long as their models are there."""
        at, known = self._at(ids)
        if not known.all():
            return None
        rows = {member: row for row, member in enumerate(ids.tolist())}
        owner = np.array([rows.get(one, -1) for one in self.owner[at].tolist()], dtype=np.intp)
        alone = owner < 0
        owner[alone] = np.flatnonzero(alone)
        active = self.active[at] | alone
        distance = np.where(alone, 0.0, self.distance[at])
        return Shared(active, owner, distance, self.donor[at], None, None)

    def called(
        self, ids: Array, points: Array, time: float, dt: float, rule: Rule
    ) -> tuple[Likeness, Shared]:
        """Return what is remembered after a call with these members (n,), and who computes.

        `points` (n, p) are the scaled inputs, `dt` the time in s that they hold for.
        """
        order = np.argsort(ids, kind="stable")
        mine, x = ids[order], points[order]
        at, known = self._at(mine)
        was_active, last = np.ones(len(mine), dtype=bool), mine.copy()
        was_active[known], last[known] = self.active[at[known]], self.owner[at[known]]
        history, found = self._compared(mine, at, known, x, was_active, dt, rule)
        donor = np.where(found.active & ~was_active, last, mine)
        owners = mine[found.owner]
        fresh = Likeness(mine, found.active, owners, donor, found.distance, history, time)
        after = self._with(fresh, rule.mode == "pairs")
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        pairs = rule.mode == "pairs"
        compared = history if rule.mode == "vectors" else x
        shared = Shared(
            found.active[back],
            order[found.owner][back],
            found.distance[back],
            donor[back],
            compared[back],
            history[np.ix_(back, back)] if pairs else None,
        )
        return after, shared

    def _at(self, ids: Array) -> tuple[Array, Array]:
        """Return where members stand, and who is known."""
        if not len(self.ids):
            return np.zeros(len(ids), dtype=np.intp), np.zeros(len(ids), dtype=bool)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return at, self.ids[at] == ids

    def _compared(
        self, ids: Array, at: Array, known: Array, x: Array, active: Array, dt: float, rule: Rule
    ) -> tuple[Array, Cover]:
        from manyscale.bridges.farm import similarity

        decay = math.exp(-rule.forget * dt)
        if rule.mode == "pairs":
            if len(ids) > MOST_PAIRS:
                raise Refused(
                    f"adaptivity: pairs compares all pairs of up to {MOST_PAIRS} members, found"
                    f" {len(ids)}; set adaptivity to vectors."
                )
            before = np.zeros((len(ids), len(ids)))
            both = np.flatnonzero(known)
            before[np.ix_(both, both)] = self.history[np.ix_(at[both], at[both])]
            distance = similarity.accumulated(before, np.ascontiguousarray(x), decay, dt)
            tolerance = rule.tolerance or rule.refine * float(distance.max(initial=0.0))
            return distance, similarity.cover_pairs(
                distance, active, rule.coarsen * tolerance, tolerance
            )
        compared, history = x, np.zeros((len(ids), 0))
        if rule.mode == "vectors":
            history = dt * x
            if known.any():
                history[known] += decay * self.history[at[known]]
            compared = history
        tolerance = rule.tolerance or rule.refine * similarity.spread(compared)
        return history, similarity.cover(compared, active, rule.coarsen * tolerance, tolerance)

    def _with(self, fresh: Likeness, pairs: bool) -> Likeness:
        """Return what is remembered of everybody, those that were not called included."""
        away = np.setdiff1d(self.ids, fresh.ids)
        if not len(away):
            return fresh
        everybody = np.union1d(self.ids, fresh.ids)
        at, new = np.searchsorted(everybody, self.ids), np.searchsorted(everybody, fresh.ids)

        def merged(before: Array, now: Array) -> Array:
            whole = np.zeros((len(everybody), *now.shape[1:]), now.dtype)
            whole[at], whole[new] = before, now
            return whole

        if pairs:
            history = np.zeros((len(everybody), len(everybody)))
            history[np.ix_(at, at)] = self.history
            history[np.ix_(new, new)] = fresh.history
        else:
            history = merged(self.history, fresh.history)
        return Likeness(
            everybody,
            merged(self.active, fresh.active),
            merged(self.owner, fresh.owner),
            merged(self.donor, fresh.donor),
            merged(self.distance, fresh.distance),
            history,
            fresh.time,
            fresh.slope,
        )


def unknown() -> Likeness:
    """Return what is remembered before the first call."""
    ids = np.zeros(0, dtype=np.int64)
    return Likeness(ids, ids.astype(bool), ids, ids, np.zeros(0), np.zeros((0, 0)), -math.inf)
