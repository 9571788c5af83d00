"""One call of a farm: which members compute, what their answers are, and where these come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from manyscale.bridges.farm.kernel import seeds_of
from manyscale.bridges.farm.kept import Shelf, Windows
from manyscale.bridges.farm.layout import Layout
from manyscale.bridges.farm.members import Outcome, Task
from manyscale.contract.fields import Array
from manyscale.contract.messages import Contact, Start
from manyscale.contract.refusal import Refused

COMPUTED, CACHED, COPIED, SURROGATE, INTERPOLATED = range(5)


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
        {n: v if isinstance(v, str) else _in_rows(v) for n, v in columns.items()},
        start.time,
        jobs.next_time,
        jobs.window,
        jobs.iteration,
    )


def _in_rows(value: Array) -> Array:
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
        self.provenance = np.zeros(count, dtype=np.int32)
        self.err = np.zeros(count)
        self.filled = np.zeros(count, dtype=bool)
        self.answers: dict[str, Any] = {}
        self.now = task.time

    @property
    def count(self) -> int:
        """Number of members."""
        return len(self.task.ids)

    def tasks(self, parts: Sequence[Array], keeps: bool) -> list[tuple[Array, Task]]:
        """Return tasks for lists of rows; a batched model gets new and old members apart."""
        found = []
        for rows in parts:
            task = self.task.rows(rows)
            if not keeps:
                found.append((rows, task))
                continue
            kept, known = self.base.of(task.ids, self.stacked)
            if not self.stacked or known.all():
                found.append((rows, replace(task, kept=kept)))
                continue
            old, new = np.flatnonzero(known), np.flatnonzero(~known)
            if len(old):
                found.append((rows[old], replace(task.rows(old), kept=kept)))
            found.append((rows[new], task.rows(new)))
        return found

    def take(self, rows: Array, outcome: Outcome) -> Array:
        """Take what became of some rows; return the rows that were answered."""
        good = rows[outcome.rows]
        self.fill(good, outcome.columns, COMPUTED)
        if outcome.states is not None:
            ids = self.task.ids[good]
            trial = self.windows.trial.updated(ids, outcome.states, self.stacked)
            self.windows = replace(self.windows, trial=trial)
        if len(good):
            self.now = max(self.now, outcome.now)
        return good

    def fill(self, rows: Array, columns: Mapping[str, Any], provenance: int) -> None:
        """Put answers (m, ...) into their rows."""
        for name, value in columns.items():
            if isinstance(value, str):
                self.answers[name] = value
                continue
            if name not in self.answers:
                self.answers[name] = np.empty((self.count, *value.shape[1:]), value.dtype)
            whole = self.answers[name]
            if whole.shape[1:] != value.shape[1:]:
                raise Refused(
                    f"{name} has the shape {value.shape[1:]} for some members and"
                    f" {whole.shape[1:]} for others; members of a farm answer alike."
                )
            whole[rows] = value
        self.filled[rows] = True
        self.provenance[rows] = provenance
