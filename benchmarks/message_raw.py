"""Round trips of two plain processes: over TCP, and over shared memory with two copies each way.

What any coupling over sockets or over copied memory can reach at best: no messages, no time
stamps, no checks.
"""

from __future__ import annotations

import mmap
import os
import socket
import sys
from collections.abc import Callable

import numpy as np

from message_meter import Arrays, Meter, turns_of

ASKER, ECHO = "asker.npy", "echo.npy"
_FLAGS = 4096  # bytes; each side's count of turns in a cache line of its own
_OTHER = 8  # numbers of 8 bytes from one count to the other


def over_tcp(turns: list[int]) -> None:
    """Send each array over the loopback and receive it back."""
    listener = socket.create_server(("127.0.0.1", 0))
    there = socket.create_connection(listener.getsockname())
    back, _ = listener.accept()
    for end in (there, back):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    answers = np.empty(max(turns) // 8)

    def ask(turn: int, array: np.ndarray) -> None:
        there.sendall(array)
        _fill(there, answers[: array.size])

    def answer(turn: int, size: int) -> None:
        _fill(back, answers[: size // 8])
        back.sendall(answers[: size // 8])

    _both(turns, ask, answer)


def _fill(end: socket.socket, target: np.ndarray) -> None:
    view = memoryview(target).cast("B")
    while view:
        view = view[end.recv_into(view) :]


def over_memory(turns: list[int]) -> None:
    """Copy each array into memory that both see, out of it, and the same way back."""
    most = max(turns)
    memory = mmap.mmap(-1, _FLAGS + 2 * most)
    counts = np.frombuffer(memory, np.int64, _FLAGS // 8)
    there = np.frombuffer(memory, float, most // 8, _FLAGS)
    back = np.frombuffer(memory, float, most // 8, _FLAGS + most)
    own = np.empty(most // 8)

    def ask(turn: int, array: np.ndarray) -> None:
        there[: array.size] = array
        counts[0] = turn + 1
        _await(counts, _OTHER, turn + 1)
        own[: array.size] = back[: array.size]

    def answer(turn: int, size: int) -> None:
        _await(counts, 0, turn + 1)
        own[: size // 8] = there[: size // 8]
        back[: size // 8] = own[: size // 8]
        counts[_OTHER] = turn + 1

    _both(turns, ask, answer)


def _await(counts: np.ndarray, place: int, count: int) -> None:
    while counts[place] != count:
        os.sched_yield()


def _both(
    turns: list[int],
    ask: Callable[[int, np.ndarray], None],
    answer: Callable[[int, int], None],
) -> None:
    """Ask in this process and answer in a child."""
    child = os.fork()
    meter, arrays = Meter(ASKER if child else ECHO), Arrays()
    for turn, size in enumerate(turns):
        array = arrays.of(size) if child else None
        meter.tick(size)
        if array is None:
            answer(turn, size)
        else:
            ask(turn, array)
    if child:
        os.waitpid(child, 0)


if __name__ == "__main__":
    {"tcp": over_tcp, "memory": over_memory}[sys.argv[1]](turns_of(sys.argv[2]))
