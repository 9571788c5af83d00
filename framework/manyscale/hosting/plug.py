"""How an instance stands in its coupling, whatever host it runs on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from manyscale.contract.engine import Engine
from manyscale.contract.messages import Contact
from manyscale.contract.ports import Port
from manyscale.contract.ranks import ALONE, Ranks
from manyscale.contract.refusal import Refused
from manyscale.hosting.door import GeometryStore
from manyscale.hosting.generic_door import Carried
from manyscale.hosting.memory import Progress


class Spread:
    """How messages are shared among the ranks of an instance: here there is only one."""

    view: Ranks = ALONE

    @property
    def root(self) -> bool:
        """Whether this rank receives and sends."""
        return self.view.root

    def tell(self, word: Any) -> Any:
        """Return what the root tells all ranks."""
        return word

    def sealed(self, checksum: str) -> list[str]:
        """Return the checksums of all ranks on the root, an empty list elsewhere."""
        return [checksum]

    def abort(self) -> None:
        """End all ranks of the instance."""

    def spread(self, port: Port, contacts: list[Contact | None]) -> list[Contact | None]:
        """Return this rank's share of what the root received on a port."""
        return contacts

    def collect(self, port: Port, parts: list[Any]) -> list[Any] | None:
        """Return the messages of all ranks joined, on the root; None elsewhere."""
        return parts


ONE_RANK = Spread()


@dataclass
class Plug:
    """How an instance stands in its coupling, and what it is doing (for messages)."""

    instance: str
    lengths: Mapping[str, int | None]
    """Connected ports; None for a scalar port, else the number of slots."""
    run_seed: int = 0
    seed_name: str = ""
    """The instance whose random numbers it draws: a copy in an ensemble draws those of the one."""
    recorded: frozenset[str] = frozenset()
    read_only: bool = False
    turns: bool = False
    """Whether this model goes through turns of a loop, not only through passes."""
    doing: str = "starting"
    at: float | None = None
    geometry: dict[str, GeometryStore] = field(default_factory=dict)
    """What the doors of each port have shown and know: outlives a change of settings."""
    ranks: Spread = ONE_RANK
    carried: Carried = field(default_factory=dict)
    """Units of the fields that came on generic ports."""
    engine: Engine | None = None
    """The engine that is open, for snapshots."""
    resumed: Progress | None = None
    """Where to go on, set by the host before it answers the first Begin."""

    heard: Callable[[str, float | None], None] | None = None
    """Told whenever the instance does something else: a watcher outside sees it."""

    def does(self, doing: str, at: float | None) -> None:
        """Note what the instance is doing from now on, and at which simulated time."""
        self.doing, self.at = doing, at
        if self.heard is not None:
            self.heard(doing, at)

    def position(self) -> str:
        """Return what the instance is doing, and at which simulated time."""
        return self.doing if self.at is None else f"{self.doing} at t = {self.at:g} s"


def seed_of(*parts: Any) -> int:
    """Return a seed below 2**63 that depends on all parts and on nothing else."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()) >> 1


class Ended(Refused):
    """A neighbour was gone too early: rarely the first cause of a failure."""


def ended_early(instance: str, port: str, last_time: float | None) -> str:
    """Return the sentence for a port that was closed while a turn was wanted."""
    when = "before it sent anything" if last_time is None else f"after t = {last_time:g} s"
    return (
        f"{instance}.{port}: the sender ended {when} and this model goes on;"
        " let both end at the same time, or put a time bridge between."
    )
