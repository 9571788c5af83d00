"""What the trigger knows of the fields that come: values, rates, dense output and masks by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manyscale.bridges.event_trigger import kernel
from manyscale.bridges.event_trigger.expression import near

Floats = NDArray[np.float64]
Conversions = Mapping[str, tuple[float, float, float]]
"""By field (a, b, c): value a x + b, rate c x', in the units of the expression, per second."""

RATE, DENSE, MASK = "_rate", "_dense", "_mask"


@dataclass(frozen=True)
class Quantity:
    """One field at the ends of a step, in the units of the expression.

    Shapes: before, after and rates alike; nodes (node, ...) of the same after the first axis.
    """

    before: Floats
    after: Floats
    rates: tuple[Floats, Floats] | None  # per step
    nodes: Floats | None

    def at(self, s: Floats) -> Floats:
        """Return the field at parts of the step, (sample, ...)."""
        if self.nodes is not None:
            return kernel.polynomial(s, self.nodes)
        if self.rates is not None:
            return kernel.hermite(s, self.before, self.after, *self.rates)
        return kernel.linear(s, self.before, self.after)


def quantity(
    name: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    step: float,
    line: tuple[float, float, float],
) -> Quantity:
    """Return a field over a step of so many seconds, masked cells as NaN.

    Raises ValueError for a field that is missing, not finite or changes its shape.
    """
    a, b, c = line
    ends = [a * clean(name, part) + b for part in (before, after)]
    if ends[0].shape != ends[1].shape:
        raise ValueError(
            f"{name} changes its shape from {ends[0].shape} to {ends[1].shape} within a step."
        )
    rates = nodes = None
    if name + DENSE in after:
        nodes = a * _nodes(name, after, ends[1].shape) + b
    elif name + RATE in after and name + RATE in before:
        first, last = (step * c * clean(name + RATE, p, name) for p in (before, after))
        if first.shape != ends[0].shape or last.shape != ends[0].shape:
            raise ValueError(
                f"{name}{RATE} has the shape {last.shape}, expected that of {name},"
                f" {ends[0].shape}."
            )
        rates = first, last
    return Quantity(ends[0], ends[1], rates, nodes)


def clean(name: str, fields: Mapping[str, Any], masked_like: str = "") -> Floats:
    """Return a field as float64 with NaN where its mask is true; refuse any other NaN."""
    owner = masked_like or name
    if name not in fields:
        known = [n for n in fields if not n.endswith((RATE, DENSE, MASK))]
        raise ValueError(f"There is no field {name!r} in what came.{near(name, known)}")
    if isinstance(fields[name], str):
        raise ValueError(f"{name} is a text; a condition looks at numbers.")
    values = np.asarray(fields[name], dtype=np.float64)
    mask = fields.get(owner + MASK)
    if mask is not None:
        if np.shape(mask) != values.shape:
            raise ValueError(f"{owner}{MASK} has the shape {np.shape(mask)}, not {values.shape}.")
        values = np.where(mask, np.nan, values)
    with np.errstate(over="ignore", invalid="ignore"):
        if math.isfinite(np.add.reduce(values, axis=None)):
            return values
    unfit = ~np.isfinite(values) if mask is None else ~(np.isfinite(values) | mask)
    if unfit.any():
        raise ValueError(
            f"{name} has {int(unfit.sum())} values that are not finite;"
            f" mask them with a bool field {owner}{MASK} beside it."
        )
    return values


def _nodes(name: str, after: Mapping[str, Any], shape: tuple[int, ...]) -> Floats:
    values = np.asarray(after[name + DENSE], dtype=float)
    if values.ndim != len(shape) + 1 or values.shape[1:] != shape or len(values) < 2:
        raise ValueError(
            f"{name}{DENSE} has the shape {values.shape}, expected (node, ...) with {shape} behind"
            " the first axis and two nodes or more."
        )
    mask = after.get(name + MASK)
    values = values if mask is None else np.where(mask, np.nan, values)
    if np.isinf(values).any() or (mask is None and np.isnan(values).any()):
        raise ValueError(f"{name}{DENSE} has values that are not finite.")
    return values


def at_crossing(
    s: float, before: Mapping[str, Any], after: Mapping[str, Any], per_step: Mapping[str, float]
) -> dict[str, Any]:
    """Return all fields at a part of the step, in the units they came in.

    Real numbers and their rates are interpolated, everything else is as it came after the step.
    `per_step`: by field with a rate, the step in the time unit of that rate.
    """
    found = dict(after)
    for name, value in after.items():
        if name.endswith((RATE, DENSE, MASK)) or not _interpolable(before.get(name), value):
            continue
        first, last = np.asarray(before[name]), np.asarray(value)
        step = per_step.get(name)
        if name + DENSE in after:
            found[name] = kernel.polynomial(np.array([s]), np.asarray(after[name + DENSE]))[0]
        elif step is None or np.shape(before[name + RATE]) != first.shape:
            found[name] = kernel.linear(np.array([s]), first, last)[0]
        else:
            rates = [step * np.asarray(part[name + RATE]) for part in (before, after)]
            found[name] = kernel.hermite(np.array([s]), first, last, *rates)[0]
            found[name + RATE] = kernel.hermite_rate(s, first, last, *rates) / step
    return {n: _as_it_came(v, after[n]) for n, v in found.items()}


def _interpolable(before: Any, after: Any) -> bool:
    kinds = {getattr(np.asarray(v).dtype, "kind", "") for v in (before, after)}
    return kinds == {"f"} and np.shape(before) == np.shape(after)


def _as_it_came(value: Any, like: Any) -> Any:
    if np.ndim(value) == 0:
        return value.item() if isinstance(value, (np.ndarray, np.generic)) else value
    return np.asarray(value).astype(np.asarray(like).dtype, copy=False)
