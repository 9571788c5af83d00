"""Answers of earlier calls and runs: the exact cache of a farm."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from manyscale.bridges.farm import wire
from manyscale.bridges.farm.cache import Store, digest, keys_of, rounded, source_digest
from manyscale.bridges.farm.call import Call
from manyscale.bridges.farm.members import Outcome, Task
from manyscale.contract.fields import Array
from manyscale.contract.model import ScaleModel
from manyscale.contract.state import packed_value, unpacked_value

_SEEDED = b"seeded"  # stands for answers that depend on the member's random numbers


class Recall:
    """Finds answers by inputs, settings, version of the plugin, and seed if it was read."""

    def __init__(self, farm: Any, store: Store) -> None:
        self.farm, self.store = farm, store
        self._models = [_digest_of(model) for model in farm.members()]
        self.keys: list[bytes] = []
        """Of the members of the present call."""

    def about(self, task: Task, fidelity: Array) -> None:
        """Find the keys of a call: from all that an answer depends on, but the seed."""
        when = b"" if self.farm.timeless else repr(task.time).encode()
        held, _ = wire.packed_held(untimed(task))
        bases = [digest(model, held, when) for model in self._models]
        count = len(task.ids)
        if len(bases) == 1:
            self.keys = keys_of(bases[0], task.columns, count)
            return
        keys = [keys_of(base, task.columns, count) for base in bases]
        self.keys = [keys[level][row] for row, level in enumerate(fidelity.tolist())]

    def known(self, work: Call, rows: Array) -> dict[int, tuple[dict[str, Any], float]]:
        """Return the answers that are known, and by how much later than the call they are."""
        found: dict[int, tuple[dict[str, Any], float]] = {}
        for row in rows.tolist():
            value = self.store.get(self.keys[row])
            if value == _SEEDED:
                value = self.store.get(self._seeded(work, row))
            if value is not None:
                lag, columns = msgpack.unpackb(value)
                found[row] = {n: _one_row(v) for n, v in columns.items()}, float(lag)
        return found

    def first(self, rows: Array) -> Array:
        """Return the rows that are the first with their inputs: the others wait for these."""
        first: dict[bytes, int] = {}
        for row in rows.tolist():
            first.setdefault(self.keys[row], row)
        return np.array([*first.values()], dtype=np.intp)

    def keep(self, work: Call, rows: Array, outcome: Outcome) -> None:
        """Keep the answers of rows (m,) that were computed."""
        lag = outcome.now - work.task.time
        for i, row in enumerate(rows.tolist()):
            key = self.keys[row]
            if outcome.seeded:
                self.store.put(key, _SEEDED)
                key = self._seeded(work, row)
            columns = {
                n: v if isinstance(v, str) else packed_value(n, np.ascontiguousarray(v[i : i + 1]))
                for n, v in outcome.columns.items()
            }
            self.store.put(key, bytes(msgpack.packb([lag, columns])))

    def _seeded(self, work: Call, row: int) -> bytes:
        return digest(self.keys[row], int(work.task.seeds[row]).to_bytes(8))


def about(farm: Any, task: Task) -> bytes:
    """Return a digest of what all answers of a call depend on beside the jobs."""
    held, _ = wire.packed_held(untimed(task))
    return digest(*(_digest_of(model) for model in farm.members()), held)


def untimed(task: Task) -> Mapping[str, Any]:
    """Return the messages for all members without their times: what they say counts."""
    return {n: replace(c, time=0.0, next_time=None, window=None) for n, c in task.held.items()}


def with_steps(task: Task, steps: Mapping[str, float]) -> None:
    """Round inputs to the steps of the cache, for whoever computes them too."""
    for name, step in steps.items():
        if name in task.columns:
            task.columns[name] = rounded(task.columns[name], step)
            task.columns[name].setflags(write=False)


def _one_row(value: Any) -> Any:
    return value if isinstance(value, str) else unpacked_value(value)


def _digest_of(model: ScaleModel) -> bytes:
    """Return a digest of what a model is: its name, version, sources and settings."""
    cls = type(model)
    settings = {name: getattr(model, name) for name in cls.settings()}
    module = importlib.import_module(cls.__module__)
    file = getattr(module, "__file__", None)
    sources = b"" if file is None else _sources(Path(file))
    words = [cls.__module__, cls.__qualname__, cls.version, _version(cls.__module__)]
    return digest(json.dumps([words, settings], sort_keys=True).encode(), sources)


def _sources(file: Path) -> bytes:
    """Return a digest of a plugin's package, or of its single file."""
    return source_digest(file.parent) if file.name == "__init__.py" else digest(file.read_bytes())


@cache
def _version(module: str) -> str:
    """Return the version of the distribution a module belongs to, empty if it has none."""
    owners = packages_distributions().get(module.partition(".")[0], [])
    return version(owners[0]) if owners else ""
