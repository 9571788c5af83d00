"""Workers that are processes of their own on this host."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from manyscale.bridges.farm import wire
from manyscale.bridges.farm.layout import Layout, layout
from manyscale.bridges.farm.members import Outcome, Task
from manyscale.bridges.farm.workers import Done, Queues
from manyscale.contract.model import ScaleModel
from manyscale.contract.refusal import Refused

PROGRAM = "manyscale.bridges.farm.process"
_ONE_THREAD = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_START = 300.0  # s; how long a process may take to start
_PATIENCE = 5.0  # s; how long a process may take to end when it is told to


class _Process:
    """One worker process and the pipes to it."""

    def __init__(self, number: int, words: Mapping[str, Any]) -> None:
        self.number = number
        self._process = subprocess.Popen(
            [sys.executable, "-m", PROGRAM, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # what waits in a buffer would not wake whoever waits for the pipe
            env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1")},
        )
        self._held = b""
        self.task: int | None = None
        self.since = time.monotonic()
        self.ready = False
        self.late = ""
        self._tell(words)

    @property
    def pipe(self) -> Any:
        """The end its answers come out of."""
        return self._process.stdout

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def take(self, number: int, task: Task, held: bytes, digest: bytes) -> None:
        """Give it a task; what is held for all members goes only if it has changed."""
        words = {"task": wire.packed_task(task), "held": held if digest != self._held else None}
        self._held, self.task, self.since = digest, number, time.monotonic()
        self._tell(words)

    def _tell(self, words: Mapping[str, Any]) -> None:
        # if it is gone, that shows when its answer is read
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            wire.write_frame(self._process.stdin, wire.sealed(words))  # type: ignore[arg-type]

    def answer(self) -> dict[str, Any] | None:
        """Read its answer, None if it is gone."""
        data = wire.read_frame(self.pipe)
        return None if data is None else wire.opened(data)

    def stop(self, limit: float) -> None:
        """Kill it for taking longer than `limit` s for a member."""
        what = f"it took longer than {limit:g} s for a member" if self.ready else "it did not start"
        self.late = f"worker {self.number} (process {self.pid}) was ended: {what}"
        self._process.kill()

    def epitaph(self) -> str:
        """Say how it ended."""
        code = self._process.wait(_PATIENCE)
        if code >= 0:
            return f"worker {self.number} (process {self.pid}) ended with exit code {code}"
        name = signal.Signals(-code).name
        return f"worker {self.number} (process {self.pid}) was killed by {name}"

    def end(self, *, now: bool) -> None:
        """End it: after what it is at, or at once."""
        if now:
            self._process.kill()
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(_PATIENCE)
        except (subprocess.TimeoutExpired, OSError):
            self._process.kill()
            self._process.wait()
        finally:
            self.pipe.close()


class Processes:
    """Processes of this host that run members of a model.

    For models that Python's lock would hold up, or that may fall. Also of use without a farm:

    >>> with Processes(model, workers=2) as pool:  # doctest: +SKIP
    ...     for number, worker, outcome in pool.completed(tasks):
    ...         keep(tasks[number].ids[outcome.rows], outcome.columns)

    Parameters
    ----------
    models
        The model with its settings, or several of one class that differ in them.
    workers
        Number of processes. They start with the first task.
    time_limit
        Wall time in s that one member may take; 0: any. A worker that takes longer is ended.
    """

    def __init__(
        self,
        models: ScaleModel | Sequence[ScaleModel],
        workers: int,
        *,
        time_limit: float = 0.0,
        made: Layout | None = None,
    ) -> None:
        several = [models] if isinstance(models, ScaleModel) else list(models)
        self.model = type(several[0])
        self.layout = layout(self.model, frozenset()) if made is None else made
        self.workers, self.time_limit = workers, time_limit
        self._words = {
            "reference": _reference(self.model),
            "settings": [{n: getattr(m, n) for n in m.settings()} for m in several],
        }
        self._processes: list[_Process | None] = [None] * workers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that are there."""
        return [process.pid for process in self._processes if process is not None]

    def start(self) -> None:
        """Start all processes now; they come up side by side."""
        for worker in range(self.workers):
            self._of(worker)

    def _of(self, worker: int) -> _Process:
        found = self._processes[worker]
        if found is None:
            found = self._processes[worker] = _Process(worker, self._words)
        return found

    def completed(
        self, tasks: Sequence[Task], homes: Sequence[int] | None = None
    ) -> Iterator[Done]:
        """Yield (number, worker, outcome) of every task as it is done.

        A task whose worker was lost on the way has `lost` in its outcome, and all its members in
        `failures`. Raises `Refused` for a model that cannot be set up in another process.
        """
        waiting = Queues(len(tasks), homes, self.workers)
        held: dict[int, tuple[bytes, bytes]] = {}
        busy: set[int] = set()
        with selectors.DefaultSelector() as selector:
            try:
                while True:
                    for worker in range(self.workers):
                        number = None if worker in busy else waiting.next(worker)
                        if number is not None:
                            self._give(worker, number, tasks[number], held)
                            selector.register(self._of(worker).pipe, selectors.EVENT_READ, worker)
                            busy.add(worker)
                    if not busy:
                        return
                    for worker in self._heard(selector, busy, tasks):
                        process = self._of(worker)
                        number, answer = process.task, process.answer()
                        if answer == wire.READY:
                            process.ready, process.since = True, time.monotonic()
                            continue
                        selector.unregister(process.pipe)
                        busy.discard(worker)
                        assert number is not None
                        yield number, worker, self._outcome(process, answer, tasks[number])
            finally:
                for worker in busy:  # a caller that stops early leaves nobody at work
                    self._lose(worker)

    def _give(
        self, worker: int, number: int, task: Task, held: dict[int, tuple[bytes, bytes]]
    ) -> None:
        key = id(task.held)
        if key not in held:
            held[key] = wire.packed_held(task.held)
        self._of(worker).take(number, task, *held[key])

    def _heard(
        self, selector: selectors.BaseSelector, busy: set[int], tasks: Sequence[Task]
    ) -> list[int]:
        """Return the workers that have answered, or were ended for taking too long."""
        if not self.time_limit:
            return [key.data for key, _ in selector.select()]
        limits = {worker: self._limit(worker, tasks) for worker in busy}
        first = min(limits.values()) - time.monotonic()
        heard = [key.data for key, _ in selector.select(max(0.0, first))]
        if heard:
            return heard
        late = [worker for worker in busy if limits[worker] <= time.monotonic()]
        for worker in late:
            self._of(worker).stop(self.time_limit)
        return late

    def _limit(self, worker: int, tasks: Sequence[Task]) -> float:
        process = self._of(worker)
        assert process.task is not None
        # a limit of members does not count while the process is still starting
        limit = self.time_limit * len(tasks[process.task].ids) if process.ready else _START
        return process.since + limit

    def _outcome(self, process: _Process, answer: dict[str, Any] | None, task: Task) -> Outcome:
        if answer is not None and "refused" not in answer:
            return wire.unpacked_outcome(answer, self.model)
        seconds, why = time.monotonic() - process.since, process.late
        if answer is None:
            why = why or process.epitaph()
        self._lose(process.number)
        if answer is not None:
            raise Refused(answer["refused"])
        return _lost(task, why, seconds)

    def _lose(self, worker: int) -> None:
        """End a process; another takes its place with the next task."""
        process, self._processes[worker] = self._processes[worker], None
        if process is not None:
            process.end(now=True)

    def close(self) -> None:
        """End all processes."""
        for process in self._processes:
            if process is not None:
                process.end(now=False)
        self._processes = [None] * self.workers


def _lost(task: Task, why: str, seconds: float) -> Outcome:
    count = len(task.ids)
    failures = dict.fromkeys(range(count), why)
    cost = np.full(count, seconds / max(count, 1))
    return Outcome(np.zeros(0, np.intp), {}, None, task.time, cost, failures, lost=why)


def _reference(model: type[ScaleModel]) -> str:
    if model.__module__ == "__main__":
        raise Refused(
            f"{model.__qualname__} is defined in the script that runs; put it into a module, so"
            " that other processes find it."
        )
    return f"{model.__module__}:{model.__qualname__}"
