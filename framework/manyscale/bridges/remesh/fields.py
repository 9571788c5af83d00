"""Takes the fields of a message to another mesh, and refuses what cannot go there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from manyscale.bridges.remesh.kernel import Flags, Weights, covered, remap

_MASK = "_mask"


@dataclass(frozen=True)
class Rule:
    """How cells that are covered in part or not at all get their values."""

    normalise: str
    outside: str
    fill_value: float


def carried(
    weights: Weights, fields: Mapping[str, Any], totals: Collection[str], rule: Rule
) -> dict[str, Any]:
    """Return all fields of a message on the target cells; numbers and text go as they are.

    A bool field `T_mask` beside a field `T` says which source cells do not count; the answer says
    in it which target cells got nothing.

    Raises
    ------
    ValueError
        For values that are not one real number per cell or more, that are not finite, and for
        target cells outside the source if that is an error.
    """
    answer: dict[str, Any] = {}
    for name, value in fields.items():
        if np.ndim(value) == 0:
            answer[name] = value
        elif not _is_mask(name, fields):
            mask = _mask(name, fields, len(weights.source))
            _refuse_bad(name, np.asarray(value), mask)
            empty = covered(weights, mask) <= 0.0
            if rule.outside == "error":
                _refuse_outside(name, weights)
            mapped = remap(weights, value, mask, name in totals, rule.normalise)
            mapped[empty] = rule.fill_value
            answer[name] = mapped.astype(value.dtype, copy=False)
            if name + _MASK in fields:
                answer[name + _MASK] = empty
    return answer


def _is_mask(name: str, fields: Mapping[str, Any]) -> bool:
    return name.endswith(_MASK) and np.ndim(fields.get(name.removesuffix(_MASK), 0.0)) > 0


def _mask(name: str, fields: Mapping[str, Any], cells: int) -> Flags:
    shape = np.shape(fields[name])
    if shape[0] != cells:
        raise ValueError(
            f"field {name} has {shape[0]} values along its first axis, but its mesh {cells} cells:"
            " only fields with a value for each cell are mapped"
        )
    mask = np.asarray(fields.get(name + _MASK, np.zeros(cells, dtype=bool)))
    if mask.dtype != np.bool_ or mask.shape != (cells,):
        raise ValueError(
            f"field {name}{_MASK} is {mask.dtype} {mask.shape}, expected bool ({cells},)"
        )
    return mask


def _refuse_bad(name: str, value: Any, mask: Flags) -> None:
    if value.dtype.kind != "f":
        raise ValueError(f"field {name} is {value.dtype}: only real numbers can be mixed by area")
    finite = np.isfinite(value).reshape(len(value), -1).all(axis=1) | mask
    if not finite.all():
        raise ValueError(
            f"field {name} is not finite in {int((~finite).sum())} cells, the first is"
            f" {int(np.argmin(finite))}: send a bool field {name}{_MASK} beside it"
        )


def _refuse_outside(name: str, weights: Weights) -> None:
    outside = np.diff(weights.common.indptr) == 0
    if outside.any():
        raise ValueError(
            f"field {name} has no source for {int(outside.sum())} of {len(outside)} target cells,"
            f" the first is {int(np.argmax(outside))}: they lie outside the source mesh; set"
            " outside: fill"
        )
