"""Settings: typed, bounded, with units, read from `Annotated` class attributes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin, get_type_hints

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from manyscale.contract.refusal import Refused

TYPES: dict[Any, str] = {
    str: "str",
    int: "int",
    float: "float",
    bool: "bool",
    list[int]: "[int]",
    list[float]: "[float]",
    list[list[float]]: "[[float]]",
}
"""Types of settings and their yMMSL names."""

Bound = Ge | Gt | Le | Lt
_FULFILS: dict[type, tuple[str, Callable[[Any, Any], bool]]] = {
    Ge: (">=", lambda x, b: x >= b.ge),
    Gt: (">", lambda x, b: x > b.gt),
    Le: ("<=", lambda x, b: x <= b.le),
    Lt: ("<", lambda x, b: x < b.lt),
}


@dataclass(frozen=True)
class InputFiles:
    """Marks a `str` setting as a file that is read, or several with `;` between.

    A path in a spec counts from the folder of the file it stands in, one on the command line
    from the current folder.
    """


REQUIRED: Any = object()
"""Stands for the default of a setting that has none."""


@dataclass(frozen=True)
class Setting:
    """One declared setting of a model."""

    name: str
    type: Any
    unit: str
    text: str
    bounds: tuple[Bound, ...] = ()
    choices: tuple[Any, ...] = ()
    default: Any = REQUIRED
    files: bool = False
    """Whether it names files that are read."""

    @property
    def required(self) -> bool:
        """Whether a spec must give a value."""
        return self.default is REQUIRED

    @property
    def ymmsl_type(self) -> str:
        """The type's name in yMMSL."""
        return TYPES[self.type]

    @property
    def _unit(self) -> str:
        return "" if self.unit == "1" else f" {self.unit}"

    @property
    def limits(self) -> str:
        """Bounds and choices in words."""
        if self.files:
            return "files"
        if self.choices:
            return " | ".join(map(str, self.choices))
        return ", ".join(f"{_FULFILS[type(b)][0]} {bound_value(b):g}" for b in self.bounds)

    def checked(self, value: Any, where: str) -> Any:
        """Return `value` in the declared type, or refuse it; a whole number serves as a float."""
        good = self.cast(value)
        if good is None:
            raise Refused(
                f"Setting {where}.{self.name} is {value!r} ({type(value).__name__}),"
                f" expected {self.ymmsl_type} [{self.unit}]: {self.text}."
            )
        self.refuse_unfit(good, where)
        return good

    def cast(self, value: Any) -> Any:
        """Return `value` in the declared type, None if it is of another one."""
        return _cast(self.type, value)

    def refuse_unfit(self, good: Any, where: str) -> None:
        """Refuse a value of the right type: no choice, not finite or out of bounds."""
        if self.choices and good not in self.choices:
            raise Refused(
                f"Setting {where}.{self.name} is {good!r}, expected one of:"
                f" {', '.join(map(str, self.choices))}."
            )
        for number in _numbers(good):
            if not math.isfinite(number):
                raise Refused(f"Setting {where}.{self.name} is {number}, expected a finite number.")
            for bound in self.bounds:
                if not _FULFILS[type(bound)][1](number, bound):
                    raise Refused(
                        f"Setting {where}.{self.name} is {number:g}{self._unit},"
                        f" expected {self.limits}{self._unit} ({self.text})."
                    )


def bound_value(bound: Bound) -> Any:
    """Return the number of a bound."""
    return getattr(bound, type(bound).__name__.lower())


def _numbers(value: Any) -> list[float]:
    if isinstance(value, list):
        return [n for item in value for n in _numbers(item)]
    return [value] if isinstance(value, (int, float)) and not isinstance(value, bool) else []


def _cast(wanted: Any, value: Any) -> Any:
    """Return value as the wanted type, None if it is another one."""
    if isinstance(value, np.generic):
        value = value.item()
    if wanted is float:
        return float(value) if type(value) in (int, float) else None
    if wanted in (int, str, bool):
        return value if type(value) is wanted else None
    if not isinstance(value, list):
        return None
    items = [_cast(get_args(wanted)[0], item) for item in value]
    return None if any(item is None for item in items) else items


def declared_settings(cls: type) -> dict[str, Setting]:
    """Return the settings a class declares, in order.

    Raises `TypeError` for an annotation that is not
    `Annotated[type, "unit", "text", bounds...]`.
    """
    found = {}
    for name, hint in get_type_hints(cls, include_extras=True).items():
        if name.startswith("_") or get_origin(hint) is ClassVar or hint is ClassVar:
            continue
        found[name] = _setting(cls, name, hint)
    return found


def _setting(cls: type, name: str, hint: Any) -> Setting:
    spelling = f'Annotated[float, "m", "what it is"], found {hint!r}'
    if get_origin(hint) is not Annotated:
        raise TypeError(f"Setting {cls.__name__}.{name} is declared as {spelling}.")
    kind, *extras = get_args(hint)
    words = [extra for extra in extras if isinstance(extra, str)]
    if len(words) != 2:
        raise TypeError(f"Setting {cls.__name__}.{name} needs a unit and a text: {spelling}.")
    choices: tuple[Any, ...] = ()
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        kind = type(choices[0])
    if kind not in TYPES:
        raise TypeError(f"Setting {cls.__name__}.{name} has a type yMMSL cannot carry: {kind!r}.")
    bounds = tuple(extra for extra in extras if isinstance(extra, (Ge, Gt, Le, Lt)))
    files = any(isinstance(extra, InputFiles) for extra in extras)
    if files and kind is not str:
        raise TypeError(f"Setting {cls.__name__}.{name} names files, so it is a str.")
    default = _default(cls, name)
    return Setting(name, kind, words[0], words[1], bounds, choices, default, files)


def _default(cls: type, name: str) -> Any:
    """Return a setting's default before or after the class became a dataclass."""
    made = getattr(cls, "__dataclass_fields__", {}).get(name)
    if made is not None and made.default_factory is not MISSING:
        return made.default_factory()
    return getattr(cls, name, REQUIRED)


def whole_numbers(settings: Mapping[str, Any]) -> dict[str, int]:
    """Return the settings that may be the length of an axis."""
    return {n: v for n, v in settings.items() if type(v) is int}
