"""A call that waits for workers in other components, as bytes: it may be saved and resumed."""

from __future__ import annotations

from typing import Any

import numpy as np

from manyscale.bridges.farm import wire
from manyscale.bridges.farm.call import Call
from manyscale.bridges.farm.course import Course
from manyscale.bridges.farm.kept import Shelf, Windows
from manyscale.bridges.farm.likeness import Likeness, Shared
from manyscale.bridges.farm.standin import Knowledge
from manyscale.contract.state import packed_value, unpacked_value

_OF_CALL = (
    "fidelity", "donor", "owner", "todo", "tries", "single", "failed", "why", "provenance", "err",
    "lag", "usual_lag", "seeded",
)  # fmt: skip


def packed(course: Course) -> bytes:
    """Return what is known of a call so far, but States and what is remembered."""
    work, shared, standin = course.work, course.shared, course.standin
    found: dict[str, Any] = {
        "task": wire.packed_task(work.task),
        "call": {name: packed_value(name, getattr(work, name)) for name in _OF_CALL},
        "before": [packed_value("", part) for part in work.before],
        "answers": {name: packed_value(name, value) for name, value in work.answers.items()},
        "later": packed_value("later", course.later),
        "keys": [] if course.recall is None else course.recall.keys,
    }
    if shared is not None:
        found["shared"] = [packed_value("", part) for part in shared]
    if standin is not None:
        checks = [
            [row, packed_value("", mean), half] for row, (mean, half) in standin.checks.items()
        ]
        found["standin"] = [packed_value("", standin.waiting), standin.checked, checks]
    return wire.sealed(found)


def course(
    farm: Any,
    data: bytes,
    windows: Windows,
    base: Shelf,
    likeness: Likeness,
    knowledge: Knowledge | None,
    like: dict[str, Any],
) -> Course:
    """Return the course of the call that `packed` packed."""
    found = wire.opened(data)
    task = wire.unpacked_task(found["task"], farm.hosted)
    work = Call(task, windows, base, farm.hosted.batched)
    for name, value in found["call"].items():
        setattr(work, name, _own(unpacked_value(value)))
    before, error = (unpacked_value(part) for part in found["before"])
    work.before = before, error
    work.answers = {name: _own(unpacked_value(value)) for name, value in found["answers"].items()}
    recall = farm.engine.team.recall
    if recall is not None:
        recall.keys = found["keys"]
    made = Course(farm, work, likeness, knowledge, recall, like)
    made.later = unpacked_value(found["later"])
    if "shared" in found:
        made.shared = Shared(*(unpacked_value(part) for part in found["shared"]))
    if made.standin is not None:
        rows, made.standin.checked, checks = found["standin"]
        made.standin.waiting = unpacked_value(rows)
        made.standin.checks = {row: (unpacked_value(mean), half) for row, mean, half in checks}
    return made


def _own(value: Any) -> Any:
    """Return an array that may be changed."""
    return value.copy() if isinstance(value, np.ndarray) else value
