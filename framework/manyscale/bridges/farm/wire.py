"""Tasks and outcomes as bytes, for workers that are other processes.

MessagePack, as snapshots have it: numbers, text and raw arrays, nothing that could run when it is
read.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import msgpack
import numpy as np

from manyscale.bridges.farm.members import Outcome, Task
from manyscale.contract.meshes import Geometry
from manyscale.contract.messages import Contact
from manyscale.contract.model import ScaleModel
from manyscale.contract.state import pack, packed_value, unpack, unpacked_value

READY = {"ready": True}
"""What a worker says when it has set up its model."""
_LENGTH = struct.Struct("<Q")


def write_frame(pipe: BinaryIO, data: bytes) -> None:
    """Write one message to a pipe, buffered or not."""
    left = memoryview(_LENGTH.pack(len(data)) + data)
    while left:
        left = left[pipe.write(left) :]
    pipe.flush()


def read_frame(pipe: BinaryIO) -> bytes | None:
    """Read one message from a pipe, None if the other end is gone."""
    head = _read(pipe, _LENGTH.size)
    return None if head is None else _read(pipe, _LENGTH.unpack(head)[0])


def _read(pipe: BinaryIO, size: int) -> bytes | None:
    data = bytearray(size)
    left = memoryview(data)
    while left:
        count = pipe.readinto(left)  # type: ignore[attr-defined]
        if not count:
            return None
        left = left[count:]
    return bytes(data)


def sealed(data: Mapping[str, Any]) -> bytes:
    """Return plain data as bytes."""
    return bytes(msgpack.packb(data))


def opened(data: bytes) -> dict[str, Any]:
    """Return the plain data that was sealed."""
    found: dict[str, Any] = msgpack.unpackb(data, strict_map_key=False)
    return found


def packed_held(held: Mapping[str, Contact]) -> tuple[bytes, bytes]:
    """Return the messages that are the same for all members, and a digest of them."""
    data = sealed({port: _packed_contact(contact) for port, contact in held.items()})
    return data, hashlib.blake2b(data, digest_size=16).digest()


def unpacked_held(data: bytes) -> dict[str, Contact]:
    """Return the messages that `packed_held` packed."""
    return {port: _contact(one) for port, one in opened(data).items()}


def packed_task(task: Task) -> dict[str, Any]:
    """Return a task without what is held, as plain data."""
    return {
        "ids": packed_value("ids", task.ids),
        "seeds": packed_value("seeds", task.seeds),
        "columns": _packed_columns(task.columns),
        "time": [task.time, task.next_time, task.window, task.iteration],
        "fidelity": task.fidelity,
        "kept": packed_states(task.kept),
        "watched": task.watched,
    }


def unpacked_task(data: Mapping[str, Any], model: type[ScaleModel]) -> Task:
    """Return the task that `packed_task` packed."""
    when, next_time, window, iteration = data["time"]
    return Task(
        unpacked_value(data["ids"]),
        unpacked_value(data["seeds"]),
        _columns(data["columns"]),
        when,
        next_time,
        window,
        iteration,
        fidelity=data["fidelity"],
        kept=unpacked_states(data["kept"], model),
        watched=data["watched"],
    )


def packed_outcome(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as plain data."""
    return {
        "rows": packed_value("rows", outcome.rows),
        "columns": _packed_columns(outcome.columns),
        "states": packed_states(outcome.states),
        "now": outcome.now,
        "cost": packed_value("cost", outcome.cost),
        "failures": outcome.failures,
        "seeded": outcome.seeded,
    }


def unpacked_outcome(data: Mapping[str, Any], model: type[ScaleModel]) -> Outcome:
    """Return the outcome that `packed_outcome` packed."""
    return Outcome(
        unpacked_value(data["rows"]),
        _columns(data["columns"]),
        unpacked_states(data["states"], model),
        data["now"],
        unpacked_value(data["cost"]),
        data["failures"],
        data["seeded"],
    )


def sealed_columns(columns: Mapping[str, Any]) -> bytes:
    """Return arrays, numbers and texts by name as bytes."""
    return sealed(_packed_columns(columns))


def opened_columns(data: bytes) -> dict[str, Any]:
    """Return what `sealed_columns` sealed."""
    return _columns(opened(data))


def packed_states(states: Any) -> Any:
    """Return States as bytes: a list of them, one of a batched model, or None."""
    if isinstance(states, list):
        return [None if state is None else pack(state) for state in states]
    return None if states is None else pack(states)


def unpacked_states(data: Any, model: type[ScaleModel]) -> Any:
    """Return the States that `packed_states` packed."""
    if isinstance(data, list):
        return [None if one is None else unpack(model.State, one) for one in data]
    return None if data is None else unpack(model.State, data)


def _packed_columns(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: packed_value(name, value) for name, value in columns.items()}


def _columns(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: unpacked_value(value) for name, value in data.items()}


def _packed_contact(contact: Contact) -> dict[str, Any]:
    shapes = {
        name: {**shape.to_wire(), "arrays": _each(shape.arrays, lambda v: packed_value("", v))}
        for name, shape in contact.meshes.items()
    }
    return {
        "time": [contact.time, contact.next_time],
        "fields": _packed_columns(contact.fields),
        "window": [contact.window, contact.iteration],
        "meshes": shapes,
    }


def _contact(data: Mapping[str, Any]) -> Contact:
    shapes = {
        name: Geometry.from_wire({**shape, "arrays": _each(shape["arrays"], unpacked_value)})
        for name, shape in data["meshes"].items()
    }
    (when, next_time), (window, iteration) = data["time"], data["window"]
    return Contact(when, next_time, _columns(data["fields"]), window, iteration, shapes)


def _each(values: Mapping[str, Any], make: Callable[[Any], Any]) -> dict[str, Any]:
    return {name: make(np.asarray(v) if hasattr(v, "dtype") else v) for name, v in values.items()}
