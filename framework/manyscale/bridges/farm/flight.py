"""Between messages, States and calls: how a call of a farm begins and what is left of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from manyscale.bridges.farm import call, fidelity, recall, surrogate, waiting
from manyscale.bridges.farm.call import Call
from manyscale.bridges.farm.course import Course
from manyscale.bridges.farm.kept import Shelf, Windows
from manyscale.bridges.farm.layout import Column, Layout
from manyscale.bridges.farm.likeness import Likeness, unknown
from manyscale.bridges.farm.members import Task
from manyscale.bridges.farm.standin import Knowledge
from manyscale.contract.fields import Array
from manyscale.contract.messages import Messages, Received, Start
from manyscale.contract.state import State

_NO_ARRAY = np.zeros((0, 0))


def state_of(layout: Layout) -> type[State]:
    """Return the State of a farm: the answers of a call, and what it remembers of its members."""
    hints: dict[str, Any] = {
        "now": float,  # s
        "lag": float,  # s, by which members answered later than they were asked
        "member": Array,  # (n,) ids in the order of the jobs
        "provenance": Array,  # (n,)
        "err": Array,  # (n,)
        "committed_ids": Array,  # of batched members, whose States are stacked under 0
        "committed": Mapping[int, Any],  # States that the present window began with, by member
        "trial_ids": Array,
        "trial": Mapping[int, Any],  # States after the last call
        "window": Any,
        "iteration": int,
        "outside": int,  # workers that are components of their own
        "flight": bytes,  # of a call that waits for workers: what is known so far
        "base_ids": Array,
        "base": Mapping[int, Any],  # States that its members begin from
    }
    hints |= {f"like_{name}": Any for name in _LIKENESS}
    hints |= {f"known_{name}": Any for name in _KNOWLEDGE}
    hints |= {_attribute("of", c): Any for c in layout.answers}
    hints |= {_attribute("one", c): Any for c in layout.answers}  # an answer of one member
    body = {"__annotations__": hints, "__module__": __name__, "__qualname__": "FarmState"}
    return type("FarmState", (State,), body)


_LIKENESS = ("ids", "active", "owner", "donor", "distance", "history", "time", "slope")
_KNOWLEDGE = ("x", "y", "lengths", "fitted", "caution", "more", "about", "calls")


def _attribute(kind: str, column: Column) -> str:
    """Return the name that a column of answers has in the State."""
    return f"{kind}_{column.name.replace('.', '_')}"


def begun(farm: Any, start: Start, received: Received) -> Course:
    """Return the course of a call at its beginning."""
    layout, kept, jobs = farm.layout, start.kept, received.jobs_in
    task = call.task_of(farm.name, layout, start, jobs)
    ports = {name: received.ports.get(port) for port, name in layout.held_by.items()}
    task.held = call.held_of(farm.name, layout, task, ports)
    recall.with_steps(task, farm.cache_steps())
    before = _windows(kept)
    windows, base = before.called(task.window, task.iteration, farm.name)
    work = Call(task, windows, base, farm.hosted.batched)
    levels = len(farm.members())
    work.fidelity = fidelity.checked(jobs.fields.get("fidelity"), task.ids, levels, farm.name)
    _pass_on(work, jobs.fields)
    if kept is not None:
        work.usual_lag = kept.lag
    course = Course(
        farm,
        work,
        _likeness(kept),
        _knowledge(farm, kept, task) if farm.surrogate == "on" else None,
        farm.engine.team.recall,
        _one(layout, kept),
    )
    course.outside = start.slots.get("work_out", 0)
    course.begin(repeated=task.window is not None and task.window == before.window)
    return course


def landed(course: Course, *, waits: bool = False) -> State:
    """Return the State of a farm when all members have their answers, or while some are awaited."""
    work, farm = course.work, course.farm
    windows, layout = work.windows, farm.layout
    base = work.base if waits else Shelf()
    found: State = farm.State(
        now=work.task.time if waits else work.now,
        lag=work.now - work.task.time,
        member=work.task.ids,
        provenance=np.maximum(work.provenance, work.before[0]),
        err=work.err + (farm.lipschitz or 1.0) * work.before[1],
        committed_ids=windows.committed.ids,
        committed=windows.committed.states,
        trial_ids=windows.trial.ids,
        trial=windows.trial.states,
        window=windows.window,
        iteration=windows.iteration,
        outside=course.outside,
        flight=waiting.packed(course) if waits else b"",
        base_ids=base.ids,
        base=base.states,
        **{f"like_{name}": getattr(course.likeness, name) for name in _LIKENESS},
        **_packed_knowledge(course),
        **{_attribute("of", c): _answer(c, work, course.like) for c in layout.answers},
        **{_attribute("one", c): course.like.get(c.name) for c in layout.answers},
    )
    return found


def elsewhere(farm: Any, now: float) -> State:
    """Return the State of a rank that is not the root: it remembers nothing."""
    work = Call(_nobody(now), Windows(Shelf(), Shelf()), Shelf(), farm.hosted.batched)
    return landed(Course(farm, work, unknown(), None, None, {}))


def _nobody(now: float) -> Task:
    ids = np.zeros(0, dtype=np.int64)
    return Task(ids, ids, {}, now)


def resumed(farm: Any, state: Any) -> Course:
    """Return the course of a call that waits for its workers."""
    base = Shelf(state.base_ids, state.base)
    made = waiting.course(
        farm,
        state.flight,
        _windows(state),
        base,
        _likeness(state),
        _known(state),
        _one(farm.layout, state),
    )
    made.outside = state.outside
    return made


def answers(layout: Layout, state: Any) -> Messages:
    """Return the messages that a State answers with."""
    beside = {"member": state.member, "provenance": state.provenance, "err": state.err}
    found = {}
    for name, port in layout.sent().items():
        columns = {c.name: getattr(state, _attribute("of", layout.answer(port, c)))
                   for c in layout.outputs[port]}  # fmt: skip
        found[name] = {**beside, **{n: v for n, v in columns.items() if v is not None}}
    return found


def _answer(column: Column, work: Call, like: Mapping[str, Any]) -> Any:
    """Return a column of answers, also if there was nobody to answer."""
    if column.name in work.answers:
        return work.answers[column.name]
    template = like.get(column.name)
    if isinstance(template, str) or (template is None and column.declared.optional):
        return template
    if column.text:
        return ""
    if template is not None:
        return template[:0]
    lengths = [axis.length or 0 for axis in column.declared.shape or ()]
    return np.zeros((0, *lengths), column.declared.numpy_dtype)


def _pass_on(work: Call, fields: Mapping[str, Any]) -> None:
    """Note where the inputs came from and how sure they were: a farm may stand before this one."""
    work.before = fields.get("provenance", 0), fields.get("err", 0.0)


def _windows(kept: Any) -> Windows:
    if kept is None:
        return Windows(Shelf(), Shelf())
    return Windows(
        Shelf(kept.committed_ids, kept.committed),
        Shelf(kept.trial_ids, kept.trial),
        kept.window,
        kept.iteration,
    )


def _likeness(kept: Any) -> Likeness:
    if kept is None:
        return unknown()
    return Likeness(*(getattr(kept, f"like_{name}") for name in _LIKENESS))


def _one(layout: Layout, kept: Any) -> dict[str, Any]:
    if kept is None:
        return {}
    found = {c.name: getattr(kept, _attribute("one", c)) for c in layout.answers}
    return {name: value for name, value in found.items() if value is not None}


def _knowledge(farm: Any, kept: Any, task: Any) -> Knowledge:
    """Return what the surrogate has learnt of the same model under the same held messages."""
    about = recall.about(farm, task)
    known = None if kept is None else _known(kept)
    return Knowledge(surrogate.empty(0, 0), _NO_ARRAY, about) if known is None else known.of(about)


def _known(kept: Any) -> Knowledge | None:
    if kept.known_about is None:
        return None
    parts = {name: getattr(kept, f"known_{name}") for name in _KNOWLEDGE}
    model = surrogate.Surrogate(
        parts["x"], parts["y"], parts["lengths"], parts["fitted"], parts["caution"]
    )
    return Knowledge(model, parts["more"], parts["about"], parts["calls"])


def _packed_knowledge(course: Course) -> dict[str, Any]:
    if course.standin is None:
        return dict.fromkeys(f"known_{name}" for name in _KNOWLEDGE)
    known = course.standin.known
    model = known.model
    return {
        "known_x": model.x,
        "known_y": model.y,
        "known_lengths": model.lengths,
        "known_fitted": model.fitted,
        "known_caution": model.caution,
        "known_more": known.more,
        "known_about": known.about,
        "known_calls": known.calls,
    }
