"""The course of a call: who need not compute, and how sure the answers are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from manyscale.bridges.farm import scaling
from manyscale.bridges.farm.call import CACHED, COPIED, Call
from manyscale.bridges.farm.failures import Failures
from manyscale.bridges.farm.likeness import Likeness, Rule, Shared
from manyscale.bridges.farm.members import Outcome
from manyscale.bridges.farm.recall import Recall
from manyscale.bridges.farm.standin import Knowledge, StandIn
from manyscale.contract.fields import Array
from manyscale.contract.refusal import Refused

Results = Sequence[tuple[Array, Outcome, int]]
"""Rows of the call, what became of them, and on which worker."""


class Course:
    """Takes a call from its jobs to its answers.

    Attributes
    ----------
    outside
        Number of workers that are components of their own.
    later
        Rows with the inputs of others, which are computed first.
    like
        An answer of one member, by column, with the shapes and types of all.
    """

    def __init__(
        self,
        farm: Any,
        work: Call,
        likeness: Likeness,
        knowledge: Knowledge | None,
        recall: Recall | None,
        like: dict[str, Any],
    ) -> None:
        self.farm, self.work, self.likeness, self.recall = farm, work, likeness, recall
        self.like = like
        self.outside = 0
        self.later = np.zeros(0, dtype=np.intp)
        self.shared: Shared | None = None
        self._failures = Failures(farm, work)
        answers = farm.layout.answers
        self._real = [column for column in answers if scaling.is_real(column)]
        self._other = [c for c in answers if not scaling.is_real(c) and not c.text]
        self._scales = farm.scales_of_inputs(), farm.scales_of_answers()
        self.standin = None
        if knowledge is not None:
            self.standin = StandIn(farm, work, knowledge, self.inputs(), self._columns)

    def inputs(self) -> Array:
        """Return the scaled inputs of all members (n, p)."""
        task, columns = self.work.task, self.farm.layout.inputs
        return scaling.points(task.columns, columns, self._scales[0], self.work.count)

    def outputs(self, rows: Array) -> Array:
        """Return the scaled real answers of some rows (m, q)."""
        return scaling.points(self.work.rows(rows), self._real, self._scales[1], len(rows))

    def begin(self, repeated: bool) -> None:
        """Find out who computes; `repeated`: the window was tried before."""
        work = self.work
        if self.farm.adaptivity != "off":
            self._share(repeated)
        if self.recall is not None:
            self.recall.about(work.task, work.fidelity)
            work.todo = self._recalled(self.recall, work.todo)
            first = self.recall.first(work.todo)
            self.later, work.todo = np.setdiff1d(work.todo, first), first
        if self.standin is not None:
            work.todo = self.standin.asked(work.todo)

    def advance(self, results: Results) -> None:
        """Take results; `todo` says what is to be computed next, if anything."""
        work, again = self.work, []
        for rows, outcome, worker in results:
            good = work.take(rows, outcome)
            self.like = work.rows(good[:1]) if len(good) else self.like
            if self.recall is not None:
                self.recall.keep(work, good, outcome)
            if self.standin is not None and len(good):
                self._learn(self.standin, good)
            again += self._failures.of(rows, outcome, worker)
        work.todo = np.array(sorted(again), dtype=np.intp)
        if self.standin is not None and not again:
            self.standin.waiting = self.standin.waiting[~work.failed[self.standin.waiting]]
            work.todo = self.standin.next()
        if self.recall is not None and not len(work.todo) and len(self.later):
            # equal inputs have one answer, unless members drew random numbers
            rows, self.later = self.later, self.later[:0]
            work.todo = self._recalled(self.recall, rows)
            if self.standin is not None:
                work.todo = self.standin.asked(work.todo)

    def finish(self) -> None:
        """Fill what was not computed, and say how sure each answer is."""
        self._failures.interpolate(self.inputs, self.outputs)
        if self.shared is not None:
            self._copy(self.shared)

    def _share(self, repeated: bool) -> None:
        farm, work = self.farm, self.work
        ids, now = work.task.ids, work.task.time
        shared = self.likeness.again(ids) if repeated and farm.hosted.keeps_state else None
        if shared is None:
            rule = Rule(farm.adaptivity, farm.Cr, farm.Cc, farm.Lambda, farm.adaptivity_tol)
            self.likeness, shared = self.likeness.called(ids, self.inputs(), now, self._dt(), rule)
        self.shared = shared
        work.owner, work.donor = shared.owner, shared.donor
        work.todo = np.flatnonzero(shared.active)

    def _dt(self) -> float:
        """Return how long the inputs hold in s: to the next call, else since the last, else 1."""
        now, after, before = self.work.task.time, self.work.task.next_time, self.likeness.time
        if after is not None and after > now:
            return after - now
        return now - before if before > -math.inf and now > before else 1.0

    def _recalled(self, recall: Recall, rows: Array) -> Array:
        work = self.work
        found = recall.known(work, rows)
        for row, (columns, lag) in found.items():
            work.fill(np.array([row]), columns, CACHED)
            work.lag = max(work.lag, lag)
        return np.array([row for row in rows.tolist() if row not in found], dtype=np.intp)

    def _learn(self, standin: StandIn, rows: Array) -> None:
        if self.work.seeded:
            raise Refused(
                f"{self.farm.name}: {self.farm.hosted.name} draws random numbers, which a surrogate"
                " would hide; set surrogate to off."
            )
        others = scaling.points(self.work.rows(rows), self._other, {}, len(rows))
        standin.learn(rows, self.outputs(rows), others)

    def _columns(self, reals: Array, others: Array) -> dict[str, Any]:
        answers = self.farm.layout.answers
        return scaling.columns_of(reals, others, self.like, answers, self._scales[1])

    def _copy(self, shared: Shared) -> None:
        """Give members that did not compute the answer of the one they are like."""
        work = self.work
        rows = np.flatnonzero(work.owner != np.arange(work.count))
        if not len(rows):
            return
        from_whom = work.owner[rows]
        work.fill(rows, work.rows(from_whom), COPIED)
        work.err[rows] = work.err[from_whom] + self._slope(shared) * shared.distance[rows]

    def _slope(self, shared: Shared) -> float:
        """Return the Lipschitz constant that is given, or the steepest change that was seen."""
        from manyscale.bridges.farm import similarity

        if self.farm.lipschitz:
            return float(self.farm.lipschitz)
        if shared.points is not None:
            rows = np.flatnonzero(shared.active)
            points, near = shared.points[rows], similarity.among(rows, shared.between)
            found = similarity.slope(points, self.outputs(rows), near)
            self.likeness = replace(self.likeness, slope=found)
        return self.likeness.slope
