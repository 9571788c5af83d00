"""The workers of a farm and what was measured of them: all that is no part of its State."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from manyscale.bridges.farm import balancing, orders
from manyscale.bridges.farm.cache import Store
from manyscale.bridges.farm.call import WORDS, Call
from manyscale.bridges.farm.course import Results
from manyscale.bridges.farm.members import Crew, Task
from manyscale.bridges.farm.processes import Processes
from manyscale.bridges.farm.ranks import Follower, Ranks
from manyscale.bridges.farm.recall import Recall
from manyscale.bridges.farm.standing import Standing
from manyscale.bridges.farm.workers import Pool, Serial, Threads
from manyscale.contract.fields import Array
from manyscale.contract.messages import Contact

_SPIKE, _LEAST = 10.0, 0.1  # a member is told of that takes so many times longer, and so many s


class Team:
    """Shares the jobs of a call among workers, and remembers what they cost.

    Attributes
    ----------
    load
        Wall time in s that every worker spent on members in the last call.
    """

    def __init__(self, farm: Any) -> None:
        self.farm = farm
        self.costs = balancing.Costs(farm.cost_memory)
        self.load = np.zeros(1)
        self.standing = Standing(_described(farm), _certainty(farm))
        self._pool: Pool | None = None
        self._follower: Follower | None = None
        self._recall: Recall | None = None
        self._begun = 0.0

    @property
    def pool(self) -> Pool:
        """The workers; they are started when they are first needed."""
        if self._pool is None:
            self._pool = self._started()
        return self._pool

    @property
    def recall(self) -> Recall | None:
        """The cache, None if it is off."""
        farm = self.farm
        if farm.cache == "on" and self._recall is None:
            path = Path(farm.cache_file) if farm.cache_file else None
            store = Store(farm.cache_bytes, path)
            for notice in store.notices:
                self.tell(notice)
            self._recall = Recall(farm, store)
        return self._recall

    def tell(self, notice: str) -> None:
        """Say something that is no error and should be known."""
        print(f"{self.farm.name}: {notice}", file=sys.stderr)

    def _started(self) -> Pool:
        farm = self.farm
        if farm.ranks.size > 1:
            return Ranks(farm.ranks.comm, self._crew())
        if farm.pool == "processes":
            limit = farm.time_limit
            return Processes(farm.members(), farm.workers, time_limit=limit, made=farm.layout)
        if farm.workers == 1:
            return Serial(self._crew())
        return Threads(self._crew, farm.workers)

    def serve(self) -> float:
        """Work for the root until its call is over; return the time it ended at, in s."""
        if self._follower is None:
            self._follower = Follower(self.farm.ranks.comm, self._crew())
        return self._follower.serve()

    def _crew(self) -> Crew:
        return Crew(self.farm.members(), self.farm.layout)

    def begin(self, outside: int) -> None:
        """Note that a call begins, and how many workers are components of their own."""
        self._begun = time.perf_counter()
        self.load = np.zeros(outside or self.pool.workers)
        if outside:
            self.standing.workers = f"members on {outside} components"

    def compute(self, work: Call) -> Results:
        """Compute the rows of a call that are to be done."""
        tasks, where = self._tasks(work)
        homes = where if self.farm.schedule != "queue" and not work.single else None
        results: list[Any] = [None] * len(tasks)
        for number, worker, outcome in self.pool.completed([task for _, task in tasks], homes):
            results[number] = tasks[number][0], outcome, worker
            self._measure(*tasks[number], outcome.cost, worker)
        return results

    def orders(self, work: Call, outside: int) -> list[dict[str, Any]]:
        """Return the message for every worker that is a component of its own."""
        farm = self.farm
        told = {name: getattr(farm.members()[0], name) for name in farm.hosted.settings()}
        settings = json.dumps({"settings": told, "fidelities": farm.fidelities}, sort_keys=True)
        watched = farm.cache == "on" or farm.surrogate == "on"
        keeps = farm.hosted.keeps_state
        lists = self._lists(work, outside)
        return [orders.order(work, rows, keeps, settings, watched) for rows in lists]

    def told(self, work: Call, contacts: Sequence[Contact]) -> Results:
        """Return what the workers that are components of their own have done."""
        lists = self._lists(work, len(contacts))
        if len(self.load) != len(contacts):  # it was resumed in the midst of a call
            self.load = np.zeros(len(contacts))
        found = []
        for worker, (rows, contact) in enumerate(zip(lists, contacts, strict=True)):
            found.append((rows, orders.outcome_of(contact, self.farm.layout), worker))
        for rows, outcome, worker in found:
            if len(rows):
                self._measure(rows, work.task.rows(rows), outcome.cost, worker)
        return found

    def _lists(self, work: Call, outside: int) -> list[Array]:
        """Return the rows for every worker outside: the same before and after they are done."""
        return [work.todo[part] for part in self._split(work.task.ids[work.todo], outside)]

    def _tasks(self, work: Call) -> tuple[list[tuple[Array, Task]], list[int]]:
        """Return the tasks of a call and the worker of each."""
        rows, keeps = work.todo, self.farm.hosted.keeps_state
        parts = self._parts(work.task.ids[rows], work.single)
        watched = self.farm.cache == "on" or self.farm.surrogate == "on"
        tasks, homes = [], []
        for worker, part in parts:
            for some, task in work.tasks(rows[part], keeps):
                task.watched = watched
                tasks.append((some, task))
                homes.append(worker)
        return tasks, homes

    def _parts(self, ids: Array, single: bool) -> list[tuple[int, Array]]:
        """Return lists of jobs, each with its worker."""
        workers, count = self.pool.workers, len(ids)
        if single:
            parts = [np.array([i]) for i in range(count)]
        elif workers > 1 and self.farm.schedule == "queue":
            parts = balancing.portions(self.costs.of(ids), workers)
        else:
            parts = self._split(ids, workers)
        return [(k % workers, part) for k, part in enumerate(parts) if len(part)]

    def _split(self, ids: Array, workers: int) -> list[Array]:
        """Return the jobs of each worker."""
        if workers == 1:
            return [np.arange(len(ids))]
        if self.farm.schedule == "equal_count":
            return balancing.equal_count(len(ids), workers)
        return balancing.lpt(self.costs.of(ids), workers)

    def _measure(self, rows: Array, task: Task, cost: Array, worker: int) -> None:
        self.load[worker] += cost.sum()
        ratio = self.costs.measured(task.ids, cost)
        for i in np.flatnonzero((ratio > _SPIKE) & (cost > _LEAST)).tolist():
            self.tell(
                f"member {task.ids[i]} took {cost[i]:.3g} s at t = {task.time:g} s,"
                f" {ratio[i]:.0f} times what was expected."
            )

    def end(self, work: Call) -> None:
        """Note how a call went, for whoever watches."""
        if self._recall is not None:
            self._recall.store.flush()
        if isinstance(self._pool, Ranks):
            self._pool.dismiss(work.now)
        counts = np.bincount(work.provenance, minlength=len(WORDS)).tolist()
        row = {
            "from": work.task.time,
            "to": work.task.time,
            "calls": 1,
            **dict(zip(WORDS, counts, strict=True)),
            "err": float(work.err.max(initial=0.0)),
            "seconds": time.perf_counter() - self._begun,
            "load": self.load.tolist(),
        }
        self.standing.note(row)

    def save(self, path: Path) -> None:
        """Write the measured costs to a file."""
        costs = {"ids": self.costs.ids.tolist(), "seconds": self.costs.seconds.tolist()}
        path.write_bytes(msgpack.packb(costs))

    def load_costs(self, path: Path) -> None:
        """Read the measured costs back."""
        costs = msgpack.unpackb(path.read_bytes())
        self.costs.ids = np.array(costs["ids"], dtype=np.int64)
        self.costs.seconds = np.array(costs["seconds"])

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        if self._follower is not None:
            self._follower.close()


def _described(farm: Any) -> str:
    """Say what the workers of a farm are."""
    if farm.ranks.size > 1:
        return f"members on {farm.ranks.size} MPI ranks"
    return f"members on {farm.workers} {farm.pool}"


def _certainty(farm: Any) -> str:
    """Say whether the errors of copies are bounds, or only estimates."""
    known = farm.lipschitz > 0.0 and not farm.hosted.keeps_state
    exact = farm.surrogate == "off" and farm.on_failure != "interpolate"
    return "a bound" if known and exact else "an estimate"
