"""Engines: solver libraries that keep their own state behind a scale model.

Declared here, so that contracts and their serialised form have a place for them; no host opens
an engine yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class Capabilities:
    """What a model can do beyond running once: stands in its contract."""

    rewind: bool = True
    migrate: bool = True
    restart: Literal["bitwise", "statistical", "none"] = "bitwise"
    parallel: Literal["none", "threads", "mpi"] = "none"


class Engine(Protocol):
    """A library with a state of its own, which a host would open, save, load and close."""

    def open(self, settings: Any, resources: Any) -> None:
        """Start the library for a model with these settings."""

    def save(self, path: Path) -> None:
        """Write the library's state to a file."""

    def load(self, path: Path) -> None:
        """Read the library's state back."""

    def close(self) -> None:
        """Release everything; called on every exit."""
