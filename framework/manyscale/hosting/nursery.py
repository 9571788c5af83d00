"""A program of many instances is imported once: they are forked from where it has been.

An agent that has started one instance of a program starts it once more, with a socket in place
of the name of an instance (see `manyscale_guard.nursery`). Such a process imports, and then forks
an instance for every order. Nothing has run in it but imports: it has one thread, no connection
and no random number drawn. Of models only those of this project, with the libraries of their
kernels, are imported here: what the module of somebody else does at import, it does in each
instance.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from manyscale.hosting import threads

VARIABLE = "MANYSCALE_NURSERY"
_OURS = ("manyscale", "manyscale_plugins")  # importing draws no numbers there and opens nothing
_IDLE = 30.0  # s without an order: all instances of a run start at once
_PATIENCE = 10.0  # s until the agent is the parent
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_LIBC = ctypes.CDLL(None)


def born() -> None:
    """Return in every instance; at once, unless this process is a nursery."""
    told = os.environ.get(VARIABLE, "").split(":")
    if len(told) != 3:
        return
    place = f"{VARIABLE}={os.environ.pop(VARIABLE)}".encode()
    with socket.socket(fileno=int(told[0])) as control:
        control.settimeout(_IDLE)
        _prepare(sys.argv[1:])
        order = _next_birth(control)
    _become(order, int(told[1]), place)


def _prepare(arguments: list[str]) -> None:
    """Import what all instances will, and keep it where no collection of garbage copies it."""
    threads.follow_resources()
    _import("encodings.idna")  # the first connection of any process does
    for part in arguments[0].split("@"):
        module = part.partition(":")[0]
        if module.partition(".")[0] in _OURS:
            _import(module)
            _import(f"{module}.kernel")
    if len(os.listdir("/proc/self/task")) > 1:
        sys.exit("A process with threads cannot be forked.")
    gc.collect()
    gc.freeze()


def _import(module: str) -> None:
    with contextlib.suppress(Exception):  # an instance says what is wrong with it
        importlib.import_module(module)


def _next_birth(control: socket.socket) -> dict[str, Any]:
    """Fork for every order; return it in the instance."""
    try:
        for line in control.makefile("rb"):
            order: dict[str, Any] = json.loads(line)
            between = os.fork()
            if not between and not _hand_over(control, order["order"]):
                return order
            os.waitpid(between, 0)
    except OSError:  # no more orders, or nobody to give them
        pass
    _leave(0)


def _hand_over(control: socket.socket, number: int) -> int:
    """Fork once more and end, so that the agent inherits the instance; return 0 in that."""
    try:
        pid = os.fork()
    except OSError:
        pid = -1
    if pid:
        control.sendall(json.dumps([number, max(pid, 0)]).encode() + b"\n")
        _leave(0)
    return pid


def _leave(code: int) -> NoReturn:
    os._exit(code)  # nothing was opened that is to be closed


def _become(order: dict[str, Any], agent: int, place: bytes) -> None:
    """Let this process be what it would be had the agent started it."""
    for number, name in ((1, order["stdout"]), (2, order["stderr"])):
        opened = os.open(name, os.O_WRONLY)
        os.dup2(opened, number)
        os.close(opened)
    _die_with(agent)
    here = os.getcwd()
    os.chdir(order["folder"])
    sys.path[:1] = [order["folder"]] if sys.path[:1] == [here] else sys.path[:1]
    if "PWD" in os.environ:
        os.environ["PWD"] = order["folder"]
    os.environ["MUSCLE_INSTANCE"] = order["instance"]
    _show_name(place, f"MUSCLE_INSTANCE={order['instance']}".encode())
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def _die_with(agent: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while os.getppid() != agent and time.monotonic() < deadline:
        time.sleep(0.0005)
    _LIBC.prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != agent:  # it went before we asked
        _leave(1)


def _show_name(place: bytes, name: bytes) -> None:
    """Write the name where others see the environment of this process, as far as there is room."""
    with open("/proc/self/stat", "rb") as file:
        words = file.read().rpartition(b")")[2].split()
    first, last = int(words[47]), int(words[48])  # of the bytes it was started with
    found = ctypes.string_at(first, last - first).find(place)
    if found >= 0 and len(name) <= len(place):
        ctypes.memmove(first + found, name.ljust(len(place), b"\0"), len(place))
