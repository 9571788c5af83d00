"""One call of a farm: what is asked of its members, and what is known of the answers so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from manyscale.bridges.farm.kept import Shelf, Windows
from manyscale.bridges.farm.kernel import seeds_of
from manyscale.bridges.farm.layout import Layout
from manyscale.bridges.farm.members import Outcome, Task
from manyscale.contract.fields import Array
from manyscale.contract.messages import Contact, Start
from manyscale.contract.refusal import Refused

COMPUTED, CACHED, COPIED, SURROGATE, INTERPOLATED = range(5)
WORDS = ("computed", "cached", "copied", "surrogate", "interpolated")


def task_of(farm: str, layout: Layout, start: Start, jobs: Contact) -> Task:
    """Return the jobs of a message; refuse members that stand in it twice."""
    ids = np.asarray(jobs.fields["member"])
    count = len(ids)
    if len(np.unique(ids)) != count:
        values, times = np.unique(ids, return_counts=True)
        raise Refused(f"{farm}.jobs_in: member {values[times > 1][0]} stands in it twice.")
    names = {c.name for c in layout.inputs}
    columns = {n: v for n, v in jobs.fields.items() if n in names}
    for name, value in columns.items():
        if not isinstance(value, str) and np.shape(value)[:1] != (count,):
            raise Refused(
                f"{farm}.jobs_in: {name} has the shape {np.shape(value)} for {count} members."
            )
    return Task(
        ids,
        seeds_of(start.seed, ids),
        {n: v if isinstance(v, str) else in_rows(v) for n, v in columns.items()},
        start.time,
        jobs.next_time,
        jobs.window,
        jobs.iteration,
    )


def in_rows(value: Array) -> Array:
    """Return an array whose rows lie together, not to be changed."""
    array = np.ascontiguousarray(value).view()
    array.setflags(write=False)
    return array


def held_of(farm: str, layout: Layout, task: Task, ports: Mapping[str, Any]) -> dict[str, Contact]:
    """Return the messages that are the same for all members.

    Refuses a port that is given both ways, or a required one that is given in neither.
    """
    held = {}
    for port, columns in layout.by_port.items():
        here = [c for c in columns if c.name in task.columns]
        message = ports.get(port)
        if message is not None and here:
            raise Refused(
                f"{farm}: {port} is held for all members, and {here[0].name} came for each of"
                " them; give it in one way."
            )
        if message is not None:
            held[port] = message
        elif here:
            _refuse_partial(farm, columns, task)
        elif not layout.model.ports[port].optional:
            raise Refused(
                f"{farm}: its members need {port}; connect {farm}.{port}, or send"
                f" {', '.join(c.name for c in columns)} with the jobs."
            )
    return held


def _refuse_partial(farm: str, columns: Sequence[Any], task: Task) -> None:
    for column in columns:
        if column.name not in task.columns and not column.declared.optional:
            raise Refused(
                f"{farm}.jobs_in: {column.name} is missing beside the other fields of"
                f" {column.port}."
            )


class Call:
    """What is known of the answers of a call so far, by row of the jobs."""

    def __init__(self, task: Task, windows: Windows, base: Shelf, stacked: bool) -> None:
        count = len(task.ids)
        self.task, self.windows, self.base, self.stacked = task, windows, base, stacked
        self.fidelity = np.zeros(count, dtype=np.int32)
        self.donor = task.ids
        self.owner = np.arange(count)
        self.todo = np.arange(count)
        self.tries = np.zeros(count, dtype=np.int32)
        self.single = False  # whether jobs go one by one: a worker was lost on some of them
        self.failed = np.zeros(count, dtype=bool)
        self.why = ""  # the first failure
        self.before: tuple[Any, Any] = (0, 0.0)  # provenance and error of the inputs
        self.provenance = np.zeros(count, dtype=np.int32)
        self.err = np.zeros(count)
        self.answers: dict[str, Any] = {}
        self.lag = -math.inf  # s, by which members answer later than they were asked
        self.usual_lag = 0.0  # s, of earlier calls: for one in which nobody computes
        self.seeded = False

    @property
    def now(self) -> float:
        """Time of the answers in s."""
        return self.task.time + (self.usual_lag if self.lag == -math.inf else self.lag)

    @property
    def count(self) -> int:
        """Number of members."""
        return len(self.task.ids)

    def tasks(self, rows: Array, keeps: bool) -> list[tuple[Array, Task]]:
        """Return the tasks of some rows: of one fidelity each, and batches of new members apart."""
        found = []
        for level in np.unique(self.fidelity[rows]).tolist():
            mine = rows[self.fidelity[rows] == level]
            task = replace(self.task.rows(mine), fidelity=level)
            if not keeps:
                found.append((mine, task))
                continue
            kept, known = self.base.of(self.donor[mine], self.stacked)
            if not self.stacked or known.all():
                found.append((mine, replace(task, kept=kept)))
                continue
            old, new = np.flatnonzero(known), np.flatnonzero(~known)
            if len(old):
                found.append((mine[old], replace(task.rows(old), kept=kept)))
            found.append((mine[new], task.rows(new)))
        return found

    def take(self, rows: Array, outcome: Outcome) -> Array:
        """Take what became of some rows; return the rows that were answered."""
        good = rows[outcome.rows]
        self.fill(good, outcome.columns, COMPUTED)
        if outcome.states is not None:
            self.keep(self.task.ids[good], outcome.states)
        if len(good):
            self.lag = max(self.lag, outcome.now - self.task.time)
        self.seeded = self.seeded or outcome.seeded
        return good

    def keep(self, ids: Array, states: Any) -> None:
        """Keep the new States of some members."""
        trial = self.windows.trial.updated(ids, states, self.stacked)
        self.windows = replace(self.windows, trial=trial)

    def fill(self, rows: Array, columns: Mapping[str, Any], provenance: int) -> None:
        """Put answers (m, ...) into their rows."""
        for name, value in columns.items():
            if isinstance(value, str):
                self.answers[name] = value
                continue
            if name not in self.answers:
                self.answers[name] = np.zeros((self.count, *value.shape[1:]), value.dtype)
            whole = self.answers[name]
            if whole.shape[1:] != value.shape[1:]:
                raise Refused(
                    f"{name} has the shape {value.shape[1:]} for some members and"
                    f" {whole.shape[1:]} for others; members of a farm answer alike."
                )
            whole[rows] = value
        self.provenance[rows] = provenance

    def rows(self, rows: Array) -> dict[str, Any]:
        """Return the answers of some rows."""
        return {n: v if isinstance(v, str) else v[rows] for n, v in self.answers.items()}
