"""What a run says about itself: who supervises it, how it stands, how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from manyscale.contract.refusal import Refused
from manyscale.launching import keeper

FILE = "run.json"
RUNNING, DONE, LOST = "running", "done", "lost"
RUN_NAME = "MANYSCALE_RUN"  # environment variable of every process of a run: its directory


@dataclass(frozen=True)
class RunFile:
    """A run as its supervisor leaves it in the run directory."""

    state: str
    command: str
    host: str
    pid: int
    pid_since: int
    """Start of the supervising process after that of the machine, in clock ticks: a process id
    alone may be used again, and the time of day may be set."""
    started: float
    ended: float | None = None
    exit_code: int | None = None
    sentence: str = ""
    snapshot: str = ""
    files: tuple[str, ...] = ()
    job: str = ""

    @property
    def here(self) -> bool:
        """Whether the supervisor ran on this machine."""
        return self.host == socket.gethostname()

    @property
    def supervisor(self) -> psutil.Process | None:
        """The living supervisor, None if there is none on this machine."""
        if not self.here:
            return None
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            dead = process.status() == psutil.STATUS_ZOMBIE
            if not dead and keeper.began(self.pid) == self.pid_since:
                return process
        return None

    @property
    def stands(self) -> str:
        """How the run stands: what was written, or `lost` if nobody can end it any more."""
        gone = self.state == RUNNING and self.here and self.supervisor is None
        return LOST if gone else self.state


def begin(run: Path, files: list[Path]) -> RunFile:
    """Write that this process supervises a run of `files`."""
    me = os.getpid()
    told = RunFile(
        state=RUNNING,
        command=shlex.join(["manyscale", *sys.argv[1:]]),
        host=socket.gethostname(),
        pid=me,
        pid_since=keeper.began(me) or 0,
        started=time.time(),
        files=tuple(map(str, files)),
        job=os.environ.get("SLURM_JOB_ID", ""),
    )
    _write(run, told)
    return told


def end(run: Path, told: RunFile, ending: BaseException | None, snapshot: str = "") -> None:
    """Write how a run ended; a full disk does not hide why."""
    over = replace(told, state=DONE, ended=time.time(), exit_code=0, snapshot=snapshot)
    with contextlib.suppress(OSError):
        _write(run, over if ending is None else _with(over, ending))


def amend(run: Path, ending: Refused) -> None:
    """Write that a run that had ended well is not what it should be."""
    _write(run, _with(read(run), ending))


def _with(told: RunFile, ending: BaseException) -> RunFile:
    lines = str(ending).splitlines()
    return replace(
        told,
        state=getattr(ending, "word", "failed"),
        exit_code=getattr(ending, "exit_code", 1),
        sentence=lines[-1] if lines else "",
    )


def _write(run: Path, told: RunFile) -> None:
    new = run / f"{FILE}.new"
    new.write_text(json.dumps(asdict(told), indent=2))
    new.replace(run / FILE)


def read(run: Path) -> RunFile:
    """Return what a run says about itself; refuse a folder that is none of ours."""
    path = run / FILE
    try:
        data = json.loads(path.read_text())
        return RunFile(**{**data, "files": tuple(data["files"])})
    except FileNotFoundError:
        what = "was not launched by `manyscale run`" if run.is_dir() else "does not exist"
        raise Refused(f"{run} {what}: it has no {FILE}.") from None
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise Refused(f"{path} cannot be read: {exc}.") from None


def runs_in(folder: Path) -> list[Path]:
    """Return the run directories right in a folder, newest first."""
    found = {}
    for path in folder.glob(f"*/{FILE}"):
        with contextlib.suppress(OSError):  # it was removed meanwhile
            found[path.parent] = path.stat().st_mtime
    return sorted(found, key=lambda run: found[run], reverse=True)
