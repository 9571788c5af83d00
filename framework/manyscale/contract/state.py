"""State: what a model remembers, as data that can be kept, packed, moved and rewound."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self, dataclass_transform

import msgpack
import numpy as np

from manyscale.contract.refusal import Refused

_PLAIN = (bool, int, float, str, bytes)


@dataclass_transform(frozen_default=True, kw_only_default=True)
class State:
    """Base of every model's `class State(ms.State)`: arrays, numbers, text, bytes, None.

    A mapping from key to State is allowed too (farms); the model names their class `Member`.
    Arrays hold no Python objects.
    """

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, kw_only=True, eq=False)(cls)

    def but(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]


def fields_of(state: Any) -> dict[str, Any]:
    """Return the fields of a State by name."""
    return {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}


def freeze(state: Any) -> Any:
    """Make the arrays of a State read-only, so that no operator changes them."""
    for value in fields_of(state).values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
        elif isinstance(value, Mapping):
            for member in value.values():
                _freeze_member(member)
    return state


def _freeze_member(member: Any) -> None:
    if isinstance(member, np.ndarray):
        member.setflags(write=False)
    elif dataclasses.is_dataclass(member):
        freeze(member)


def pack(state: Any) -> bytes:
    """Return a State as msgpack: scalars as they are, arrays as dtype, shape and bytes.

    Raises `TypeError` naming a field that holds anything else.
    """
    packed = {name: packed_value(name, value) for name, value in fields_of(state).items()}
    return bytes(msgpack.packb(packed))


def packed_value(name: str, value: Any) -> Any:
    """Return one value of a State as msgpack carries it."""
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.hasobject:
            raise TypeError(f"State.{name} is an array of Python objects; use numbers.")
        array = np.asarray(value)
        # 1 GiB pieces: one msgpack bin ends at 4 GiB
        # as it lies in memory: that order decides the order of sums
        axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        moved = not array.flags.c_contiguous and axes != sorted(axes)
        array = array.transpose(axes) if moved else array
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        pieces = [bytes(data[i : i + 2**30]) for i in range(0, len(data), 2**30)]
        is_array = isinstance(value, np.ndarray)
        shape = array.shape if is_array else None
        found = {"dtype": array.dtype.str, "shape": shape, "": pieces}
        return {**found, "axes": axes} if moved else found
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        for member in value.values():
            if not dataclasses.is_dataclass(member):
                raise TypeError(
                    f"State.{name} is a mapping that holds a {type(member).__name__}, expected"
                    " States of the class `Member` of the model."
                )
        return {"members": [[key, pack(member)] for key, member in value.items()]}
    raise TypeError(
        f"State.{name} is a {type(value).__name__};"
        " a State holds arrays, numbers, text, bytes, None and mappings of States."
    )


def unpack(
    cls: Any,
    data: bytes,
    member: Any = None,
    migrate: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None,
) -> Any:
    """Read `pack`'s bytes back into the State class `cls` (`member`: class of its mappings).

    `migrate` turns the fields of an older version into today's. Raises `Refused` naming both
    lists if the fields are others.
    """
    raw = msgpack.unpackb(data, strict_map_key=False)
    fields: Mapping[str, Any] = {name: unpacked_value(v, member) for name, v in raw.items()}
    if migrate is not None:
        fields = migrate(dict(fields))
    names = [f.name for f in dataclasses.fields(cls)]
    if sorted(fields) != sorted(names):
        raise Refused(
            f"The snapshot holds {sorted(fields)}, {cls.__qualname__} needs {sorted(names)};"
            " write a `migrate` for it or start anew."
        )
    return cls(**fields)


def unpacked_value(value: Any, member: Any = None) -> Any:
    """Return one value of a State from what `packed_value` made of it."""
    if not isinstance(value, dict):
        return value
    if "members" in value:
        if member is None and value["members"]:
            raise Refused("The State has a mapping of States; name their class `Member`.")
        # msgpack makes tuples lists
        return {
            tuple(key) if isinstance(key, list) else key: unpack(member, data)
            for key, data in value["members"]
        }
    array = np.frombuffer(b"".join(value[""]), value["dtype"])
    if value["shape"] is None:
        return array[0]
    array = array.reshape(value["shape"])
    if "axes" in value:
        array = array.transpose(np.argsort(value["axes"]))
    array.setflags(write=False)
    return array


def same(one: Any, other: Any) -> bool:
    """Return whether two States hold the same bits."""
    return type(one) is type(other) and pack(one) == pack(other)
