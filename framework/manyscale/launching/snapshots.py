"""Snapshots of a run: the newest from which it can go on, and those nobody needs any more."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from manyscale.contract.refusal import Refused
from manyscale.hosting.checkpoint import refuse_damaged

KEPT = 2
_TITLE = "Workflow snapshot for"
# instances that had not begun stand in the table with no wall-clock time, and have no path
_ROW = re.compile(r"^ +\S+ +\S+ +(?!0 )\S+ +(?:Intermediate|Final)$", re.MULTILINE)
_TIMES = re.compile(r"^ +\S+ +(\S+) +\S+ +(?:Intermediate|Final)$", re.MULTILINE)
_ON_THE_WAY = re.compile(r"^ +\S+ +\S+ +\S+ +Intermediate$", re.MULTILINE)
_NUMBERED = re.compile(r"(.*)_(\d+)\.(?:pack|nc|\d+\.state|\d+\.engine)")


def sets(run: Path) -> list[Path]:
    """Return the files of a run that name one consistent set of snapshots each, oldest first."""
    found = (run / "snapshots").glob("snapshot_*.ymmsl")
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, len(path.name), path.name))


def newest(run: Path, *, further: bool = False) -> Path:
    """Return the newest set of which every file is whole; refuse a run that has none.

    To go `further` than a run that is done, a set in which somebody was still on the way.
    """
    damaged = ""
    ended = False
    for path in reversed(sets(run)):
        if further and not _ON_THE_WAY.search(path.read_text(encoding="utf-8")):
            ended = True
            continue
        try:
            refuse_damaged_sets([path])
        except Refused as exc:
            damaged = damaged or f" The newest is damaged: {exc}"
            continue
        return path
    if ended and not damaged:
        raise Refused(
            f"{run} cannot be made longer: in its only snapshots every component is at its end."
            " Run it again with --checkpoint-every, or further from the start."
        )
    raise Refused(
        f"{run} has no snapshot to go on from.{damaged} Snapshots are made where the spec has"
        " `checkpoints:`."
    )


def moment(path: Path) -> float:
    """Return the latest simulated time of a set, in s."""
    rows = _TIMES.findall(path.read_text(encoding="utf-8"))
    return max(map(float, rows), default=0.0)


def is_whole(path: Path) -> bool:
    """Return whether the file of a set was written to its end."""
    try:
        packs(path)
    except (OSError, Refused):
        return False
    return True


def refuse_damaged_sets(files: Sequence[Path]) -> None:
    """Refuse to go on from a set of which any file is missing, cut off or not what was written.

    Files of a spec that are no set pass.
    """
    for path in files:
        if path.name.startswith("snapshot_") or _TITLE in path.read_text(encoding="utf-8"):
            for pack in packs(path):
                _refuse_damaged(pack)


def packs(path: Path) -> list[Path]:
    """Return the snapshots of the instances that a set names.

    Raises `Refused` for a set of which a part is missing, because the run was killed meanwhile.
    """
    text = path.read_text(encoding="utf-8")
    try:
        named = dict(yaml.safe_load(text)["resume"])
    except (yaml.YAMLError, TypeError, KeyError, ValueError):
        raise Refused(f"{path} is not whole; go on from the one before.") from None
    # MUSCLE3 writes the file in place, its table of instances before their paths
    if len(named) != len(_ROW.findall(text)) or not text.endswith("\n"):
        raise Refused(f"{path} is not whole; go on from the one before.")
    return [Path(pack) for pack in named.values()]


def _refuse_damaged(pack: Path) -> None:
    from libmuscle.snapshot_manager import SnapshotManager

    try:
        message = SnapshotManager.load_snapshot_from_file(pack).message
    except Exception as exc:
        raise Refused(f"The snapshot {pack} cannot be read: {exc}.") from None
    if message is not None and isinstance(message.data, dict) and "checksums" in message.data:
        refuse_damaged(message.data)


def prune(run: Path, keep: int = KEPT) -> None:
    """Delete sets older than the newest `keep`, and the files only they needed."""
    kept = sets(run)[-keep:]
    if len(kept) < keep:
        return
    needed: dict[Path, int] = {}
    for path in kept:
        with contextlib.suppress(OSError, Refused):
            for pack in packs(path):
                number = _number(pack)
                folder = pack.parent
                needed[folder] = min(number, needed.get(folder, number))
    for path in sets(run)[:-keep]:
        path.unlink(missing_ok=True)
    for folder, oldest in needed.items():
        if run in folder.parents:  # a resumed run may still stand on snapshots of another
            _delete_older(folder, oldest)


def _number(file: Path) -> int:
    found = _NUMBERED.fullmatch(file.name)
    return int(found[2]) if found else 0


def _delete_older(folder: Path, oldest: int) -> None:
    for file in folder.iterdir():
        if 0 < _number(file) < oldest:
            file.unlink(missing_ok=True)
