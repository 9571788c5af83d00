"""Keeps a process tree: starts a command and leaves nothing of it behind.

`python -I -S keeper.py WATCHED REPORT GRACE DESCRIPTORS -- COMMAND ...` is the parent of
everything below the manager: orphans become its children, whatever session they are in. It
ends them all when the command has ended, when it is told to end, and when the pipe `WATCHED`
closes because whoever started it has died. It knows the standard library only, so that it starts
quickly; who started it uses the same functions when the keeper itself is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable

Standing = tuple[str, int, int, str]  # state letter, parent, session, name
Family = dict[int, Standing]
GRACE = 5.0  # s between asking a process tree to end and ending it
PATIENCE = 10.0  # s until what does not end is called unkillable
_SUBREAPER, _NO_SUBREAPER, _DEATH_SIGNAL = (36, 1), (36, 0), (1, signal.SIGKILL)
_POLL = 0.05  # s
_PEEK = os.WEXITED | os.WNOHANG | os.WNOWAIT
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def adopt(orphans: bool = True) -> None:
    """Become, or cease to be, the parent of every orphan below this process."""
    ctypes.CDLL(None).prctl(*(_SUBREAPER if orphans else _NO_SUBREAPER), 0, 0, 0)


def die_with_parent() -> None:
    """Let the kernel end this process when the one that started it is gone."""
    ctypes.CDLL(None).prctl(*_DEATH_SIGNAL, 0, 0, 0)


def standing(pid: int) -> Standing | None:
    """Return state letter, parent, session and name of a process, None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    words = rest.split()
    return words[0], int(words[1]), int(words[3]), name


def began(pid: int) -> int | None:
    """Return when a process was started, in clock ticks since the machine was, None if gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except OSError:
        return None


def descendants(root: int) -> Family:
    """Return the standing of every living process below `root`, by process id."""
    below: dict[int, list[int]] = {}
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            told = standing(int(name))
            if told is not None:
                found[int(name)] = told
                below.setdefault(told[1], []).append(int(name))
    heirs, left = {}, [root]
    while left:
        for pid in below.get(left.pop(), []):
            heirs[pid] = found[pid]
            left.append(pid)
    return {pid: told for pid, told in heirs.items() if told[0] not in "ZX"}


def end_all(
    members: Callable[[], Family],
    reap: Callable[[], None],
    grace: float = GRACE,
    patience: float = PATIENCE,
) -> list[str]:
    """End all `members`, politely first; return by name those that would not go.

    They are looked up again and again, for some may be born meanwhile.
    """
    told: set[int] = set()
    steps: list[tuple[int, float]] = [(signal.SIGTERM, grace), (signal.SIGKILL, patience)]
    for number, limit in steps:
        deadline = time.monotonic() + limit
        while alive := members():
            for pid in alive:
                if number == signal.SIGKILL or pid not in told:
                    told.add(pid)
                    tell(pid, number)
                    tell(pid, signal.SIGCONT)  # a stopped process hears nothing else
            if time.monotonic() > deadline:
                break
            reap()
            time.sleep(_POLL / 5)
        else:
            reap()
            return []
    return [f"{name} ({pid}, state {state})" for pid, (state, _, _, name) in members().items()]


def tell(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone, or root's own by now (sudo, a container)."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _reap_orphans(own: int) -> None:
    """Collect ended children; leave `own` to the object that waits for it."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, _PEEK)) and ended.si_pid != own:
            os.waitpid(ended.si_pid, os.WNOHANG)


def _say(report: int, **words: object) -> None:
    with contextlib.suppress(OSError):  # nobody may listen any more
        os.write(report, json.dumps(words).encode() + b"\n")


def main(arguments: list[str]) -> int:
    """Start the command, wait, and end everything below; return its exit code."""
    watched, report, grace = int(arguments[0]), int(arguments[1]), float(arguments[2])
    passed = [int(number) for number in arguments[3].split(",") if number]
    adopt()
    called: list[int] = []
    for ending in _ENDING:
        signal.signal(ending, lambda caught, _: called.append(caught))
    process = subprocess.Popen(
        arguments[5:], pass_fds=passed, preexec_fn=die_with_parent, stdin=subprocess.DEVNULL
    )
    for number in passed:
        os.close(number)
    _say(report, manager=process.pid)
    while process.poll() is None and not called:
        if select.select([watched], [], [], _POLL)[0]:
            called.append(signal.SIGHUP)  # whoever started us is gone
        _reap_orphans(process.pid)
    code = process.poll()
    left = end_all(lambda: descendants(os.getpid()), lambda: _reap_orphans(0), grace)
    _say(report, code=code, called=called[:1], left=left)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
