"""What the loop asks of its host: begin a pass, receive, send, record, mark."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

from manyscale.contract.fields import Field
from manyscale.hosting.door import Wire
from manyscale.hosting.memory import Progress


@dataclass(slots=True)
class Begin:
    """Effect: begin a pass. Answered by the model with this pass's settings, or None."""


@dataclass(slots=True)
class Receive:
    """Effect: receive one message. Answered by a Wire."""

    port: str
    slot: int | None


@dataclass(slots=True)
class Send:
    """Effect: send one message."""

    port: str
    slot: int | None
    wire: Wire


@dataclass(slots=True)
class Record:
    """Effect: keep what a port shows; one mapping of values per slot."""

    port: str
    time: float
    messages: list[dict[str, Any]]
    fields: Mapping[str, Field]


@dataclass(slots=True)
class Mark:
    """Effect: the State is whole: after every s, and (final) after O_F."""

    now: float
    state: Any
    final: bool
    progress: Progress


Effect = Begin | Receive | Send | Record | Mark
Loop = Generator[Effect, Any, None]
