"""What /proc tells about processes: parents, descendants, environments."""

from __future__ import annotations

import os
from collections.abc import Iterator


def parent(pid: int) -> int:
    """Return the parent of a process, 0 if it has none or is gone."""
    return _standing(pid)[1]


def is_gone(pid: int) -> bool:
    """Return whether a process has ended, though it may still be in the table."""
    return _standing(pid)[0] in "ZX"


def _standing(pid: int) -> tuple[str, int]:
    """Return state letter and parent of a process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
    except OSError:
        return "X", 0
    return words[0].decode(), int(words[1])


def ancestors(pid: int) -> Iterator[int]:
    """Return the parent of a process, its parent, and so on."""
    while (pid := parent(pid)) > 1:
        yield pid


def everybody() -> list[int]:
    """Return all processes that can be seen."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def descendants(root: int) -> set[int]:
    """Return all living processes below `root`."""
    below: dict[int, list[int]] = {}
    for pid in everybody():
        below.setdefault(parent(pid), []).append(pid)
    found: set[int] = set()
    left = [root]
    while left:
        for pid in below.get(left.pop(), []):
            if pid not in found:
                found.add(pid)
                left.append(pid)
    return {pid for pid in found if not is_gone(pid)}


def environment(pid: int) -> dict[str, str]:
    """Return the environment a process was started with, as far as we may see it."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = file.read().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def command(pid: int) -> str:
    """Return the command line of a process, shortened."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read(400).decode(errors="replace").replace("\0", " ").strip()
    except OSError:
        return ""
