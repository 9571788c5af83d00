"""A process tree that can be accounted for: whoever is killed, nothing of it stays behind.

The supervisor starts a keeper, the keeper the command. Both are subreapers, so that no
process below can get away; each ends the tree when the other is gone.
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
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from manyscale.launching import keeper
from manyscale.launching.keeper import Family
from manyscale.launching.outcome import Interrupted
from manyscale.launching.runs import RUN_NAME

_PERIOD = 0.2  # s between two looks at a run
_REPORT_TIME = 30.0  # s a keeper may take to end everything, beyond grace and patience
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_IS_SUBREAPER = 37


@dataclass(frozen=True)
class Ending:
    """How the command ended."""

    code: int | None
    """Its exit code, minus the signal that killed it, None if it had to be ended."""
    left: tuple[str, ...] = ()
    """Processes that would not go, by name."""
    told: int | None = None
    """The signal by which somebody told the keeper to end everything."""
    keeper_died: bool = False


class Tree:
    """A command and everything below it, as a context: on leaving, nothing is left."""

    def __init__(
        self,
        command: Sequence[str],
        run: Path,
        output: Path,
        environment: Mapping[str, str],
        descriptors: Sequence[int] = (),
        grace: float = keeper.GRACE,
    ) -> None:
        self._run, self._grace = run, grace
        self._command, self._output = command, output
        self._environment = {**environment, RUN_NAME: str(run)}
        self._descriptors = descriptors
        self._seen: set[int] = set()
        self._told: dict[str, Any] = {}

    def __enter__(self) -> Tree:
        _guardians.enter()
        watched, self._alive = os.pipe()
        self._report, report = os.pipe()
        numbers = ",".join(map(str, self._descriptors))
        start = [sys.executable, "-I", "-S", keeper.__file__, str(watched), str(report)]
        with self._output.open("w") as output:
            self._keeper = subprocess.Popen(
                [*start, str(self._grace), numbers, "--", *self._command],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self._environment,
                pass_fds=(watched, report, *self._descriptors),
                start_new_session=True,  # a signal to our group is passed on once, by us
            )
        os.close(watched)
        os.close(report)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()
        _guardians.leave()
        os.close(self._report)

    def wait(self, looks: Sequence[Callable[[], None]]) -> Ending:
        """Call all `looks` again and again until the command has ended; return how it did."""
        while self._keeper.poll() is None:
            if select.select([self._report], [], [], _PERIOD)[0] and self._hear():
                break
            for look in looks:
                look()
        return self.end()

    def family(self) -> Family:
        """Return every living process of the run."""
        found = keeper.descendants(self._keeper.pid)
        told = keeper.standing(self._keeper.pid)
        if told is not None and told[0] == "T":
            keeper.tell(self._keeper.pid, signal.SIGCONT)  # nobody else would notice its end
        self._seen.update(found)
        return found

    def end(self) -> Ending:
        """End what is left, by the keeper or, if it is gone, in its stead."""
        if self._alive >= 0:
            os.close(self._alive)
            self._alive = -1
        keeper.tell(self._keeper.pid, signal.SIGCONT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._keeper.wait(self._grace + keeper.PATIENCE + _REPORT_TIME)
        self._hear()
        if "left" in self._told:
            called = [*self._told["called"], None]
            return Ending(self._told["code"], tuple(self._told["left"]), called[0])
        self._keeper.kill()
        self._keeper.wait()
        left = keeper.end_all(self._orphans, self._reap, self._grace)
        return Ending(None, tuple(left), keeper_died=True)

    def _orphans(self) -> Family:
        """Return what a keeper that is gone left to us."""
        mark = f"{RUN_NAME}={self._run}".encode()
        found: Family = {}
        mine = keeper.descendants(os.getpid())
        for pid, told in mine.items():
            known = pid in self._seen or told[2] == self._keeper.pid
            if pid not in found and (known or mark in _environ(pid)):
                found |= {pid: told, **keeper.descendants(pid)}
        self._seen.update(found)
        return found

    def _reap(self) -> None:
        for pid in self._seen:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def _hear(self) -> bool:
        """Take in what the keeper reports; return whether it has nothing more to say."""
        while select.select([self._report], [], [], 0.0)[0]:
            said = os.read(self._report, 65536)
            if not said:
                return True
            for line in said.splitlines():
                self._told |= json.loads(line)
        return "left" in self._told


def _environ(pid: int) -> list[bytes]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return []


class _Guardians:
    """How many trees this process guards; it adopts orphans as long as there is one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._before = False

    def enter(self) -> None:
        with self._lock:
            if not self._count:
                self._before = _is_subreaper()
                keeper.adopt()
            self._count += 1

    def leave(self) -> None:
        with self._lock:
            self._count -= 1
            if not self._count and not self._before:
                keeper.adopt(False)


_guardians = _Guardians()  # being a subreaper is of the process, not of one launch


def _is_subreaper() -> bool:
    answer = ctypes.c_int()
    ctypes.CDLL(None).prctl(_IS_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return bool(answer.value)


@contextlib.contextmanager
def signals_unwind(on_request: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Let TERM, HUP and INT end a launch through its `finally`; USR1 asks for a clean stop.

    A signal is only noted; what this yields raises `Interrupted` after one. So none breaks into
    the beginning or the ending of a tree, however impatient somebody is.
    """
    caught: list[int] = []

    def look() -> None:
        if caught:
            raise Interrupted(caught[0])

    if threading.current_thread() is not threading.main_thread():
        yield look  # only the main thread may set handlers
        return
    # nohup ignores HUP, and means it
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    numbers = [n for n in _SIGNALS if not (ignored and n == signal.SIGHUP)]
    before: dict[int, Any] = {
        number: signal.signal(number, lambda number, frame: caught.append(number))
        for number in numbers
    }
    before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, lambda number, frame: on_request())
    try:
        yield look
        look()
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
