"""Proves a coupling spec before it is launched: every check, all problems in one pass.

A spec is read in three stages, files, configuration and coupling; what a check finds broken in
one is left out of the next, so that the rest is still checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ymmsl.v0_2 import Reference, Timeline, resolve, resolve_timelines

from manyscale.contract.diagnostics import At, Check, Finding, Stage
from manyscale.coupling.addressed import meant
from manyscale.coupling.diagnostics import Problem, in_order, refusal
from manyscale.coupling.graph import Graph
from manyscale.coupling.load import (
    Coupling,
    Lost,
    Spec,
    contracts,
    graph_of,
    merged,
    prime_imports,
    settle,
    spec_files,
    with_imports,
)
from manyscale.coupling.modules import unreadable_imports
from manyscale.coupling.reading import as_source, read
from manyscale.coupling.source import COMMAND_LINE, Source, Sources
from manyscale.registry import registry

YMMSL_SAYS = "MS199"


@dataclass
class Files:
    """The spec as text: what the checks of the stage `files` look at."""

    sources: Sources
    registry: registry.Registry


@dataclass
class Machine:
    """The coupling on this machine: what the checks of the stage `machine` look at."""

    graph: Graph
    registry: registry.Registry
    name: str
    """Name of the overlay, `laptop` for this machine."""
    probe: bool
    """Whether programs that the spec names may be executed to look at them."""

    @property
    def here(self) -> bool:
        """Whether the coupling is to run on this machine."""
        return self.name == "laptop"


@dataclass
class Diagnosis:
    """What is wrong with a spec, and the coupling as far as it could be read."""

    problems: list[Problem] = field(default_factory=list)
    sources: Sources = field(default_factory=lambda: Sources([]))
    coupling: Coupling | None = None

    @property
    def errors(self) -> list[Problem]:
        """Problems that forbid a launch."""
        return [p for p in self.problems if p.severity == "error"]

    def proven(self) -> Coupling:
        """Return the coupling, or refuse it with all errors."""
        if self.errors or self.coupling is None:
            raise refusal(self.problems)
        return self.coupling

    def readable(self) -> Coupling:
        """Return the coupling even with errors, or refuse it if it could not be read at all."""
        if self.coupling is None:
            raise refusal(self.problems)
        return self.coupling


def prove(
    spec: Sequence[Path], settings: Mapping[str, Any] | None = None, machine: str = "laptop"
) -> Coupling:
    """Return the coupling of a spec with `settings` laid over.

    Raises `Refused` with every error, one a line. The machine itself is not looked at.
    """
    return diagnose(spec, settings, machine, trusted=True, with_machine=False).proven()


def diagnose(
    spec: Sequence[Path],
    settings: Mapping[str, Any] | None = None,
    machine: str = "laptop",
    *,
    trusted: bool = False,
    probe: bool = False,
    with_machine: bool = True,
) -> Diagnosis:
    """Return all problems of a spec.

    Parameters
    ----------
    spec
        A folder or yMMSL files; `Refused` is raised if they are not there.
    settings
        Laid over those of the files.
    machine
        Name of the overlay file of the machine.
    trusted
        Import models that the spec names and that are not registered.
    probe
        Execute what the spec names in order to look at it: interpreters, mpirun.
    with_machine
        Check executables, modules, cores and disk of this machine.
    """
    files = spec_files(spec, machine)
    sources = [read(file) for file in files]
    if settings:
        sources.append(as_source(settings))
    return _Prover(files, with_imports(sources)).run(
        dict(settings or {}), machine, trusted or probe, probe, with_machine
    )


class _Prover:
    """Goes through the stages and collects what they find."""

    def __init__(self, files: tuple[Path, ...], sources: Sources) -> None:
        self._files, self._sources = files, sources
        self._registry = registry.load()
        self._checks = self._registry.checks
        self._diagnosis = Diagnosis(sources=sources)
        self._put: list[tuple[At, At | str]] = []
        self._final = False

    def run(
        self, given: dict[str, Any], machine: str, trusted: bool, probe: bool, with_machine: bool
    ) -> Diagnosis:
        try:
            spec = self._configured(trusted, machine if with_machine else "")
            if spec is not None:
                graph = self._graph(spec)
                changed = {k: graph.settings[k] for k in {**given, **settle(graph, self._sources)}}
                graph.doubtful |= meant(graph)
                self._diagnosis.coupling = Coupling(
                    self._files, graph, self._sources, given, changed
                )
                self._run("coupling", graph)
                self._ask_ymmsl(spec, graph)
                if with_machine:
                    self._run("machine", Machine(graph, self._registry, machine, probe))
        except _Unreadable as why:
            self._note(self._check(YMMSL_SAYS), why.finding)
        self._diagnosis.problems = in_order(self._diagnosis.problems)
        return self._diagnosis

    def _drop_custom(self, lost: Iterable[str]) -> None:
        """Leave out custom implementations by what could not be imported."""
        for source in self._sources.own():
            for path in source.keys(("custom_implementations",)):
                if source.data(("custom_implementations", path)) in lost:
                    source.drop(("custom_implementations", path))

    def _graph(self, spec: Spec) -> Graph:
        try:
            return graph_of(spec, self._files)
        except Exception as exc:  # what a check should have found and left out
            why = f"the coupling cannot be put together: {type(exc).__name__}: {exc}"
            raise _Unreadable(Finding((), why)) from exc

    def _configured(self, trusted: bool, machine: str) -> Spec | None:
        """Return the consistent part of the configuration, None if there is none."""
        dropped = self._run("files", Files(self._sources, self._registry))
        if any(source.root is None for source in self._sources.own()):
            return None
        dropped += unreadable_imports(self._sources)
        lost = Lost.of(self._sources, dropped)
        for at in dropped:
            self._sources.drop(at)
        self._drop_custom(lost.names)
        if self._final:
            return None
        for at, what in self._put:
            self._sources.put(at, what)
        prime_imports(self._sources)
        try:
            config = merged(self._sources)
            resolve(Reference([]), config)
        except Exception as exc:
            raise _Unreadable(_told(exc, self._sources.own())) from None
        known, hosted = contracts(config, self._files, trusted)
        spec = Spec(config, self._sources, self._registry, known, hosted, trusted, machine)
        spec.dropped, spec.lost, spec.receivers = lost.names, lost.places, lost.receivers
        dropped = self._run("config", spec)
        spec.drop_faults()
        for at in dropped:
            spec.drop(at)
        root = spec.keep_root()
        for model in config.models.values():
            try:
                resolve_timelines(model)
            except Exception:  # a check has said so; any timeline will do to go on
                for component in model.components.values():
                    component.timeline = Timeline([component.name])
        return spec if root is not None and root.components else None

    def _ask_ymmsl(self, spec: Spec, graph: Graph) -> None:
        """Let ymmsl have the last word on a spec in which nothing was found."""
        if self._diagnosis.errors:
            return
        for key, value in graph.settings.items():
            spec.config.settings[key] = value
        try:
            spec.config.check_consistent(True, None)
        except RuntimeError as exc:
            for line in str(exc).split("\n- ")[1:]:
                self._note(self._check(YMMSL_SAYS), Finding((), " ".join(line.split())))

    def _run(self, stage: Stage, subject: Any) -> list[At]:
        """Run the checks of a stage; return what is to be left out."""
        dropped: list[At] = []
        for check in self._checks.values():
            if check.stage == stage:
                for finding in _found(check, subject):
                    self._note(check, finding)
                    dropped += finding.drop
                    self._put += finding.put
                    self._final |= finding.final
        return dropped

    def _check(self, code: str) -> Check:
        return self._checks[code]

    def _note(self, check: Check, finding: Finding) -> None:
        place = self._sources.place(finding.at, finding.word)
        self._diagnosis.problems.append(
            Problem(
                check.code,
                check.severity,
                place,
                finding.text,
                finding.write,
                self._sources.line(place),
            )
        )


def _found(check: Check, subject: Any) -> Iterable[Finding]:
    """Return what a check finds; one that fails itself is named and hides nothing."""
    found: list[Finding] = []
    try:
        found.extend(check.find(subject))
    except Exception as exc:
        why = f"{type(exc).__name__}: {exc}"
        found.append(Finding((), f"the check {check.code} failed ({why}); please report it."))
    return found


class _Unreadable(Exception):  # noqa: N818
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.text)
        self.finding = finding


def _told(exc: Exception, sources: Sequence[Source]) -> Finding:
    """Return what ymmsl says, at the line it names if it names one."""
    text = " ".join(str(exc).split())
    named = re.search(r"line (\d+), column (\d+)", str(exc))
    file = next((s.file for s in sources if s.file != COMMAND_LINE and str(s.file) in text), None)
    file = file or sources[0].file
    if named is None:
        return Finding((str(file),), text)
    return Finding((str(file), "line", int(named[1]), int(named[2])), text)
