"""Example input of a model: what the battery feeds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manyscale.contract.fields import Field
from manyscale.contract.model import ScaleModel
from manyscale.contract.ports import Port
from manyscale.contract.settings import whole_numbers

_FREE = 5  # length of an axis that may have any


@dataclass(frozen=True)
class Example:
    """Settings, messages by receiving port, and numbers of slots, that make sense together.

    What is left out is made up from the contract: ones of the declared shape, one slot.
    A model whose input must be more than that has a classmethod `example()`, and so has one with
    generic ports: `fields` says what these are fed.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    messages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    slots: int = 1
    fields: Mapping[str, Mapping[str, Field]] = field(default_factory=dict)


def example_of(model: type[ScaleModel]) -> Example:
    """Return a model's own example, or an empty one."""
    own = getattr(model, "example", None)
    return own() if own is not None else Example()


def example_message(model: type[ScaleModel], port: Port) -> dict[str, Any]:
    """Return an example of what a receiving port of a model expects."""
    example = example_of(model)
    if port.name in example.messages:
        return dict(example.messages[port.name])
    lengths = whole_numbers(vars(model.with_settings(example.settings)))
    fields = example.fields[port.name] if port.like else port.fields
    return {name: _ones(declared, lengths) for name, declared in fields.items()}


def _ones(declared: Field, lengths: Mapping[str, int]) -> Any:
    if declared.dtype == "str":
        return "example"
    if declared.shape == ():
        return np.ones((), declared.dtype).item()
    shape = [
        lengths[axis.setting] if axis.setting else axis.length or _FREE
        for axis in declared.shape or ()
    ]
    return np.ones(shape, declared.dtype)
