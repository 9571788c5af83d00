"""Instances of one program are forked from a process that has imported what all of them import.

The first is started by itself. The second asks for a nursery: the same run script in the same
environment, but for the name of the instance, which stops when it has imported the framework
(`manyscale.hosting.nursery`). From then on it forks an instance for every order. Each is a
process of its own and, as its immediate parent ends at once, a child of this agent as any other.

Whenever a nursery does not come up, or ends, its orders are started as if there were none.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any, Callable

from manyscale_guard import processes

VARIABLE = "MANYSCALE_NURSERY"
"""`no` starts every instance by itself; a nursery finds here `DESCRIPTOR:AGENT:` and room."""
_ROOM = "_" * 256  # for the name of an instance, which takes this place in /proc
_AT_ONCE = 32  # orders that a nursery has not answered yet, so that its socket never fills
_WORD = r"[\w.:@/+-]+"
_SCRIPT = re.compile(
    # what MUSCLE3 writes for a program that is one process of this host, and nothing else
    rf"#!/bin/bash\n\n(?:module [\w./ +-]+\n|\n)*(?:\. {_WORD}/bin/activate\n\n)?"
    rf"exec {_WORD} -m manyscale\.hosting\.muscle {_WORD}\n?"
)
_Start = Callable[..., "subprocess.Popen[bytes]"]
_Key = tuple[str, frozenset[tuple[str, str]]]


class Born:
    """An instance of a nursery: what libmuscle uses of a `Popen`."""

    def __init__(self, nursery: Nursery, order: dict[str, str], start: _Start) -> None:
        self.pid: int | None = None
        self.returncode: int | None = None
        self.order = order
        self._nursery, self._start = nursery, start
        self._alone: subprocess.Popen[bytes] | None = None

    def poll(self) -> int | None:
        """Return the exit code, minus the signal that ended it, None as long as it lives."""
        if self._alone is not None:
            return self._alone.poll()
        if self.pid is None:
            self._nursery.look()
        elif self.returncode is None:
            self._reap(self.pid)
        return self.returncode

    def kill(self) -> None:
        """End it, or see that it is never born."""
        if self._alone is not None:
            self._alone.kill()
        elif self.pid is None:
            self.returncode = -signal.SIGKILL
        elif self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)  # it is our child, and so the number is still its own

    def take(self, pid: int) -> None:
        """Note that it is born as process `pid`, or that it could not be, with 0."""
        if not pid:
            self.start_alone()
        elif self.returncode is None:
            self.pid = pid
        else:  # it was to be killed meanwhile
            os.kill(pid, signal.SIGKILL)

    def start_alone(self) -> None:
        """Start it as if there were no nursery."""
        if self.returncode is not None or self._alone is not None:
            return
        try:
            with open(self.order["stdout"], "w") as out, open(self.order["stderr"], "w") as err:
                self._alone = self._start(stdout=out, stderr=err)
        except OSError:
            self.returncode = 127  # as a shell says it

    def _reap(self, pid: int) -> None:
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # it has not been handed to us yet
            if processes.is_gone(pid):  # nor could it be, and then it did not begin
                self.start_alone()
            return
        if ended:
            self.returncode = os.waitstatus_to_exitcode(status)


class Nursery:
    """The process that bears the instances of one program in one environment."""

    def __init__(self, start: _Start) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        self._waiting: deque[Born] = deque()
        self._asked: dict[int, Born] = {}
        self._heard = b""
        self._orders = 0
        self.gone = self.fertile = False
        told = {VARIABLE: f"{theirs.fileno()}:{os.getpid()}:{_ROOM}"}
        with theirs:
            self._process = start(told, theirs.fileno())

    def bear(self, order: dict[str, str], start: _Start) -> Born:
        """Order an instance; `start` starts it without a nursery."""
        born = Born(self, order, start)
        self._waiting.append(born)
        self.look()
        return born

    def look(self) -> None:
        """Pass on orders and take in answers, without waiting."""
        if self.gone:
            return
        try:
            while self._waiting and len(self._asked) < _AT_ONCE:
                self._ask(self._waiting.popleft())
            while self._hear():
                pass
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def _ask(self, born: Born) -> None:
        self._orders += 1
        self._asked[self._orders] = born
        self._socket.sendall(json.dumps({**born.order, "order": self._orders}).encode() + b"\n")

    def _hear(self) -> bool:
        heard = self._socket.recv(65536)
        if not heard:
            self.close()
            return False
        *lines, self._heard = (self._heard + heard).split(b"\n")
        for line in lines:
            number, pid = json.loads(line)
            self._asked.pop(number).take(pid)
            self.fertile = self.fertile or bool(pid)
        return True

    def close(self) -> None:
        """End the nursery; what it has not born is started without."""
        if self.gone:
            return
        self.gone = True
        self._socket.close()
        self._process.kill()
        self._process.wait()
        for born in [*self._asked.values(), *self._waiting]:
            born.start_alone()


_known: dict[_Key, Nursery | None] = {}


def ordered(
    start: _Start,
    args: list[str],
    env: Mapping[str, str],
    options: Mapping[str, Any],
) -> Born | None:
    """Return an instance that a nursery bears, None if it is to be started by itself.

    `start` takes args, environment, descriptors to pass on, and options of `Popen`.
    """
    key = _key(args, env)
    if key is None:
        return None
    if key not in _known:
        _known[key] = None  # one of a kind may remain the only one
        return None
    nursery = _known[key]
    if nursery is None or (nursery.gone and nursery.fertile):
        nursery = _known[key] = _opened(start, args, env)
    if nursery.gone:  # this program has none: it starts threads at import, for instance
        return None
    order = {
        "instance": env["MUSCLE_INSTANCE"],
        "folder": str(options["cwd"]),
        "stdout": options["stdout"].name,
        "stderr": options["stderr"].name,
    }

    def alone(**files: Any) -> subprocess.Popen[bytes]:
        return start(args, env, (), **{**options, **files})

    return nursery.bear({name: str(value) for name, value in order.items()}, alone)


def _opened(start: _Start, args: list[str], env: Mapping[str, str]) -> Nursery:
    shared = {name: value for name, value in env.items() if name != "MUSCLE_INSTANCE"}

    def begin(told: dict[str, str], descriptor: int) -> subprocess.Popen[bytes]:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return start(args, {**shared, **told}, (descriptor,), **quiet)

    return Nursery(begin)


def _key(args: list[str], env: Mapping[str, str]) -> _Key | None:
    """Return what instances of one nursery have in common, None for what has no nursery."""
    if sys.platform != "linux" or len(args) != 1 or "MUSCLE_INSTANCE" not in env:
        return None
    if "MANYSCALE_GUARD" not in env or VARIABLE in env:
        return None
    if env.get("OMP_NUM_THREADS") != "1":  # libraries start their threads when they are imported
        return None
    try:
        with open(args[0], encoding="utf-8") as file:
            script = file.read()
    except (OSError, UnicodeDecodeError):
        return None
    if not _SCRIPT.fullmatch(script):
        return None
    return script, frozenset((n, v) for n, v in env.items() if n != "MUSCLE_INSTANCE")
