"""Messages between a farm and workers that are components of their own.

What a worker is to do is one message, what it has done another. States travel as MessagePack in
whole numbers of 64 bits, for that is what every make of transport carries.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from manyscale.bridges.farm.call import Call
from manyscale.bridges.farm.layout import Column, Layout
from manyscale.bridges.farm.members import Outcome, Task, joined
from manyscale.contract.fields import Array, Field
from manyscale.contract.messages import Contact
from manyscale.contract.model import ScaleModel
from manyscale.contract.state import pack, unpack

_ONE = Field("identity", "1", "member", dtype="int64")
_WORDS = {
    "words": Field("identity", "1", "word", dtype="int64", optional=True),
    "sizes": Field("count", "1", "kept", dtype="int64", optional=True),
}
_STACKED = -1  # size of a State that lies with others of a batched model under the first of them


def asked(layout: Layout) -> dict[str, Field]:
    """Return the fields of a message to a worker."""
    return {
        "member": _ONE,
        "seed": _ONE,
        "fidelity": replace(_ONE, dtype="int32"),
        "settings": Field("identity", dtype="str"),
        "watched": Field("identity", dtype="bool"),
        **{f"in_{c.name}": _loose(c, "member") for c in layout.inputs},
        **_WORDS,
    }


def told(layout: Layout) -> dict[str, Field]:
    """Return the fields of a message from a worker."""
    return {
        "row": Field("identity", "1", "done", dtype="int64"),
        "now": Field("time", "s"),
        "cost": Field("time", "s", "member"),
        "failures": Field("identity", dtype="str"),
        "seeded": Field("identity", dtype="bool"),
        **{_out(c): _loose(c, "done") for c in layout.answers},
        **_WORDS,
    }


def _loose(column: Column, axis: str) -> Field:
    """Return a field of a column, as any member may have it; what it must be is checked later."""
    field = column.declared
    if column.text:
        return replace(field, optional=True)
    inner = "..." if field.shape is None else " ".join(f"of_{a.name}" for a in field.shape)
    axes = inner if inner == "..." else f"{axis} {inner}".strip()
    return Field(field.quantity, field.unit, axes, field.dtype, optional=True, finite=False)


def _out(column: Column) -> str:
    return f"out_{column.name.replace('.', '_')}"


def order(work: Call, rows: Array, keeps: bool, settings: str, watched: bool) -> dict[str, Any]:
    """Return the message that asks a worker for some rows of a call."""
    task = work.task.rows(rows)
    message = {
        "member": task.ids,
        "seed": task.seeds,
        "fidelity": work.fidelity[rows],
        "settings": settings,
        "watched": watched,
        **{f"in_{name}": value for name, value in task.columns.items()},
    }
    if keeps:
        kept, known = work.base.of(work.donor[rows], work.stacked)
        message |= _packed(kept, known)
    return message


def tasks_of(
    contact: Contact, model: type[ScaleModel], held: Mapping[str, Contact]
) -> list[tuple[Array, Task]]:
    """Return the tasks of a message to a worker, each with its rows."""
    fields = contact.fields
    columns = {n.removeprefix("in_"): v for n, v in fields.items() if n.startswith("in_")}
    whole = Task(
        fields["member"],
        fields["seed"],
        columns,
        contact.time,
        contact.next_time,
        contact.window,
        contact.iteration,
        held=held,
        watched=fields["watched"],
    )
    known, states = _unpacked(fields, model, len(whole.ids))
    found = []
    for level in np.unique(fields["fidelity"]).tolist():
        mine = np.flatnonzero(fields["fidelity"] == level)
        for old in (True, False):
            rows = mine[known[mine] == old]
            if len(rows):
                task = replace(whole.rows(rows), fidelity=level)
                found.append((rows, replace(task, kept=states if old else None)))
    if isinstance(states, list):  # of members one by one: each its own, or None
        found = [(rows, replace(task, kept=[states[i] for i in rows])) for rows, task in found]
    return found


def report(parts: Sequence[tuple[Array, Outcome]], count: int, layout: Layout) -> dict[str, Any]:
    """Return the message that tells what became of all rows (n,)."""
    outcome = joined(parts, count) if parts else _nothing()
    states = outcome.states
    known = np.ones(len(outcome.rows), dtype=bool)
    message = {
        "row": outcome.rows.astype(np.int64),
        "now": max(float(outcome.now), np.finfo(float).min),
        "cost": outcome.cost,
        "failures": json.dumps({str(i): why for i, why in outcome.failures.items()}),
        "seeded": bool(outcome.seeded),
    }
    for column in layout.answers:
        if column.name in outcome.columns:
            message[_out(column)] = outcome.columns[column.name]
    return message | (_packed(states, known) if states is not None and len(known) else {})


def outcome_of(contact: Contact, layout: Layout) -> Outcome:
    """Return what a worker told."""
    fields = contact.fields
    columns = {c.name: fields[_out(c)] for c in layout.answers if _out(c) in fields}
    _, states = _unpacked(fields, layout.model, len(fields["row"]))
    failures = {int(i): why for i, why in json.loads(fields["failures"]).items()}
    rows = fields["row"].astype(np.intp)
    keeps = layout.model.keeps_state and len(rows)
    return Outcome(
        rows, columns, states if keeps else None, fields["now"], fields["cost"], failures,
        fields["seeded"],
    )  # fmt: skip


def _nothing() -> Outcome:
    return Outcome(np.zeros(0, np.intp), {}, None, float("-inf"), np.zeros(0))


def _packed(states: Any, known: Array) -> dict[str, Array]:
    """Return States as words, and how many bytes each has; 0 where there is none."""
    sizes = np.zeros(len(known), dtype=np.int64)
    if isinstance(states, list):
        parts = [b"" if state is None else pack(state) for state in states]
        sizes[:] = [len(part) for part in parts]
        data = b"".join(parts)
    else:
        data = b"" if states is None else pack(states)
        sizes[known] = _STACKED
        if known.any():
            sizes[np.flatnonzero(known)[0]] = len(data)
    padded = data + bytes(-len(data) % 8)
    return {"words": np.frombuffer(padded, dtype=np.int64), "sizes": sizes}


def _unpacked(fields: Mapping[str, Any], model: type[ScaleModel], count: int) -> tuple[Array, Any]:
    """Return for whom (n,) there is a State, and the States."""
    if "sizes" not in fields:
        return np.zeros(count, dtype=bool), None
    sizes, data = fields["sizes"], np.ascontiguousarray(fields["words"]).tobytes()
    known = sizes != 0
    if model.batched:
        return known, unpack(model.State, data[: sizes.max(initial=0)]) if known.any() else None
    ends = np.cumsum(sizes)
    parts = [
        data[end - size : end] for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)
    ]
    return known, [unpack(model.State, part) if part else None for part in parts]
