"""Engines: solver libraries that keep their own state behind a scale model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Capabilities:
    """What a model can do beyond running once: stands in its contract.

    Attributes
    ----------
    rewind
        Can begin a window again from the State it began with: implicit coupling, rejected steps.
    migrate
        Its State can go on in another process.
    restart
        What a resumed run is, compared with one that was never interrupted.
    parallel
        What more than one core is used with.
    """

    rewind: bool = True
    migrate: bool = True
    restart: Literal["bitwise", "statistical", "none"] = "bitwise"
    parallel: Literal["none", "threads", "mpi"] = "none"


class Engine:
    """A library with a state of its own: the host opens, saves, loads and closes it.

    A model declares `class Engine(ms.Engine)`; its operators find the open one as `self.engine`.
    A pass with other settings gets an engine opened anew.
    """

    def open(self, model: Any) -> None:
        """Start the library for a model with its settings and ranks."""

    def save(self, path: Path) -> None:
        """Write the library's state to a file."""
        raise NotImplementedError(f"{type(self).__qualname__} cannot be saved")

    def load(self, path: Path) -> None:
        """Read the library's state back into an open engine."""
        raise NotImplementedError(f"{type(self).__qualname__} cannot be loaded")

    def standing(self) -> Mapping[str, Any]:
        """Return what a watcher may see of it, as JSON carries it; asked after every pass."""
        return {}

    def close(self) -> None:
        """Release everything; called on every exit."""
