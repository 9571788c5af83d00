"""How much memory the segments of an instance may take, by what the machine or its group has."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

VARIABLE = "MANYSCALE_MESSAGES_MEMORY"
_SHARE = 4  # one part in so many of the memory is for messages
_INSTANCES = 16  # among which it is divided if nobody says how many there are
_CGROUPS, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def budget() -> int:
    """Return the bytes that this instance may use, as its launcher says, or estimated."""
    told = os.environ.get(VARIABLE, "")
    return int(told) if told.isdigit() else of_each(_INSTANCES)


def of_each(instances: int) -> int:
    """Return the bytes that each of so many instances on this host may use."""
    return of_run() // max(1, instances)


def of_run() -> int:
    """Return the bytes that all instances of a run on this host may use."""
    return limit() // _SHARE


def limit() -> int:
    """Return the bytes of memory that this process and what runs beside it may use."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_group_limits()])


def _group_limits() -> list[int]:
    """Return the limits of the control groups that this process is in, of either version."""
    try:
        lines = _OWN_GROUPS.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            found += _limits(_CGROUPS, group, "memory.max")
        elif "memory" in controllers.split(","):
            found += _limits(_CGROUPS / "memory", group, "memory.limit_in_bytes")
    return found


def _limits(root: Path, group: str, file: str) -> list[int]:
    """Return what is told in a group and all above it."""
    found = []
    folder = root / group.lstrip("/")
    while folder != root.parent:
        with contextlib.suppress(OSError):
            told = (folder / file).read_text().strip()
            found += [int(told)] if told.isdigit() else []
        folder = folder.parent
    return found
