"""Fields: the named arrays and numbers of a message, and the check of what arrives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from manyscale.contract.distribution import ROOT, Held
from manyscale.contract.quantities import DIFFERENCES
from manyscale.contract.refusal import Refused, nearest
from manyscale.contract.units import affine

Array = NDArray[Any]

DTYPES = ("float64", "float32", "int64", "int32", "bool", "str")
RESERVED = frozenset({"time", "next_time", "window", "iteration", "fields", "meshes"})
_FEW = 32  # numbers that are looked at one by one
_SCALARS: dict[str, type] = {"f": float, "i": int, "b": bool, "s": str}


@dataclass(frozen=True)
class Axis:
    """One axis of a field: its name, and its length if that is fixed or a setting."""

    name: str
    length: int | None = None
    setting: str = ""


@dataclass(frozen=True)
class Field:
    """A named number or array: what it means, in which unit, on which axes.

    `axes`: `""` a scalar, `"x"` any length, `"xyz=3"` fixed, `"x=cells"` the setting `cells`,
    `"..."` any rank. Axes of one name have one length within a message. A one-dimensional
    field named like its axis is the coordinate of that axis.
    """

    quantity: str
    unit: str = "1"
    axes: str = ""
    dtype: str = "float64"
    optional: bool = False
    finite: bool = True
    extensive: bool = False
    tensor: Literal["", "full", "voigt", "mandel"] = ""
    shear_factor: float = 1.0
    frame: str = ""
    mesh: str = ""
    location: Literal["", "cell", "vertex", "edge", "point"] = ""
    held: Held = ROOT

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise TypeError(
                f"Field dtype {self.dtype!r} cannot travel.{nearest(self.dtype, DTYPES)}"
            )
        if self.dtype == "str" and self.axes:
            raise TypeError("Only a scalar field may be a str.")
        if bool(self.mesh) != bool(self.location):
            raise TypeError("A field on a mesh names both `mesh` and `location`.")
        if self.held.how == "block" and self.held.axis not in [a.name for a in self.shape or ()]:
            raise TypeError(
                f"A field in blocks along {self.held.axis!r} has no such axis in {self.axes!r}."
            )

    @cached_property
    def shape(self) -> tuple[Axis, ...] | None:
        """The declared axes; None for any rank."""
        if self.axes == "...":
            return None
        return tuple(_axis(text) for text in self.axes.split())

    @cached_property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The dtype of arrays of this field."""
        return np.dtype(self.dtype)

    def line_from(self, unit: str) -> tuple[float, float]:
        """Return (a, b) of the conversion from `unit` to the declared unit."""
        return affine(unit, self.unit, self.quantity in DIFFERENCES)


def _axis(text: str) -> Axis:
    name, equals, size = text.partition("=")
    if not equals:
        return Axis(name)
    return Axis(name, int(size)) if size.isdigit() else Axis(name, setting=size)


def converted(
    field: Field,
    name: str,
    value: Any,
    unit: str | None,
    lengths: dict[str, int],
    settings: Mapping[str, int],
    *,
    known_finite: bool = False,
) -> Any:
    """Return `value` as the declaration promises it, in the declared unit, or refuse it.

    `lengths` collects the axes of one message; `settings` are the whole-number settings that
    axes may name; `known_finite` says that its numbers have been looked at already. Errors start
    with the field's name; the port adds where it was.
    """
    if field.shape == ():
        return _scalar(field, name, value, unit)
    if isinstance(value, np.ma.MaskedArray):
        raise Refused(f"{name} is masked; fill it and send the mask as a bool field beside it.")
    array = np.asarray(value)
    if array.dtype != field.numpy_dtype:
        raise Refused(f"{name} is {array.dtype}, expected {field.dtype}.")
    if field.shape is not None:
        _compare_axes(field.shape, name, array, lengths, settings)
    look = field.finite and field.dtype[0] == "f" and not known_finite
    if look and not all_finite(array):
        raise Refused(f"{name} has {_not_finite(array)}, expected finite numbers.")
    if unit is None or unit == field.unit:
        return array
    a, b = _line(field, name, unit)
    changed = (a * array + b if b else a * array).astype(field.numpy_dtype, copy=False)
    if field.finite and not all_finite(changed):
        raise Refused(f"{name} is too large for '{field.unit}', converted from '{unit}'.")
    return changed


def _scalar(field: Field, name: str, value: Any, unit: str | None) -> Any:
    kind = field.dtype[0]
    wanted: Any = _SCALARS[kind]
    if type(value) is not wanted:
        if isinstance(value, (np.generic, np.ndarray)) and np.ndim(value) == 0:
            value = value.item()
        if kind == "f" and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            found = f"an array {np.shape(value)}" if np.ndim(value) else type(value).__name__
            raise Refused(f"{name} is {found}, expected one {wanted.__name__}.")
    if kind == "i" and not -(2**63) <= value < 2**63:
        raise Refused(f"{name} is {value}, expected a whole number of 64 bits.")
    if kind == "f" and field.finite and not math.isfinite(value):
        raise Refused(f"{name} is {value}, expected a finite number.")
    if unit is None or unit == field.unit:
        return value
    a, b = _line(field, name, unit)
    changed = a * value + b
    if field.finite and not math.isfinite(changed):
        raise Refused(f"{name} is too large for '{field.unit}', converted from '{unit}'.")
    return changed


def _line(field: Field, name: str, unit: str) -> tuple[float, float]:
    if field.dtype[0] != "f":
        raise Refused(
            f"{name} is {field.dtype} in '{unit}', expected '{field.unit}';"
            " only real numbers are converted."
        )
    return field.line_from(unit)


def _compare_axes(
    shape: tuple[Axis, ...],
    name: str,
    array: Array,
    lengths: dict[str, int],
    settings: Mapping[str, int],
) -> None:
    if array.ndim != len(shape):
        wanted = " ".join(axis.name for axis in shape)
        raise Refused(f"{name} has {array.ndim} axes, expected {len(shape)} ({wanted}).")
    for axis, length in zip(shape, array.shape, strict=True):
        fixed = settings[axis.setting] if axis.setting else axis.length
        wanted_length = lengths.setdefault(axis.name, length if fixed is None else fixed)
        if wanted_length != length:
            why = f" (the setting {axis.setting})" if axis.setting else ""
            raise Refused(f"{name} has {length} along {axis.name}, expected {wanted_length}{why}.")


def all_finite(array: Array) -> bool:
    """Return whether no element is NaN or infinite, in one pass without a temporary array."""
    if array.size <= _FEW:
        return all(map(math.isfinite, array.ravel().tolist()))
    # a finite sum proves finite terms; where finite ones overflow, each is looked at
    with np.errstate(invalid="ignore", over="ignore"):
        finite = math.isfinite(np.add.reduce(array, axis=None))
    return finite or bool(np.isfinite(array).all())


def _not_finite(array: Array) -> str:
    bad = ~np.isfinite(array)
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{int(bad.sum())} values that are not finite, the first at index {list(first)}"
