"""Starts `muscle_manager` on this machine, watches it, and leaves no process behind."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from manyscale.contract.refusal import Refused
from manyscale.hosting import telemetry
from manyscale.launching import snapshots
from manyscale.launching.run_dir import instance_folders

LOG = "manager_output.txt"
MANAGER_LOG = "muscle3_manager.log"
_LOOKS_PER_PRUNING = 40
_GRACE = 5.0  # s between asking a process tree to end and ending it


def command(files: Sequence[Path], run: Path) -> list[str]:
    """Return the plain MUSCLE3 command that this launch amounts to."""
    manager = [sys.executable, "-m", "muscle3.muscle_manager", "--start-all"]
    return [*manager, "--run-dir", str(run), *map(str, files)]


def launch(
    files: Sequence[Path],
    run: Path,
    *,
    time_limit: float | None = None,
    watch: Callable[[], None] | None = None,
) -> None:
    """Run a coupling to its end in the existing directory `run`.

    `watch` is called several times a second; `time_limit` is in s of wall time. Raises
    `Refused` with the one root cause if the coupling fails or the limit is reached.
    """
    deadline = None if time_limit is None else time.monotonic() + time_limit
    with (run / LOG).open("w") as log, _signals_unwind():
        # a session of its own: a signal to us is passed on once, by us
        process = subprocess.Popen(
            command(files, run), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            for look in itertools.count():
                if process.poll() is not None:
                    break
                if watch is not None:
                    watch()
                if look % _LOOKS_PER_PRUNING == 0:
                    with contextlib.suppress(OSError):  # tidying must not end a run
                        snapshots.prune(run)
                if deadline is not None and time.monotonic() > deadline:
                    raise Refused(
                        f"The run took longer than {time_limit:g} s and was ended: {run}."
                        f"{stalled(run)}"
                    )
                time.sleep(0.05)
        finally:
            _end_session(process)
    if process.returncode != 0:
        raise Refused(root_cause(run))
    _refuse_unfinished(run)


@contextlib.contextmanager
def _signals_unwind() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a launch as Ctrl-C does, through its `finally`."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {n: signal.signal(n, interrupt) for n in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """End all processes of the manager's session, politely first.

    They outlive a manager that was killed, and then they are nobody's children.
    """
    for number in (signal.SIGTERM, *[signal.SIGKILL] * 3):  # some may be born meanwhile
        members = _of_session(process.pid)
        for member in members:
            _signal(member, number)
        psutil.wait_procs(members, timeout=_GRACE)
    process.wait()


def _of_session(leader: int) -> list[psutil.Process]:
    found = []
    for member in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(member.pid) == leader and member.status() != psutil.STATUS_ZOMBIE:
                found.append(member)
    return found


def _signal(member: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        member.send_signal(number)


def _refuse_unfinished(run: Path) -> None:
    """Refuse a success that some instance does not confirm."""
    for name, folder in instance_folders(run).items():
        standing = telemetry.read(folder)  # None: a program of another make
        if standing is not None and standing.phase != telemetry.DONE:
            raise Refused(
                f"{run.name}: the manager reports success, but {name} did not finish;"
                f" see {folder.parent}."
            )


def stalled(run: Path) -> str:
    """Return who others wait for: what each unfinished component does, and since when."""
    busy: list[str] = []
    waiting: list[str] = []
    for name, folder in instance_folders(run).items():
        for rank, standing in telemetry.read_ranks(folder).items():
            who = name if rank == 0 else f"{name}, rank {rank},"
            if standing.phase not in (telemetry.DONE, telemetry.FAILED):
                what = f"{standing.position} since {standing.seconds:.0f} s"
                waits = standing.waits
                (waiting if waits else busy).append(f"{who} is {'' if waits else 'in '}{what}")
    found = busy or waiting
    return f" {'; '.join(found)}." if found else ""


def root_cause(run: Path) -> str:
    """Return why a run failed: the model's traceback if any, victims, the sentence last."""
    failures = []
    for folder in instance_folders(run).values():
        path = folder / telemetry.FAILURE_FILE
        if path.is_file():
            failures.append((path.stat().st_mtime_ns, json.loads(path.read_text())))
    failures.sort(key=lambda item: (item[1]["victim"], item[0]))
    exits = sorted(_exits(run), key=lambda item: item[1] == _KILLED_BY_AGENT)
    if failures and not (failures[0][1]["victim"] and exits and _died(run, *exits[0])):
        first = failures[0][1]
        return f"{first['traceback']}{_victims(run, first['instance'])}{first['sentence']}"
    for name, code in exits:
        said = _last_line(run / "instances" / name / "stderr.txt")
        standing = telemetry.read(run / "instances" / name / "workdir")
        where = f" ({standing.position})" if standing and standing.doing else ""
        what = f"{name}{where} ended with exit code {code}: {said or 'it said nothing'}."
        return f"{_victims(run, name)}{run.name}: {what}"
    said = _last_line(run / LOG)
    return f"{run.name}: the manager failed: {said or 'it said nothing'}; see {run / LOG}."


def _died(run: Path, name: str, code: int) -> bool:
    """Return whether an instance ended without a word, so that others only followed."""
    told = (run / "instances" / name / "workdir" / telemetry.FAILURE_FILE).is_file()
    return not told and code != _KILLED_BY_AGENT


def _victims(run: Path, cause: str) -> str:
    """Return a line that names the instances that only followed, nothing if there are none."""
    names = [name for name, _ in _exits(run) if name != cause]
    return f"Ended because of it: {', '.join(sorted(names))}.\n" if names else ""


_EXIT = re.compile(r"Instance (\S+) quit with exit code (-?\d+)")
_KILLED_BY_AGENT = -9  # what becomes of the others after one has failed


def _exits(run: Path) -> list[tuple[str, int]]:
    log = run / MANAGER_LOG
    text = log.read_text(errors="replace") if log.is_file() else ""
    return [(name, int(code)) for name, code in _EXIT.findall(text)]


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
