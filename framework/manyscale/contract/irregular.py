"""An escape hatch: a component that owns its loop, with declared ports and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from manyscale.contract.ports import Port
from manyscale.contract.settings import Setting


@dataclass(frozen=True)
class Irregular:
    """A function that takes the libmuscle Instance, `run="package.module:function"`.

    Its ports and settings are declared like any model's; rewinding, restart and other hosts are
    not available to it. A declaration only: no host runs it yet.
    """

    name: str
    run: str
    text: str
    ports: Mapping[str, Port]
    settings: Mapping[str, Setting] = field(default_factory=dict)
