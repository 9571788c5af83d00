"""Calls hosted models: one member after the other, or a whole batch at once."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from manyscale.bridges.farm.layout import Column, Layout
from manyscale.contract.fields import Array
from manyscale.contract.messages import Contact, Received, Start
from manyscale.contract.model import ScaleModel
from manyscale.contract.refusal import Refused

FAULTS = (Exception, SystemExit)


@dataclass
class Task:
    """Jobs of some members, as a worker takes them.

    `columns` hold what comes per member (n, ...) or one text for all, by name of the column;
    `held` the messages that are the same for all, by port. `kept` is a list of States (None:
    begin anew), for a batched model one State with a leading member axis, or None.
    """

    ids: Array  # (n,) int64
    seeds: Array  # (n,) int64
    columns: dict[str, Any]
    time: float = 0.0  # s
    next_time: float | None = None
    window: int | None = None
    iteration: int = 0
    fidelity: int = 0
    held: Mapping[str, Contact] = field(default_factory=dict)
    kept: Any = None
    watched: bool = False
    """Whether it is to be found out who reads its seed."""

    def rows(self, chosen: Array) -> Task:
        """Return the jobs of some rows (m,)."""
        columns = {n: v if isinstance(v, str) else v[chosen] for n, v in self.columns.items()}
        kept = self.kept
        if isinstance(kept, list):
            kept = [kept[i] for i in chosen.tolist()]
        elif kept is not None:
            kept = rows_of(kept, chosen)
        return replace(
            self, ids=self.ids[chosen], seeds=self.seeds[chosen], columns=columns, kept=kept
        )


@dataclass
class Outcome:
    """What became of a task: `rows` (m,) of it succeeded, the others failed with a reason."""

    rows: Array  # (m,) intp
    columns: dict[str, Any]  # (m, ...) each, by name of the answer
    states: Any  # m States, one with a leading axis, or None
    now: float  # s
    cost: Array  # (n,) s
    failures: dict[int, str] = field(default_factory=dict)
    seeded: bool = False
    """Whether a member read its seed (of a watched task)."""
    lost: str = ""
    """Why the worker itself was lost, empty if it was not."""


class _Watched(Start):
    """A start that notes whether the seed is read."""

    def __init__(self, time: float, seed: Any, kept: Any) -> None:
        for name, value in {"time": time, "slots": {}, "kept": kept, "hidden": seed}.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "read", False)

    @property
    def seed(self) -> Any:
        """The seed, once somebody asks for it."""
        object.__setattr__(self, "read", True)
        return self.hidden  # type: ignore[attr-defined]


class Crew:
    """The hosted model with its settings on one worker, once per fidelity."""

    def __init__(self, models: Sequence[ScaleModel], layout: Layout) -> None:
        self.models, self.layout = list(models), layout
        self._silent = tuple(p.name for p in layout.model.ports.values() if p.operator == "s")
        self._engines: list[Any] = []
        self._open = False

    def run(self, task: Task) -> Outcome:
        """Return what became of a task; a member that fails takes no other with it."""
        self._start()
        model = self.models[task.fidelity]
        outcome = self._batch(model, task) if model.batched else self._each(model, task)
        return self._finite(task, outcome)

    def close(self) -> None:
        """Release the engines."""
        while self._engines:
            self._engines.pop().close()

    def _start(self) -> None:
        if self._open:
            return
        self._open = True
        for model in self.models:
            if model.Engine is not None:
                engine = model.Engine()
                object.__setattr__(model, "engine", engine)
                engine.open(model)
                self._engines.append(engine)

    def _each(self, model: ScaleModel, task: Task) -> Outcome:
        """Call one member after the other."""
        given = self._given(task, by_member=True)
        kept = task.kept or [None] * len(task.ids)
        ids, seeds = task.ids.tolist(), task.seeds.tolist()
        cost, failures = [0.0] * len(ids), {}
        answers, states, rows, now, seeded = [], [], [], task.time, False
        make: Callable[..., Any] = _Watched if task.watched else _start
        before = time.perf_counter()
        for i, seed in enumerate(seeds):
            ports = {
                name: Contact(
                    task.time,
                    task.next_time,
                    {n: column[i] for n, column in columns},
                    task.window,
                    task.iteration,
                )
                for name, columns in given
            }
            start = make(task.time, seed, kept[i])
            try:
                state, then = self._passed(model, start, {**task.held, **ports})
                answers.append(model.o_f(state))
            except FAULTS as exc:
                failures[i] = reason(exc)
            else:
                states.append(state)
                rows.append(i)
                now = max(now, then)
            seeded = seeded or (task.watched and start.read)
            after = time.perf_counter()
            cost[i], before = after - before, after
        columns = {c.name: self._joined(c, answers) for c in self.layout.answers}
        return Outcome(
            np.array(rows, dtype=np.intp),
            {name: column for name, column in columns.items() if column is not None},
            states if model.keeps_state else None,
            now,
            np.array(cost),
            failures,
            seeded,
        )

    def _batch(self, model: ScaleModel, task: Task) -> Outcome:
        """Call all members at once; if that fails, one by one to find out which of them."""
        ports = {
            name: Contact(task.time, task.next_time, dict(columns), task.window, task.iteration)
            for name, columns in self._given(task, by_member=False)
        }
        make: Callable[..., Any] = _Watched if task.watched else _start
        start = make(task.time, task.seeds, task.kept)
        before, count = time.perf_counter(), len(task.ids)
        try:
            state, now = self._passed(model, start, {**task.held, **ports})
            answer = model.o_f(state)
        except FAULTS as exc:
            if count > 1:
                return self._one_by_one(model, task)
            cost = np.array([time.perf_counter() - before])
            failures = {0: reason(exc)}
            return Outcome(np.zeros(0, np.intp), {}, None, task.time, cost, failures)
        columns = {c.name: self._column(c, answer, count) for c in self.layout.answers}
        return Outcome(
            np.arange(count),
            {name: column for name, column in columns.items() if column is not None},
            state if model.keeps_state else None,
            max(now, task.time),
            np.full(count, (time.perf_counter() - before) / max(count, 1)),
            seeded=task.watched and start.read,
        )

    def _one_by_one(self, model: ScaleModel, task: Task) -> Outcome:
        return joined(
            [
                (np.array([i]), self._batch(model, task.rows(np.array([i]))))
                for i in range(len(task.ids))
            ],
            len(task.ids),
        )

    def _passed(self, model: ScaleModel, start: Start, ports: dict[str, Any]) -> tuple[Any, float]:
        """Go through a pass: the last State and its time. Turns meet no peer."""
        for name in self.layout.by_port:
            ports.setdefault(name, None)
        state = model.f_init(start, Received(ports))
        clock = model.clock(state)
        while clock.to is not None:
            state = model.s(state, Received(dict.fromkeys(self._silent)))
            clock = model.clock(state)
        return state, clock.now

    def _given(self, task: Task, *, by_member: bool) -> list[tuple[str, list[tuple[str, Any]]]]:
        """Return by port the fields that come per member, as values by row or as arrays."""
        found = []
        for port, columns in self.layout.by_port.items():
            here = [c for c in columns if c.name in task.columns]
            if here:
                values = [(c.field, self._values(c, task, by_member)) for c in here]
                found.append((port, values))
        return found

    def _values(self, column: Column, task: Task, by_member: bool) -> Any:
        value = task.columns[column.name]
        if not by_member:
            return value
        if column.text:
            return [value] * len(task.ids)
        return value.tolist() if value.ndim == 1 else list(value)

    def _joined(self, column: Column, answers: Sequence[Any]) -> Any:
        """Return what all members answered in one column (m, ...), None if none of them did."""
        found = [answer[column.port][column.field] for answer in answers
                 if column.field in answer[column.port]]  # fmt: skip
        if not found and (column.declared.optional or not answers):
            return None
        if len(found) != len(answers):
            raise Refused(f"{self._what(column)} is missing in the answers of some members.")
        if column.text:
            return self._same_text(column, found)
        if column.scalar:
            return self._typed(column, np.asarray(found))
        arrays = [np.asarray(one) for one in found]
        shapes = {array.shape for array in arrays}
        if len(shapes) > 1:
            raise Refused(
                f"{self._what(column)} has shapes {' and '.join(map(str, sorted(shapes)))} in one"
                " call; members of a farm answer with arrays of one shape."
            )
        return self._typed(column, np.stack(arrays))

    def _column(self, column: Column, answer: Any, count: int) -> Any:
        """Return one column of a batched model's answer."""
        if column.field not in answer[column.port]:
            if column.declared.optional:
                return None
            raise Refused(f"{self._what(column)} is missing in its answer.")
        value = answer[column.port][column.field]
        if column.text:
            return value
        array = np.asarray(value)
        if array.shape[:1] != (count,):
            raise Refused(
                f"{self._what(column)} has the shape {array.shape} for a batch of {count};"
                " a batched model answers with a leading member axis."
            )
        return self._typed(column, array)

    def _typed(self, column: Column, array: Array) -> Array:
        wanted = column.declared.numpy_dtype
        if array.dtype == wanted:
            return array
        if column.scalar and np.can_cast(array.dtype, wanted, "same_kind"):
            return array.astype(wanted)
        if column.scalar and wanted.kind == "f" and array.dtype.kind in "iu":
            return array.astype(wanted)
        raise Refused(f"{self._what(column)} is {array.dtype}, expected {wanted}.")

    def _same_text(self, column: Column, found: Sequence[str]) -> str:
        if len(set(found)) > 1:
            raise Refused(f"{self._what(column)} is a text and differs between members.")
        return found[0]

    def _what(self, column: Column) -> str:
        return f"{self.layout.model.name}.{column.port}.{column.field}"

    def _finite(self, task: Task, outcome: Outcome) -> Outcome:
        """Take members with numbers that are not finite for failed."""
        bad = np.zeros(len(outcome.rows), dtype=bool)
        for column in self.layout.answers:
            array = outcome.columns.get(column.name)
            if column.text or array is None or not column.declared.finite:
                continue
            if array.dtype.kind == "f" and not np.isfinite(array.sum()):
                wrong = ~np.isfinite(array).reshape(len(bad), -1).all(axis=1)
                for i in np.flatnonzero(wrong & ~bad).tolist():
                    value = "NaN or infinite"
                    outcome.failures[int(outcome.rows[i])] = (
                        f"{column.port}.{column.field} is {value}"
                    )
                bad |= wrong
        return without(outcome, bad) if bad.any() else outcome


