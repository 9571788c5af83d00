"""How much memory the segments of an instance may take, by what the machine or its group has."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "MANYSCALE_MESSAGES_MEMORY"
_SHARE = 4  # one part in so many of the memory is for messages
_INSTANCES = 16  # among which it is divided if nobody says how many there are
_CGROUPS = Path("/sys/fs/cgroup")


def budget() -> int:
    """Return the bytes that this instance may use, as its launcher says, or estimated."""
    told = os.environ.get(VARIABLE, "")
    return int(told) if told.isdigit() else of_each(_INSTANCES)


def of_each(instances: int) -> int:
    """Return the bytes that each of so many instances on this host may use."""
    return limit() // _SHARE // max(1, instances)


def limit() -> int:
    """Return the bytes of memory that this process and what runs beside it may use."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_group_limits()])


def _group_limits() -> list[int]:
    """Return the limits of the control groups that this process is in."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    group = next((line[3:] for line in lines if line.startswith("0::")), "/")
    found = []
    folder = _CGROUPS / group.lstrip("/")
    while folder != _CGROUPS.parent:
        try:
            told = (folder / "memory.max").read_text().strip()
        except OSError:
            told = ""
        if told.isdigit():
            found.append(int(told))
        folder = folder.parent
    return found
