"""What operators see of messages, and what passes tell them at their start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from manyscale.contract.meshes import Geometry
from manyscale.contract.refusal import Refused

Messages = Mapping[str, Mapping[str, Any] | Sequence[Mapping[str, Any]]]
"""What o_i and o_f return: a message by port, or a list of them for a port with slots."""


_NO_MESHES: Mapping[str, Geometry] = {}
_NO_UNITS: Mapping[str, str] = {}


@dataclass(slots=True)
class Contact:
    """One message as an operator sees it: `received.wall.temperature`, `received.wall.time`.

    On a generic port (`like`) fields come as they were sent; `units` says in which units, and
    `extensive` which of them are totals rather than means.
    """

    time: float
    next_time: float | None
    fields: Mapping[str, Any]
    window: int | None = None
    iteration: int = 0
    meshes: Mapping[str, Geometry] = field(default_factory=lambda: _NO_MESHES)
    units: Mapping[str, str] = field(default_factory=lambda: _NO_UNITS)
    extensive: frozenset[str] = frozenset()

    def __getattr__(self, name: str) -> Any:
        if name == "fields":  # copying and unpickling ask before it is there
            raise AttributeError(name)
        try:
            return self.fields[name]
        except KeyError:
            raise AttributeError(
                f"The message has no field {name!r}, but {sorted(self.fields)}."
            ) from None


class Received:
    """The messages of one turn by port: a Contact, a list of them (slots), or None."""

    __slots__ = ("ports",)

    def __init__(self, ports: Mapping[str, Any]) -> None:
        self.ports = ports

    def __getattr__(self, name: str) -> Any:
        if name == "ports":
            raise AttributeError(name)
        try:
            return self.ports[name]
        except KeyError:
            raise AttributeError(
                f"No port {name!r} received; those of this turn are {sorted(self.ports)}."
            ) from None


@dataclass(frozen=True)
class Start:
    """What a pass begins with besides its messages.

    Attributes
    ----------
    time
        Newest F_INIT time stamp in s; 0.0 without F_INIT.
    seed
        From run seed, instance and member: the key of counter-based random numbers.
    slots
        Length of every connected vector port.
    kept
        Final State of the pass before if the model keeps state, else None. While a window is
        iterated, always the State the window began with.
    """

    time: float
    seed: int = 0
    slots: Mapping[str, int] = field(default_factory=dict)
    kept: Any = None


class Clock(NamedTuple):
    """Where a State stands in time and whether a turn follows.

    Attributes
    ----------
    now
        Time of the State in s.
    to
        Where the coming `s` lands; None: the loop is over and o_f follows.
    next
        Time of the next O_I of this timeline; None: certainly no further one;
        equal to now: open (the turn may repeat, move on or end).
    timeline
        The timeline whose turn it is.
    window, iteration
        Given by whoever owns an iteration (implicit coupling): the number of the window, and
        how often it was tried before; None: the host counts the turns of the window.
    """

    now: float
    to: float | None = None
    next: float | None = None
    timeline: str = ""
    window: int | None = None
    iteration: int | None = None

    @classmethod
    def steps(cls, step: int, steps: int, dt: float, t0: float = 0.0, timeline: str = "") -> Self:
        """Return the clock of equal steps, counted: t = t0 + step * dt, `steps` turns."""
        now = t0 + step * dt
        if step >= steps:
            return cls(now, timeline=timeline)
        to = t0 + (step + 1) * dt
        if not to > now:
            raise Refused(_lost(dt, now))
        return cls(now, to, to if step + 1 < steps else None, timeline)

    @property
    def open(self) -> bool:
        """Whether the turn may repeat at the same time."""
        return self.next == self.now

    def resolvable(self, instance: str) -> None:
        """Refuse a step too small to be seen in the time it is added to."""
        if self.to is None or self.to == self.now:
            return
        unit = max(abs(self.now), abs(self.to)) * 2.0**-52
        if abs(self.to - self.now) < 64.0 * unit:
            raise Refused(f"{instance}: {_lost(self.to - self.now, self.now)}")


def _lost(step: float, time: float) -> str:
    return (
        f"a step of {step:g} s is lost in the time {time!r} s it is added to;"
        " start the clock nearer to zero."
    )
