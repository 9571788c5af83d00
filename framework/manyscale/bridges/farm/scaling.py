"""Inputs and answers as points: each field divided by what counts as one unit of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from manyscale.bridges.farm.layout import Column
from manyscale.contract.fields import Array
from manyscale.contract.refusal import Refused, nearest
from manyscale.contract.units import affine


def amounts(text: str, columns: Sequence[Column], setting: str) -> dict[str, float]:
    """Return amounts by column of `name number unit; ...`, in the unit of the field.

    Raises `Refused` for an unknown name, an amount that is not positive or another unit.
    """
    known = {c.name.rpartition(".")[2]: c for c in reversed(columns) if not c.text}
    known |= {c.name: c for c in columns if not c.text}
    found = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        name, number, *unit = [*entry.split(maxsplit=2), ""]
        unit = [word for word in unit if word]
        if name not in known:
            raise Refused(f"Setting {setting}: no field is called {name!r}.{nearest(name, known)}")
        try:
            amount = float(number)
        except ValueError:
            amount = 0.0
        if unit:
            amount *= affine(unit[0], known[name].declared.unit, difference=True)[0]
        if not 0.0 < amount < float("inf"):
            raise Refused(f"Setting {setting}: {entry!r} gives no positive amount.")
        found[known[name].name] = amount
    return found


def points(
    values: Mapping[str, Any], columns: Sequence[Column], scales: Mapping[str, float], count: int
) -> Array:
    """Return the numbers of all columns that are there, scaled, one row per member (n, p)."""
    parts = [
        np.asarray(values[c.name], dtype=np.float64).reshape(count, -1) / scales.get(c.name, 1.0)
        for c in columns
        if not c.text and c.name in values
    ]
    return np.concatenate([np.zeros((count, 0)), *parts], axis=1)


def columns_of(
    reals: Array, others: Array, like: Mapping[str, Any], columns: Sequence[Column],
    scales: Mapping[str, float],
) -> dict[str, Any]:  # fmt: skip
    """Return the answers that scaled real numbers (m, q) and others (m, r) stand for.

    `like` is an answer of one member, with the shapes and types of all.
    """
    found: dict[str, Any] = {}
    used = {True: 0, False: 0}
    for column in columns:
        template = like.get(column.name)
        if template is None or isinstance(template, str):
            found |= {} if template is None else {column.name: template}
            continue
        real, size = is_real(column), template[0].size
        part = (reals if real else others)[:, used[real] : used[real] + size]
        used[real] += size
        whole = part * scales.get(column.name, 1.0) if real else np.rint(part)
        found[column.name] = whole.reshape(-1, *template.shape[1:]).astype(template.dtype)
    return found


def is_real(column: Column) -> bool:
    """Whether a column has real numbers, which can be interpolated."""
    return column.declared.dtype.startswith("float")
