"""Members of several fidelities: the same model with other settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from manyscale.contract.fields import Array
from manyscale.contract.model import ScaleModel
from manyscale.contract.refusal import Refused, nearest

_WORDS = {"true": True, "false": False}


def levels(
    model: type[ScaleModel], values: Mapping[str, Any], text: str, setting: str
) -> list[ScaleModel]:
    """Return the model with its settings, and once more for each entry `name=value ...; ...`."""
    changed = [_changes(model, entry, setting) for entry in text.split(";") if entry.strip()]
    return [model.with_settings({**values, **change}) for change in [{}, *changed]]


def _changes(model: type[ScaleModel], entry: str, setting: str) -> dict[str, Any]:
    known, found = model.settings(), {}
    for word in entry.split():
        name, equals, value = word.partition("=")
        if name not in known or not equals:
            raise Refused(
                f"Setting {setting}: {word!r} is no `name=value` of a setting of {model.name}."
                f"{nearest(name, known)}"
            )
        found[name] = known[name].checked(_read(value), model.name)
    return found


def _read(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return _WORDS.get(text, text)


def checked(fidelity: Array | None, ids: Array, count: int, farm: str) -> Array:
    """Return the fidelity of every member (n,); refuse one that is not set."""
    if fidelity is None:
        return np.zeros(len(ids), dtype=np.int32)
    wrong = np.flatnonzero((fidelity < 0) | (fidelity >= count))
    if len(wrong):
        raise Refused(
            f"{farm}.jobs_in: fidelity {fidelity[wrong[0]]} of member {ids[wrong[0]]} is none of"
            f" 0 to {count - 1}; add it to the setting fidelities."
        )
    return np.asarray(fidelity)
