"""MS608: little room on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.prove import Machine

ENOUGH = 2**30  # bytes
TOO_LITTLE = 2**26


@check("MS608", severity="warning", stage="machine")
def little_disk(machine: Machine) -> Iterator[Finding]:
    """There is less than 1 GiB of room where the run will be written.

    A run writes its recordings, logs and checkpoints into a new folder in the current directory.
    When the disk is full the components go on, and what they record is lost.

    Delete old runs, record less often, or start from a directory on another disk.
    """
    free = free_disk()
    if machine.here and TOO_LITTLE <= free < ENOUGH:
        yield Finding((), f"{Path.cwd()} has {free / 2**20:.0f} MiB of free disk;"
                      " a run may need more.")  # fmt: skip


def free_disk() -> int:
    """Return the free bytes where runs are written."""
    return shutil.disk_usage(Path.cwd()).free
