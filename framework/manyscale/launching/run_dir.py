"""Run directories: one per launch, never one that exists."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path

from manyscale.contract.refusal import Refused

OUTPUT = "manager_output.txt"
MANAGER_LOG = "muscle3_manager.log"
CONFIGURATION = "configuration.ymmsl"


class Taken(Refused):
    """A run directory that exists already."""


def create(name: str, wanted: Path | None = None) -> Path:
    """Make and return the run directory of a run of model `name`.

    Raises `Refused` if `wanted` exists or cannot be made.
    """
    if wanted is not None:
        return _make(wanted.resolve())
    path = stamped(f"run_{name}")
    for suffix in ("", *(f"_{i}" for i in range(2, 100))):
        with contextlib.suppress(Taken):  # by another run that starts this second
            return _make(path.with_name(f"{path.name}{suffix}"))
    raise Refused(f"{path.parent} already has a hundred runs of {path.name}; wait a second.")


def stamped(name: str) -> Path:
    """Return a folder in this one, named after what it is of and now."""
    return Path.cwd() / f"{name}_{datetime.now().strftime('%Y%m%d_%H%M%S')}"


def _make(path: Path) -> Path:
    try:
        path.mkdir()
    except FileExistsError:
        raise Taken(
            f"The run directory {path} exists; runs are not overwritten, name another."
        ) from None
    except OSError as exc:
        raise Refused(f"The run directory {path} cannot be made: {exc.strerror}.") from None
    return path


def instance_folders(run: Path) -> dict[str, Path]:
    """Return the working folder of every instance, by instance name."""
    places = sorted((run / "instances").glob("*"))
    return {place.name: place / "workdir" for place in places if place.is_dir()}
