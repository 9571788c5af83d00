"""Workers that are the MPI ranks of the farm itself: the root works too.

Nothing is pickled: frames as they go to processes, sent as bytes. A rank that waits looks now and
then and sleeps between.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from manyscale.bridges.farm import wire
from manyscale.bridges.farm.members import Crew, Task
from manyscale.bridges.farm.workers import Done, Queues
from manyscale.contract.refusal import Refused

_ASK, _ANSWER = 11, 12  # tags
_LONGEST_SLEEP = 1e-3  # s
_LOOKS = 50  # before the first sleep: the next word often follows closely


class Ranks:
    """The root's view of its ranks."""

    def __init__(self, comm: Any, crew: Crew) -> None:
        self.workers = comm.Get_size()
        self._comm, self._crew = comm, crew
        self._held = [b""] * self.workers

    def completed(
        self, tasks: Sequence[Task], homes: Sequence[int] | None = None
    ) -> Iterator[Done]:
        """Yield every task as it is done; in between the root does some itself."""
        waiting = Queues(len(tasks), homes, self.workers)
        running: dict[int, int] = {}
        while True:
            for rank in range(1, self.workers):
                number = None if rank in running else waiting.next(rank)
                if number is not None:
                    self._ask(rank, tasks[number])
                    running[rank] = number
            mine = waiting.next(0)
            if mine is not None:
                yield mine, 0, self._crew.run(tasks[mine])
            elif not running:
                return
            for rank in self._heard(running, wait=mine is None):
                number = running.pop(rank)
                yield number, rank, self._answer(rank)

    def _ask(self, rank: int, task: Task) -> None:
        data, digest = wire.packed_held(task.held)
        held = None if digest == self._held[rank] else data
        self._held[rank] = digest
        words = wire.sealed({"task": wire.packed_task(task), "held": held})
        _send(self._comm, words, rank, _ASK)

    def _heard(self, running: dict[int, int], *, wait: bool) -> list[int]:
        """Return ranks that have answered; wait for the first if there is nothing else to do."""
        return _looked(self._comm, [*running], _ANSWER, wait=wait)

    def _answer(self, rank: int) -> Any:
        words = wire.opened(_receive(self._comm, rank, _ANSWER))
        if "refused" in words:
            raise Refused(f"{words['refused']} (rank {rank})")
        return wire.unpacked_outcome(words, self._crew.layout.model)

    def dismiss(self, now: float) -> None:
        """Tell the ranks that a call is over, and at which time it ended."""
        for rank in range(1, self.workers):
            _send(self._comm, wire.sealed({"now": now}), rank, _ASK)

    def close(self) -> None:
        """Release the engines of the root; the others release theirs."""
        self._crew.close()


class Follower:
    """What a rank that is not the root does in a call."""

    def __init__(self, comm: Any, crew: Crew) -> None:
        self._comm, self._crew = comm, crew
        self._held: dict[str, Any] = {}

    def serve(self) -> float:
        """Do tasks until the call is over; return the time it ended at, in s."""
        while True:
            words = wire.opened(_receive(self._comm, 0, _ASK))
            if "now" in words:
                return float(words["now"])
            if words["held"] is not None:
                self._held = wire.unpacked_held(words["held"])
            task = wire.unpacked_task(words["task"], self._crew.layout.model)
            task.held = self._held
            _send(self._comm, wire.sealed(self._done(task)), 0, _ANSWER)

    def _done(self, task: Task) -> dict[str, Any]:
        try:
            return wire.packed_outcome(self._crew.run(task))
        except Refused as exc:
            return {"refused": str(exc)}

    def close(self) -> None:
        """Release the engines."""
        self._crew.close()


def _send(comm: Any, data: bytes, rank: int, tag: int) -> None:
    from mpi4py import MPI

    comm.Send([np.frombuffer(data, np.uint8), MPI.BYTE], rank, tag)


def _receive(comm: Any, rank: int, tag: int) -> bytes:
    from mpi4py import MPI

    _looked(comm, [rank], tag, wait=True)
    status = MPI.Status()
    comm.Probe(rank, tag, status)
    data = bytearray(status.Get_count(MPI.BYTE))
    comm.Recv([data, MPI.BYTE], rank, tag)
    return bytes(data)


def _looked(comm: Any, ranks: Sequence[int], tag: int, *, wait: bool) -> list[int]:
    """Return the ranks that have sent something; with `wait`, at least one if there are any."""
    looks, pause = _LOOKS, 2e-5
    while True:
        # the first look only lets MPICH take in what has come, the second one sees it
        for _ in range(looks):
            found = [rank for rank in ranks if comm.Iprobe(rank, tag)]
            if found or not wait:
                return found
        if not ranks:
            return []
        time.sleep(pause)
        looks, pause = 2, min(1.4 * pause, _LONGEST_SLEEP)