def _start(time: float, seed: Any, kept: Any) -> Any:
    return Start(time, seed, {}, kept)


def reason(exc: BaseException) -> str:
    """Return why a member failed: the sentence, with the place if it is a fault of the program."""
    if isinstance(exc, (Refused, ValueError)):
        return str(exc)
    last = traceback.extract_tb(exc.__traceback__)[-1:]
    where = f" ({last[0].filename}:{last[0].lineno})" if last else ""
    return f"{type(exc).__name__}: {exc}{where}"


def rows_of(state: Any, rows: Array) -> Any:
    """Return some rows of a State with a leading member axis."""
    arrays = {n: v[rows] for n, v in vars(state).items() if isinstance(v, np.ndarray)}
    return state.but(**arrays)


def without(outcome: Outcome, bad: Array) -> Outcome:
    """Return an outcome without some of its rows (m,)."""
    good = np.flatnonzero(~bad)
    states = outcome.states
    if isinstance(states, list):
        states = [states[i] for i in good.tolist()]
    elif states is not None:
        states = rows_of(states, good)
    columns = {n: v if isinstance(v, str) else v[good] for n, v in outcome.columns.items()}
    return replace(outcome, rows=outcome.rows[good], columns=columns, states=states)


def joined(parts: Sequence[tuple[Array, Outcome]], count: int) -> Outcome:
    """Return one outcome of several, each with the rows (n,) of the whole that it was given."""
    cost = np.zeros(count)
    failures: dict[int, str] = {}
    for rows, part in parts:
        cost[rows] = part.cost
        failures |= {int(rows[i]): why for i, why in part.failures.items()}
    good = [(rows, part) for rows, part in parts if len(part.rows)]
    if not good:
        now = max((part.now for _, part in parts), default=float("-inf"))
        return Outcome(np.zeros(0, np.intp), {}, None, now, cost, failures)
    return Outcome(
        np.concatenate([rows[part.rows] for rows, part in good]),
        _joined_columns([part.columns for _, part in good]),
        joined_states([part.states for _, part in good]),
        max(part.now for _, part in good),
        cost,
        failures,
        any(part.seeded for _, part in parts),
    )


def _joined_columns(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first = parts[0]
    for part in parts[1:]:
        for name in first.keys() | part.keys():
            a, b = first.get(name), part.get(name)
            if _inner(a) != _inner(b) or (isinstance(a, str) and a != b):
                raise Refused(
                    f"{name} differs in shape or presence between members of one call; members"
                    " of a farm answer alike."
                )
    return {
        name: value if isinstance(value, str) else np.concatenate([part[name] for part in parts])
        for name, value in first.items()
    }


def _inner(value: Any) -> Any:
    """Return the shape of one row; None for what is not there."""
    return None if value is None else np.shape(value)[1:]


def joined_states(parts: Sequence[Any]) -> Any:
    """Return the States of several outcomes as one list, or as one State of a batched model."""
    if parts[0] is None or len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], list):
        return [state for part in parts for state in part]
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name, value in vars(parts[0]).items()
        if isinstance(value, np.ndarray)
    }
    return parts[-1].but(**arrays)
