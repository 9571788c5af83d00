"""MS609: no room on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.checks import little_disk
from manyscale.coupling.prove import Machine


@check("MS609", stage="machine")
def full_disk(machine: Machine) -> Iterator[Finding]:
    """The disk where the run will be written is full.

    Less than 64 MiB are free in the current directory, where the run makes its folder. Even the
    logs of a small run can fill that, and a run on a full disk ends as if it had succeeded, with
    empty recordings.

    Delete old runs, or start from a directory on another disk.
    """
    free = little_disk.free_disk()
    if machine.here and free < little_disk.TOO_LITTLE:
        yield Finding((), f"{Path.cwd()} has {free / 2**20:.0f} MiB of free disk;"
                      " a run needs at least 64 MiB.")  # fmt: skip
