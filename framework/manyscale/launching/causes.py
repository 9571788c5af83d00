"""Why a run failed: the one root cause, and who only followed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from manyscale.hosting import telemetry
from manyscale.launching.logs import last_line, tail
from manyscale.launching.run_dir import MANAGER_LOG, OUTPUT, instance_folders


def root_cause(run: Path) -> str:
    """Return why a run failed: the model's traceback if any, victims, the sentence last."""
    failures = []
    for folder in instance_folders(run).values():
        path = folder / telemetry.FAILURE_FILE
        if path.is_file():
            failures.append((path.stat().st_mtime_ns, json.loads(path.read_text())))
    failures.sort(key=lambda item: (item[1]["victim"], item[0]))
    lost = _lost_peer(failures)
    exits = _exits(run)
    exits.sort(key=lambda item: (_followed(item[0], item[1], lost), item[1] == _KILLED))
    if failures and not (failures[0][1]["victim"] and exits and _died(run, *exits[0], lost)):
        first = failures[0][1]
        return f"{first['traceback']}{_victims(run, first['instance'])}{first['sentence']}"
    for name in _ABSENT.findall(tail(run / MANAGER_LOG, _LAST_WORDS)):
        said = last_line(run / "instances" / name / "stderr.txt")
        what = (
            f"{name} ended with exit code 0 without ever taking part: {said or 'it said nothing'}"
        )
        return f"{_victims(run, name)}{run.name}: {what}."
    for name, code in exits:
        said = last_line(run / "instances" / name / "stderr.txt")
        standing = telemetry.read(run / "instances" / name / "workdir")
        where = f" ({standing.position})" if standing and standing.doing else ""
        what = f"{name}{where} ended with exit code {code}: {said or 'it said nothing'}."
        return f"{_victims(run, name)}{run.name}: {what}"
    said = last_line(run / OUTPUT)
    return f"{run.name}: the manager failed: {said or 'it said nothing'}; see {run / OUTPUT}."


def _lost_peer(failures: list[tuple[int, dict[str, Any]]]) -> str:
    """Return the component or instance that the first to fail has lost, if that is why."""
    found = _LOST.search(failures[0][1]["sentence"]) if failures else None
    return found[1] if found else ""


def _followed(name: str, code: int, lost: str) -> bool:
    """Return whether an instance was ended because another one had failed."""
    return code == _KILLED and lost not in (name, name.partition("[")[0])


def _died(run: Path, name: str, code: int, lost: str) -> bool:
    """Return whether an instance ended without a word, so that others only followed."""
    told = (run / "instances" / name / "workdir" / telemetry.FAILURE_FILE).is_file()
    return not told and not _followed(name, code, lost)


def _victims(run: Path, cause: str) -> str:
    """Return a line that names the instances that only followed, nothing if there are none."""
    names = [name for name, _ in _exits(run) if name != cause]
    return f"Ended because of it: {', '.join(sorted(names))}.\n" if names else ""


_LAST_WORDS = 2**22  # bytes of the manager's log in which the exit codes stand
_EXIT = re.compile(r"Instance (\S+) quit with exit code (-?\d+)")
_ABSENT = re.compile(r"Instance (\S+) quit with no error \(exit code 0\)")
_LOST = re.compile(r"connection with peer '([^']+)' was lost")
_KILLED = -9  # also what becomes of the others after one has failed


def _exits(run: Path) -> list[tuple[str, int]]:
    text = tail(run / MANAGER_LOG, _LAST_WORDS)
    return [(name, int(code)) for name, code in _EXIT.findall(text)]
