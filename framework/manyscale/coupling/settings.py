"""Settings of a coupling: which value an instance is given, and values with a unit."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from manyscale.contract.refusal import Refused
from manyscale.contract.units import affine, clean

_WITH_UNIT = re.compile(
    r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\d\s.,:;^*_+=~-].*?)\s*"
)


def lookup(
    settings: Mapping[str, Any], instance: str, names: Iterable[str]
) -> dict[str, tuple[str, Any]]:
    """Return (key, value) by name of the settings an instance is given, most specific first."""
    found = {}
    for name in names:
        for prefix in prefixes(instance):
            key = f"{prefix}.{name}" if prefix else name
            if key in settings:
                found[name] = key, settings[key]
                break
    return found


def prefixes(instance: str) -> Iterator[str]:
    """Yield `a.b[1]`, `a.b`, `a`, ``."""
    while instance:
        yield instance
        cut = max(instance.rfind("."), instance.rfind("["))
        instance = instance[:cut] if cut > 0 else ""
    yield ""


def with_unit(text: str) -> tuple[float, str] | None:
    """Return number and unit of a text like `5 nm`, None for any other text."""
    with contextlib.suppress(ValueError):
        float(text)
        return None  # 1e-7 is no 1 in e-7
    found = _WITH_UNIT.fullmatch(text)
    return (float(found[1]), found[2]) if found else None


def in_unit(text: str, unit: str) -> float:
    """Return the number of a text like `5 nm` in another unit.

    Raises `Refused` if it is no number with a unit, or the unit does not fit.
    """
    given = with_unit(text)
    if given is None:
        raise Refused(f"{text!r} is no number with a unit, such as '5 nm'.")
    a, b = affine(given[1], unit)
    if b:
        raise Refused(
            f"'{given[1]}' has an offset, and a setting does not say whether it is a difference;"
            f" give the number in '{unit}'."
        )
    return clean(a * given[0])


def as_floats(value: Any) -> Any:
    """Return whole numbers, alone or in lists, as floats."""
    if isinstance(value, list):
        return [as_floats(item) for item in value]
    return float(value) if type(value) is int else value


def whole_paths(text: str, folder: Path) -> str:
    """Return paths, with `;` between, as they hold anywhere; what is no file here stays."""
    return ";".join(_whole(part.strip(), folder) for part in text.split(";"))


def _whole(path: str, folder: Path) -> str:
    found = os.path.join(folder, os.path.expanduser(path))
    return os.path.realpath(found) if path and os.path.exists(found) else path
