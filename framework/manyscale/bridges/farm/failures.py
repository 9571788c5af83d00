"""What is done about members that fail: stop, try elsewhere, or take the mean of their like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from manyscale.bridges.farm.call import INTERPOLATED, Call
from manyscale.bridges.farm.kernel import neighbours
from manyscale.bridges.farm.members import Outcome
from manyscale.contract.fields import Array
from manyscale.contract.refusal import Refused

_NEIGHBOURS = 4
_NAMED = 5  # members of a lost worker that a message names


class Failures:
    """Applies the policy of a farm to one call."""

    def __init__(self, farm: Any, work: Call) -> None:
        self.farm, self.work = farm, work

    def of(self, rows: Array, outcome: Outcome, worker: int) -> list[int]:
        """Return the rows that are to be tried again; refuse to go on if that is the policy."""
        work = self.work
        again: list[int] = []
        if not outcome.failures:
            return again
        if outcome.lost and len(rows) > 1 and self.farm.on_failure != "stop":
            work.single = (
                True  # one of these jobs may have felled the worker, which one is not known
            )
            return [int(row) for row in rows]
        for i, why in sorted(outcome.failures.items()):
            row = int(rows[i])
            work.why = work.why or f"member {work.task.ids[row]}: {why}"
            work.tries[row] += 1
            if self.farm.on_failure != "stop" and work.tries[row] <= self.farm.retries:
                again.append(row)
            elif self.farm.on_failure == "interpolate":
                work.failed[row] = True
                self._refuse_too_many()
            else:
                raise Refused(self._sentence(row, rows, why, worker, outcome))
        return again

    def _sentence(self, row: int, rows: Array, why: str, worker: int, outcome: Outcome) -> str:
        work, farm = self.work, self.farm
        when = f"at t = {work.task.time:g} s"
        remedy = {
            "stop": "set on_failure to retry or interpolate to go on",
            "retry": "set on_failure to interpolate to go on without it",
        }[farm.on_failure]
        if outcome.lost and len(rows) > 1:
            names = ", ".join(str(one) for one in work.task.ids[rows[:_NAMED]])
            names += f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
            return f"{farm.name}: {why} {when}, with members {names} to do; {remedy}."
        where = "" if outcome.lost else f" on worker {worker}"
        tried = f" {work.tries[row]} times" if work.tries[row] > 1 else ""
        member = work.task.ids[row]
        return f"{farm.name}: member {member} failed{tried}{where} {when}: {why}; {remedy}."

    def _refuse_too_many(self) -> None:
        work, limit = self.work, self.farm.failure_limit
        failed = int(work.failed.sum())
        if failed > limit * work.count:
            raise Refused(
                f"{self.farm.name}: {failed} of {work.count} members failed at t ="
                f" {work.task.time:g} s, more than failure_limit = {limit:g} allows; the first,"
                f" {work.why}."
            )

    def interpolate(self, inputs: Callable[[], Array], outputs: Callable[[Array], Array]) -> None:
        """Give failed members the mean of those nearest to them, and as error their spread.

        `inputs` gives the scaled inputs (n, p), `outputs` the scaled answers of rows (m, q).
        """
        work = self.work
        failed = np.flatnonzero(work.failed)
        good = np.flatnonzero(~work.failed & (work.owner == np.arange(work.count)))
        if not len(failed):
            return
        if not len(good):
            raise Refused(
                f"{self.farm.name}: no member answered at t = {work.task.time:g} s; the first"
                f" failure, {work.why}."
            )
        near, weight = neighbours(inputs(), good, failed, _NEIGHBOURS)
        for value in work.answers.values():
            if isinstance(value, str):
                continue
            if value.dtype.kind == "f":
                value[failed] = np.einsum("mk,mk...->m...", weight, value[near])
            else:  # whole numbers have no mean
                value[failed] = value[near[:, 0]]
        mean = outputs(failed)
        apart = np.abs(outputs(near.reshape(-1)).reshape(*near.shape, -1) - mean[:, None, :])
        work.err[failed] = apart.max(axis=(1, 2), initial=0.0)
        work.provenance[failed] = INTERPOLATED
        self._keep_states(failed)

    def _keep_states(self, failed: Array) -> None:
        """Let failed members go on from where they began, also if the window was tried before."""
        work = self.work
        if not self.farm.hosted.keeps_state:
            return
        ids = work.task.ids[failed]
        states, known = work.base.of(ids, work.stacked)
        if isinstance(states, list):
            states = [state for state in states if state is not None]
        if known.any():
            work.keep(ids[known], states)
