"""Workers that share the jobs of a call: this thread, or several."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol

from manyscale.bridges.farm.members import Crew, Outcome, Task

Done = tuple[int, int, Outcome]
"""Number of the task, worker, and what became of it."""


class Pool(Protocol):
    """Some workers. Tasks come back as they are completed."""

    workers: int

    def completed(
        self, tasks: Sequence[Task], homes: Sequence[int] | None = None
    ) -> Iterator[Done]:
        """Yield every task as it is done: on the worker `homes` says, or on the next free one."""

    def close(self) -> None:
        """End the workers."""


class Serial:
    """One worker: the caller's own thread."""

    workers = 1

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def completed(
        self, tasks: Sequence[Task], homes: Sequence[int] | None = None
    ) -> Iterator[Done]:
        """Yield every task as it is done."""
        for number, task in enumerate(tasks):
            yield number, 0, self._crew.run(task)

    def close(self) -> None:
        """Release the engines."""
        self._crew.close()


class Threads:
    """Threads of this process: for models that work outside of Python's lock."""

    def __init__(self, crews: Callable[[], Crew], workers: int) -> None:
        self.workers = workers
        self._crews = [crews() for _ in range(workers)]
        self._pool = ThreadPoolExecutor(workers, "farm")

    def completed(
        self, tasks: Sequence[Task], homes: Sequence[int] | None = None
    ) -> Iterator[Done]:
        """Yield every task as it is done."""
        waiting = Queues(len(tasks), homes, self.workers)
        running: dict[Future[Outcome], tuple[int, int]] = {}
        idle = set(range(self.workers))
        try:
            while True:
                for worker in sorted(idle):
                    number = waiting.next(worker)
                    if number is not None:
                        idle.discard(worker)
                        future = self._pool.submit(self._crews[worker].run, tasks[number])
                        running[future] = number, worker
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    number, worker = running.pop(future)
                    idle.add(worker)
                    yield number, worker, future.result()
        finally:
            wait(running)  # a caller that stops early finds no thread at work

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()
        for crew in self._crews:
            crew.close()


class Queues:
    """Which task a worker takes next: those of its own list, or the next of all."""

    def __init__(self, count: int, homes: Sequence[int] | None, workers: int) -> None:
        self._open: deque[int] = deque(range(count) if homes is None else [])
        self._own: list[deque[int]] = [deque() for _ in range(workers)]
        for number, home in enumerate(homes or ()):
            self._own[home].append(number)

    def next(self, worker: int) -> int | None:
        """Return the number of a task, None if there is none for this worker."""
        own = self._own[worker]
        if own:
            return own.popleft()
        return self._open.popleft() if self._open else None
