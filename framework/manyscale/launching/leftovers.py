"""What dead runs of this user left on this machine: processes, shared memory, secrets."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from manyscale.contract.refusal import Refused
from manyscale.launching import guarding, keeper, runs
from manyscale.launching.keeper import Family

SHARED = Path("/dev/shm")  # where POSIX shared memory lies
SEGMENT = re.compile(r"manyscale-(\d+)-.*")  # named after the process that made it


@dataclass(frozen=True)
class Leftovers:
    """What can be removed."""

    processes: dict[int, str]
    """What it is, by process id."""
    files: tuple[Path, ...]

    def lines(self) -> list[str]:
        """Return what there is, a line each."""
        told = [f"process {pid}: {what}" for pid, what in self.processes.items()]
        return told + [str(path) for path in self.files]

    def remove(self) -> list[str]:
        """Remove everything; return what could not be."""
        left = keeper.end_all(self._alive, lambda: None)
        for path in self.files:
            try:
                path.unlink(missing_ok=True)
            except OSError as exc:
                left.append(f"{path}: {exc.strerror}")
        return left

    def _alive(self) -> Family:
        found = {pid: keeper.standing(pid) for pid in self.processes}
        return {pid: told for pid, told in found.items() if told and told[0] not in "ZX"}


def find(folder: Path) -> Leftovers:
    """Return what dead runs left, those in `folder` and those whose processes tell of them."""
    processes, dead = _orphans()
    dead |= {run for run in runs.runs_in(folder) if _is_dead(run)}
    files = [path for run in sorted(dead) for path in guarding.secrets(run)]
    return Leftovers(processes, (*files, *_segments()))


def _orphans() -> tuple[dict[int, str], set[Path]]:
    """Return processes of this user whose run is dead, and these runs."""
    found: dict[int, str] = {}
    dead: set[Path] = set()
    mark = f"{runs.RUN_NAME}=".encode()
    for name in os.listdir("/proc"):
        if not name.isdigit() or not _is_mine(int(name)):
            continue
        with contextlib.suppress(OSError):
            words = Path("/proc", name, "environ").read_bytes().split(b"\0")
            marked = [word for word in words if word.startswith(mark)]
            if marked and _is_dead(run := Path(os.fsdecode(marked[0][len(mark) :]))):
                told = keeper.standing(int(name))
                found[int(name)] = f"{told[3] if told else '?'} of {run}"
                dead.add(run)
    return found, dead


def _is_mine(pid: int) -> bool:
    try:
        return os.stat(f"/proc/{pid}").st_uid == os.getuid()
    except OSError:
        return False


def _is_dead(run: Path) -> bool:
    """Return whether nobody supervises a run any more: on this machine, or it has ended."""
    try:
        told = runs.read(run)
    except Refused:
        return not run.exists()
    return told.here and told.stands != runs.RUNNING


def _segments() -> list[Path]:
    """Return shared memory of this user whose maker is gone."""
    found = []
    for path in SHARED.glob("manyscale-*"):
        named = SEGMENT.fullmatch(path.name)
        with contextlib.suppress(OSError):
            mine = path.stat().st_uid == os.getuid()
            if named and mine and keeper.standing(int(named[1])) is None:
                found.append(path)
    return found
