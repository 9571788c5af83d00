"""The workers of a farm and what was measured of them: all that is no part of its State."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from manyscale.bridges.farm import balancing
from manyscale.bridges.farm.call import Call
from manyscale.bridges.farm.members import Crew, Outcome
from manyscale.bridges.farm.processes import Processes
from manyscale.bridges.farm.workers import Pool, Serial, Threads, everything
from manyscale.contract.fields import Array
from manyscale.contract.refusal import Refused


class Team:
    """Shares the jobs of a call among workers."""

    def __init__(self, farm: Any) -> None:
        self.farm = farm
        self.costs = balancing.Costs(farm.cost_memory)
        self._pool: Pool | None = None

    @property
    def pool(self) -> Pool:
        """The workers; they are started when they are first needed."""
        if self._pool is None:
            self._pool = self._started()
        return self._pool

    def _started(self) -> Pool:
        farm = self.farm
        if farm.pool == "processes":
            return Processes(farm.members(), farm.workers, made=farm.layout)
        if farm.workers == 1 and farm.pool == "threads":
            return Serial(self._crew())
        return Threads(self._crew, farm.workers)

    def _crew(self) -> Crew:
        return Crew(self.farm.members(), self.farm.layout)

    def compute(self, work: Call, rows: Array) -> None:
        """Compute some rows of a call."""
        if not len(rows):
            return
        parts, homes = self._parts(work.task.ids[rows])
        keeps = self.farm.hosted.keeps_state
        tasks, where = [], []
        for part, home in zip(parts, homes, strict=True):
            for some in work.tasks([rows[part]], keeps):
                tasks.append(some)
                where.append(home)
        own = None if self.farm.schedule == "queue" else where
        done = self.pool.completed([task for _, task in tasks], own)
        outcomes, _ = everything(done, len(tasks))
        for (some, _), outcome in zip(tasks, outcomes, strict=True):
            work.take(some, outcome)
            self.costs.measured(work.task.ids[some], outcome.cost)
            if outcome.failures:
                self._stop(work, some, outcome)

    def _parts(self, ids: Array) -> tuple[list[Array], list[int]]:
        """Return lists of jobs and the worker of each."""
        workers, count = self.pool.workers, len(ids)
        if workers == 1:
            return [np.arange(count)], [0]
        if self.farm.schedule == "equal_count":
            parts = balancing.equal_count(count, workers)
        elif self.farm.schedule == "queue":
            parts = balancing.portions(self.costs.of(ids), workers)
        else:
            parts = balancing.lpt(self.costs.of(ids), workers)
        homes = [k % workers for k, part in enumerate(parts) if len(part)]
        return [part for part in parts if len(part)], homes

    def _stop(self, work: Call, rows: Array, outcome: Outcome) -> None:
        first = min(outcome.failures)
        member = work.task.ids[rows[first]]
        raise Refused(
            f"{self.farm.name}: member {member} failed at t = {work.task.time:g} s:"
            f" {outcome.failures[first]}"
        )

    def save(self, path: Path) -> None:
        """Write the measured costs to a file."""
        path.write_bytes(msgpack.packb({"costs": self.costs.known}))

    def load(self, path: Path) -> None:
        """Read the measured costs back."""
        self.costs.known = msgpack.unpackb(path.read_bytes(), strict_map_key=False)["costs"]

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
