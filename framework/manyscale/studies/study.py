"""What a study is: a coupling, what is uncertain in it, a design, and what is looked at."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from manyscale.bridges.gather import statistics
from manyscale.bridges.sampler import designs, distributions, multilevel
from manyscale.bridges.sampler.designs import Plan
from manyscale.bridges.sampler.distributions import Distribution
from manyscale.contract.refusal import Refused
from manyscale.coupling.load import Coupling
from manyscale.coupling.prove import diagnose
from manyscale.studies.interest import Interest
from manyscale.studies.journal import Answer

FILE = "study.json"
FORMAT = 1
DESIGNS = ("mc", "lhs", "sobol", "pce", "saltelli", "nested", "mlmc")
SEED = "run_seed"
"""The setting every sample has a value of its own for."""


@dataclass(frozen=True)
class Sizes:
    """How large a design is; which of them count depends on the design."""

    n: int = 1024
    n_outer: int = 500
    n_inner: int = 2
    order: int = 8


@dataclass(frozen=True)
class Levels:
    """Settings of the levels of a multilevel study, and how exact and dear it is to be."""

    settings: tuple[dict[str, Any], ...] = ()
    eps: float = 0.01
    growth: float = 2.0


@dataclass(frozen=True)
class Study:
    """All that decides the result; equal studies have equal samples and answers."""

    files: tuple[str, ...]
    machine: str
    given: dict[str, Any]
    """Settings that are laid over those of the files."""
    method: str
    parameters: tuple[Distribution, ...]
    interests: tuple[Interest, ...]
    sizes: Sizes = field(default_factory=Sizes)
    seed: int = 1
    levels: Levels = field(default_factory=Levels)
    hashes: dict[str, str] = field(default_factory=dict)
    """SHA-256 of every file."""

    @property
    def identity(self) -> str:
        """Changes with anything that decides the result."""
        words = {**self._words(), "files": sorted(self.hashes.values()), "hashes": None}
        return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:16]

    def write(self, folder: Path) -> Path:
        """Write the study to its folder; return the file."""
        path = folder / FILE
        path.write_text(json.dumps({"format": FORMAT, **self._words()}, indent=2))
        return path

    def _words(self) -> dict[str, Any]:
        return asdict(self)

    @cached_property
    def coupling(self) -> Coupling:
        """The coupling with what was given and nothing varied; `Refused` if it does not hold."""
        files = [Path(file) for file in self.files]
        return diagnose(files, self.given, trusted=True, with_machine=False).proven()

    def refuse_changed(self) -> None:
        """Refuse to go on if a file of the spec is another one now."""
        for name, known in self.hashes.items():
            path = Path(name)
            if not path.is_file():
                raise Refused(f"{path} is gone, and the study was begun with it.")
            if hashlib.sha256(path.read_bytes()).hexdigest() != known:
                raise Refused(
                    f"{path} has changed since the study was begun; begin a new one, or put the"
                    " file back."
                )

    def settings_of(self, theta: Any, seed: int, level: int = 0) -> dict[str, Any]:
        """Return what is laid over the settings of the spec for a sample."""
        values = {
            one.name: int(value) if one.whole else float(value)
            for one, value in zip(self.parameters, theta, strict=True)
        }
        of_level = self.levels.settings[level] if self.levels.settings else {}
        return {SEED: int(seed), **of_level, **values}

    def plan(self, answers: Mapping[int, Answer]) -> Plan:
        """Return the samples, as far as they are known from the answers there are.

        A multilevel study grows: when all its samples have answered, they tell how many more are
        needed.
        """
        if self.method != "mlmc":
            return self._plan
        plan = multilevel.first(self.parameters, self.seed, self._first_levels, self.sizes.n)
        while all(member in answers for member in plan.member.tolist()):
            y = np.array([answers[member].y for member in plan.member.tolist()])
            if not np.isfinite(y).all() or y.ndim != 2:
                return plan
            more = multilevel.further(
                self.parameters,
                self.seed,
                plan,
                y,
                eps=self.levels.eps,
                growth=self.levels.growth,
                pilot=self.sizes.n,
                most=len(self.levels.settings),
            )
            if not len(more.member):
                return plan
            plan = multilevel.joined(plan, more)
        return plan

    @property
    def _first_levels(self) -> int:
        return min(3, len(self.levels.settings))

    @cached_property
    def _plan(self) -> Plan:
        return designs.plan(self.method, self.parameters, self.seed, **asdict(self.sizes))

    def table(self, answers: Mapping[int, Answer]) -> statistics.Table:
        """Return all samples with their answers, NaN where there is none."""
        plan = self.plan(answers)
        y = np.full((len(plan.member), len(self.interests)), np.nan)
        for row, member in enumerate(plan.member.tolist()):
            answer = answers.get(member)
            if answer is not None and not answer.failure:
                y[row] = answer.y
        return statistics.Table(*plan[:5], y)

    def statistics(self, table: statistics.Table, probabilities: Sequence[float]) -> dict[str, Any]:
        """Return what a table tells; raises `Refused` if it is too little."""
        try:
            return statistics.found(
                self.method,
                self.parameters,
                table,
                order=self.sizes.order,
                probabilities=probabilities,
            )
        except ValueError as exc:
            raise Refused(f"{exc}") from None


def read(folder: Path) -> Study:
    """Return the study in a folder, or refuse it."""
    path = folder / FILE
    try:
        words = json.loads(path.read_text())
        if words.pop("format") != FORMAT:
            raise ValueError
        words["parameters"] = tuple(map(distributions.restored, words["parameters"]))
        words["interests"] = tuple(Interest(**one) for one in words["interests"])
        words["sizes"] = Sizes(**words["sizes"])
        levels = words["levels"]
        words["levels"] = Levels(tuple(levels["settings"]), levels["eps"], levels["growth"])
        words["files"] = tuple(words["files"])
        return Study(**words)
    except OSError as exc:
        raise Refused(f"{folder} holds no study: {exc.strerror}, {path.name}.") from None
    except (ValueError, KeyError, TypeError):
        raise Refused(f"{path} cannot be read as a study of this version.") from None
