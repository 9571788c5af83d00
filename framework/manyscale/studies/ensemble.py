"""Samples as MUSCLE3 ensembles: one launch runs as many copies of the coupling as workers.

Each sample has processes of its own, so nothing a model remembers passes from one to the next.
Copies are components that the whole model implements: libmuscle has one dimension of instances,
and the model may need it itself.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from copy import copy as clone
from pathlib import Path
from typing import Any

from manyscale.bridges.sampler.designs import Plan
from manyscale.contract.refusal import Refused
from manyscale.coupling.graph import Graph
from manyscale.coupling.load import Coupling, merged
from manyscale.hosting import telemetry
from manyscale.launching import local
from manyscale.studies import interest
from manyscale.studies.interest import Interest
from manyscale.studies.journal import Answer
from manyscale.studies.study import Study

FOLDER = "ensembles"
SPEC = "ensemble.ymmsl"
MEMBERS = "members.json"
ENSEMBLE, COPY = "ensemble", "copy"


class Ensembles:
    """MUSCLE3 ensembles of a few samples each, one after the other."""

    def __init__(
        self, study: Study, folder: Path, workers: int, time_limit: float | None = None
    ) -> None:
        self._study, self._folder = study, folder / FOLDER
        self._workers, self._limit = workers, time_limit

    def answers(self, plan: Plan, rows: Sequence[int]) -> Iterator[tuple[int, Answer]]:
        """Yield the samples of each ensemble when it is over; where it failed, each for itself."""
        wanted = {int(plan.member[row]): row for row in rows}
        for member, answer in self._left_behind(wanted):
            del wanted[member]
            yield member, answer
        todo = list(wanted.items())
        for start in range(0, len(todo), self._workers):
            yield from self._together(plan, dict(todo[start : start + self._workers]))

    def _together(self, plan: Plan, rows: Mapping[int, int]) -> Iterator[tuple[int, Answer]]:
        run = self._prepared(plan, rows)
        try:
            count = len(rows) * len(self._study.coupling.graph.instances)
            local.launch([run / SPEC], run, time_limit=self._limit, instances=count)
        except Refused as exc:
            found = dict(self._finished(run, [*rows]))
            yield from found.items()
            rest = {member: row for member, row in rows.items() if member not in found}
            if len(rows) == 1:
                yield from ((m, Answer(failure=_sentence(exc))) for m in rest)
            else:
                for member, row in rest.items():
                    yield from self._together(plan, {member: row})
        else:
            yield from self._finished(run, [*rows], well=True)
        shutil.rmtree(run, ignore_errors=True)

    def _prepared(self, plan: Plan, rows: Mapping[int, int]) -> Path:
        """Write the spec of an ensemble into a run directory of its own."""
        self._folder.mkdir(exist_ok=True)
        run = next(path for k in range(10**9) if not (path := self._folder / f"{k:06d}").exists())
        run.mkdir()
        settings = [
            self._study.settings_of(plan.theta[row], plan.seed[row], int(plan.level[row]))
            for row in rows.values()
        ]
        text = spec_of(self._study.coupling, self._study.interests, settings)
        (run / SPEC).write_text(text)
        (run / MEMBERS).write_text(json.dumps([*rows]))
        return run

    def _left_behind(self, wanted: Mapping[int, int]) -> Iterator[tuple[int, Answer]]:
        """Yield what finished in an ensemble that was killed, and clear it away."""
        for run in sorted(self._folder.glob("*")):
            path = run / MEMBERS
            members = json.loads(path.read_text()) if path.is_file() else []
            for member, answer in self._finished(run, members):
                if member in wanted:
                    yield member, answer
            shutil.rmtree(run, ignore_errors=True)

    def _finished(
        self, run: Path, members: Sequence[int], *, well: bool = False
    ) -> Iterator[tuple[int, Answer]]:
        """Yield the samples of which every instance has ended; all if the run ended `well`."""
        instances = self._study.coupling.graph.instances
        for copy, member in enumerate(members):
            named = {instance: instance_of(instance, copy) for instance in instances}
            if well or all(_is_done(run / "instances" / n / "workdir") for n in named.values()):
                yield member, self._answer(run, named)

    def _answer(self, run: Path, named: Mapping[str, str]) -> Answer:
        try:
            return Answer(interest.of_stores(self._study.interests, run, named))
        except ValueError as exc:
            return Answer(failure=str(exc))


def _is_done(folder: Path) -> bool:
    standing = telemetry.read(folder)  # a program of another make tells nothing
    return standing is not None and standing.phase == telemetry.DONE


def _sentence(exc: Refused) -> str:
    return str(exc).strip().splitlines()[-1]


def instance_of(instance: str, copy: int) -> str:
    """Return the name of an instance in one copy of its coupling."""
    return f"{COPY}{copy}.{instance}"


def spec_of(
    coupling: Coupling, interests: Sequence[Interest], settings: Sequence[Mapping[str, Any]]
) -> str:
    """Return the yMMSL of copies of a coupling, one with each of these settings laid over.

    Each copy is a component that the whole model implements. Only what the quantities of interest
    need is recorded.
    """
    import ymmsl
    from ymmsl import v0_2 as y

    config = merged(coupling.sources)
    root = config.root_model(None)
    copies = range(len(settings))
    parts = [y.Component(f"{COPY}{k}", y.Ports([]), "one sample", str(root.name)) for k in copies]
    whole = y.Model(ENSEMBLE, description="Samples side by side", components=parts)
    config.models[whole.name] = whole
    config.checkpoints = y.Checkpoints()
    for attribute in ("resources", "custom_implementations"):
        known = getattr(config, attribute)
        setattr(config, attribute, dict(_of_copies(known, str(root.name), copies)))
    base = {**coupling.graph.settings, **_recorded(coupling.graph, interests)}
    names = [f"{COPY}{k}.{instance}" for k in copies for instance in _drawing(coupling.graph)]
    drawn = {f"{name}.seed_name": name.partition(".")[2] for name in names}
    config.settings = y.Settings({**dict(_settings(base, settings)), **drawn})
    return str(ymmsl.dump(config))


def _of_copies(known: Mapping[Any, Any], root: str, copies: range) -> Iterator[tuple[Any, Any]]:
    """Yield what is said of components of the model for those of every copy."""
    from ymmsl.v0_2 import Reference

    for path, value in known.items():
        head, _, rest = str(path).partition(".")
        for copy in copies if head == root else ():
            name = Reference(f"{ENSEMBLE}.{COPY}{copy}.{rest}")
            again = clone(value)
            if hasattr(again, "name"):
                again.name = name
            yield name, again


def _settings(
    base: Mapping[str, Any], own: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Any]]:
    yield from ((key, value) for key, value in base.items() if key.startswith("muscle_"))
    for copy, values in enumerate(own):
        for key, value in {**base, **values}.items():
            if not key.startswith("muscle_"):
                yield f"{COPY}{copy}.{key}", value


def _drawing(graph: Graph) -> list[str]:
    """Return the instances that draw random numbers by their name: those the framework hosts."""
    return [instance for instance, node in graph.instances.items() if node.hosted]


def _recorded(graph: Graph, interests: Sequence[Interest]) -> dict[str, str]:
    """Return the settings that record what is looked at, and nothing else."""
    ports: dict[str, set[str]] = {}
    for one in interests:
        ports.setdefault(graph.instances[one.instance].name, set()).add(one.port)
    quiet = {key: "" for key in graph.settings if key.rpartition(".")[2] == "record"}
    return {**quiet, **{f"{name}.record": ";".join(sorted(some)) for name, some in ports.items()}}
