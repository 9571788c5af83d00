"""Fields of messages as one vector: what is relaxed, what is masked, what is only passed on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

MASK = "_mask"


class Part(NamedTuple):
    """One field of a message and where it came from."""

    port: str
    name: str
    unit: str
    dtype: str
    shape: list[int]
    text: str | None = None

    @property
    def relaxed(self) -> bool:
        """Whether the field is a number to be found; others are passed on as they came."""
        return self.dtype.startswith("float")

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return int(np.prod(self.shape, dtype=np.int64))


class Layout(NamedTuple):
    """The parts in their order, and what is passed on as bytes one after the other."""

    parts: list[Part]
    carried: bytes

    @property
    def relaxed(self) -> list[Part]:
        """The fields that make up the vector, in its order."""
        return [part for part in self.parts if part.relaxed]

    def text(self) -> str:
        """Return the parts as JSON."""
        return json.dumps([list(part) for part in self.parts])


def read(text: str, carried: bytes) -> Layout:
    """Return the layout that `Layout.text` wrote."""
    return Layout([Part(*row) for row in json.loads(text)], carried)


def taken(
    messages: Mapping[str, tuple[Mapping[str, Any], Mapping[str, str]]],
) -> tuple[Layout, Array, Array]:
    """Return (layout, values, active) of messages by port, each (fields, units).

    values (n,) float64 has all fields to be relaxed; active (n,) bool is False where a bool
    field `<name>_mask` of the same shape masks them.
    """
    parts, carried, values, active = [], [], [np.empty(0)], [np.empty(0, np.bool_)]
    for port, (fields, units) in messages.items():
        for name, value in sorted(fields.items()):
            part = _part(port, name, units[name], value)
            parts.append(part)
            if part.relaxed:
                values.append(np.asarray(value, np.float64).ravel())
                mask = fields.get(name + MASK, np.zeros(part.shape, np.bool_))
                if np.shape(mask) != tuple(part.shape):
                    raise ValueError(
                        f"{port}: {name}{MASK} has the shape {list(np.shape(mask))},"
                        f" expected {part.shape} as {name}"
                    )
                active.append(~np.asarray(mask, np.bool_).ravel())
            elif part.text is None:
                carried.append(np.ascontiguousarray(value).tobytes())
    layout = Layout(parts, b"".join(carried))
    return layout, np.concatenate(values), np.concatenate(active)


def _part(port: str, name: str, unit: str, value: Any) -> Part:
    if isinstance(value, str):
        return Part(port, name, unit, "str", [], value)
    array = np.asarray(value)
    return Part(port, name, unit, str(array.dtype), list(array.shape))


def offsets(layout: Layout, active: Array) -> Array:
    """Return where the fields begin and end among the active numbers: (field + 1,) int64."""
    ends = np.cumsum([0, *(part.size for part in layout.relaxed)])
    counts = [int(active[a:b].sum()) for a, b in pairwise(ends)]
    return np.cumsum([0, *counts]).astype(np.int64)


def answered(
    layout: Layout,
    came: Mapping[str, tuple[Mapping[str, Any], Mapping[str, str]]],
    names: Mapping[str, str],
    line: Callable[[str, str], tuple[float, float]],
) -> Array:
    """Return the relaxed fields (n,) of answers, in the units of the first guess.

    `came` has (fields, units) by the port of the first guess, `names` the port of the answer,
    `line(have, want)` the slope and offset between two units.
    """
    values = []
    for part in layout.relaxed:
        fields, units = came[part.port]
        if part.name not in fields:
            raise ValueError(
                f"{names[part.port]} brings {sorted(fields)} without {part.name!r}, which"
                f" {part.port} began with: the answer must have the fields of the first guess"
            )
        value = np.asarray(fields[part.name], np.float64)
        if list(value.shape) != part.shape:
            raise ValueError(
                f"{names[part.port]}: {part.name} has the shape {list(value.shape)}, expected"
                f" {part.shape} as on {part.port}; put a regridding bridge between"
            )
        try:
            a, b = line(units[part.name], part.unit)
        except ValueError as exc:
            raise ValueError(f"{names[part.port]}: {part.name}: {exc}") from None
        values.append((a * value + b if (a, b) != (1.0, 0.0) else value).ravel())
    return np.concatenate(values)


def not_finite(layout: Layout, values: Array, active: Array) -> str:
    """Return which active numbers are not finite in words, empty if all are."""
    at = 0
    for part in layout.relaxed:
        bad = ~np.isfinite(values[at : at + part.size]) & active[at : at + part.size]
        at += part.size
        if bad.any():
            first = [int(i) for i in np.unravel_index(int(np.argmax(bad)), part.shape or [1])]
            many = int(bad.sum())
            return f"{part.name} has {many} value{'s' * (many > 1)} not finite, first at {first},"
    return ""


def scales_of(layout: Layout, text: str) -> tuple[float, ...]:
    """Return the scale of every relaxed field from 'field value; field value'; () for ''."""
    if not text.strip():
        return ()
    names = [part.name for part in layout.relaxed]
    given: dict[str, float] = {}
    for entry in filter(None, map(str.strip, text.split(";"))):
        name, _, value = entry.partition(" ")
        if name not in names:
            raise ValueError(f"names {name!r}, which is none of {names}")
        if name in given:
            raise ValueError(f"names {name!r} twice; give one scale for each field")
        try:
            given[name] = float(value)
        except ValueError:
            given[name] = 0.0
        if not 0.0 < given[name] < np.inf:
            raise ValueError(f"gives {name} {value!r}, expected a positive number")
    if missing := [name for name in names if name not in given]:
        raise ValueError(f"gives no scale for {missing}; name every field or none")
    return tuple(given[name] for name in names)


def messages(layout: Layout, values: Array) -> dict[str, dict[str, Any]]:
    """Return the fields by port with the relaxed ones from `values` (n,)."""
    found: dict[str, dict[str, Any]] = {}
    at = begin = 0
    for part in layout.parts:
        if part.relaxed:
            value: Any = values[at : at + part.size].astype(part.dtype).reshape(part.shape)
            at += part.size
        elif part.text is not None:
            value = part.text
        else:
            flat = np.frombuffer(layout.carried, part.dtype, part.size, begin)
            value, begin = flat.reshape(part.shape), begin + flat.nbytes
        found.setdefault(part.port, {})[part.name] = value if part.shape else _plain(value)
    return found


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else value.item()
