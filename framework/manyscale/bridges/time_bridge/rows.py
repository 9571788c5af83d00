"""Named arrays as one row of numbers and back, so that every field is treated alike."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
MASK, RATE = "_mask", "_rate"


class Column(NamedTuple):
    """Where a field stands in a row."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    first: int
    behind: int
    mask: str
    """Name of the field that masks it, empty for none."""
    rate: str
    """Name of the field that is its derivative, empty for none."""
    factor: float
    """What makes the rate one in the unit of the field per second."""


@lru_cache(maxsize=64)
def columns(layout: str) -> tuple[Column, ...]:
    """Return the columns that a layout describes."""
    found, first = [], 0
    for name, shape, dtype, mask, rate, factor in json.loads(layout)["fields"]:
        behind = first + math.prod(shape)
        found.append(Column(name, tuple(shape), dtype, first, behind, mask, rate, factor))
        first = behind
    return tuple(found)


def layout(fields: Mapping[str, Any], many: bool, factors: Mapping[str, float] | None) -> str:
    """Return what must be known to read rows of these fields.

    Parameters
    ----------
    fields
        Arrays and numbers by name.
    many
        Whether the first axis counts samples.
    factors
        By name of a field: what makes its rate `<name>_rate` one in the unit of the field per
        second. None: a field of such a name is one like others.

    Raises
    ------
    ValueError
        For what has no value between two samples, for a rate that is missing and for a rate or
        a mask of another shape.
    """
    kinds = tuple((name, np.shape(value), _kind(value)) for name, value in fields.items())
    return _layout(kinds, many, None if factors is None else tuple(factors.items()))


@lru_cache(maxsize=64)
def _layout(
    kinds: tuple[tuple[str, tuple[int, ...], Any], ...],
    many: bool,
    factors: tuple[tuple[str, float], ...] | None,
) -> str:
    shapes = {name: shape for name, shape, _ in kinds}
    rates = set() if factors is None else {name + RATE for name in shapes}
    own = []
    for name, shape, dtype in kinds:
        if name in rates:
            continue
        kind = dtype.__name__ if isinstance(dtype, type) else str(dtype)
        is_mask = name.endswith(MASK) and name[: -len(MASK)] in shapes
        if not (kind.startswith("float") or (is_mask and kind == "bool")):
            raise ValueError(f"{name} is {kind}; only real numbers have values between two samples")
        mask = name + MASK if name + MASK in shapes else ""
        rate = name + RATE if factors is not None and not is_mask else ""
        if rate and rate not in shapes:
            raise ValueError(f"the mode hermite needs {rate}, the derivative of {name}")
        for other in filter(None, (mask, rate)):
            if shapes[other] != shape:
                raise ValueError(
                    f"{other} is {shapes[other]}, but {name} is {shape}; give both one"
                )
        factor = dict(factors)[name] if rate and factors is not None else 1.0
        own.append([name, shape[many:], kind, mask, rate, factor])
    return json.dumps({"many": many, "fields": own})


def _kind(value: Any) -> Any:
    return value.dtype if isinstance(value, np.ndarray) else type(value)


def packed(layout: str, fields: Mapping[str, Any], samples: int) -> Array:
    """Return the fields as rows (sample, number); of one float64 array a view, no copy.

    Masked values count as 0. Raises `ValueError` for NaN elsewhere.
    """
    parts = []
    for column in columns(layout):
        value = np.asarray(fields[column.name])
        if column.mask:
            value = np.where(fields[column.mask], 0.0, value)
        if not _finite(value):
            raise ValueError(
                f"{column.name} has values that are not finite; send a bool field"
                f" {column.name}{MASK} with it if these are to be left out"
            )
        if len(column.shape) < value.ndim and len(value) != samples:
            raise ValueError(f"{column.name} has {len(value)} samples at {samples} times")
        parts.append(value.reshape(samples, -1))
    if len(parts) == 1:
        return np.asarray(parts[0], np.float64)
    return np.concatenate(parts, axis=1, dtype=np.float64)


def packed_rates(layout: str, fields: Mapping[str, Any], samples: int) -> Array:
    """Return the rates as rows (sample, number) in unit/s; masks have the rate 0."""
    parts = []
    for column in columns(layout):
        if not column.rate:
            parts.append(np.zeros((samples, column.behind - column.first)))
            continue
        value = column.factor * np.asarray(fields[column.rate])
        if column.mask:
            value = np.where(fields[column.mask], 0.0, value)
        if not _finite(value):
            raise ValueError(f"{column.rate} has values that are not finite")
        parts.append(value.reshape(samples, -1))
    return np.concatenate(parts, axis=1, dtype=np.float64)


def unpacked(layout: str, found: Array, rates: Array | None = None) -> dict[str, Any]:
    """Return rows (sample, number) as named fields; one row as it was if there were not many.

    What was masked in any sample that counted is masked, and 0. With rows of `rates`, these come
    as `<name>_rate` in the unit they had.
    """
    many = bool(json.loads(layout)["many"])
    fields: dict[str, Any] = {}
    for column in columns(layout):
        values = _cut(found, column, many)
        masked = None
        if column.mask:
            (mask,) = (c for c in columns(layout) if c.name == column.mask)
            masked = _cut(found, mask, many) != 0.0
        fields[column.name] = _as_sent(values, column, masked)
        if rates is not None and column.rate:
            slope = _cut(rates, column, many) / column.factor
            fields[column.rate] = _as_sent(slope, column, masked)
    return fields


def _cut(found: Array, column: Column, many: bool) -> Array:
    values = found[:, column.first : column.behind]
    return values.reshape(len(found), *column.shape) if many else values.reshape(column.shape)


def _as_sent(values: Array, column: Column, masked: Array | None) -> Any:
    if column.dtype == "bool":
        values = values != 0.0
    elif column.dtype != "float":
        values = values.astype(column.dtype, copy=False)
    if masked is not None:
        values = np.where(masked, values.dtype.type(0.0), values)
    return values if values.ndim else values.item()


def _finite(value: Array) -> bool:
    return math.isfinite(np.add.reduce(value, axis=None)) or bool(np.isfinite(value).all())
