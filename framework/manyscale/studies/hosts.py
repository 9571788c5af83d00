"""What carries out the samples of a study: a farm of processes, or MUSCLE3 ensembles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from manyscale.bridges.farm.members import Task
from manyscale.bridges.farm.processes import Processes
from manyscale.bridges.sampler.designs import Plan
from manyscale.contract.refusal import Refused
from manyscale.coupling.load import Coupling
from manyscale.studies.journal import Answer
from manyscale.studies.study import Study
from manyscale.studies.trial import Trial, carried_out

ATTEMPTS = 2
"""How often a sample is begun whose worker is lost."""


class Host(Protocol):
    """Yields the answer of every row of a plan that is to be done, as each is there."""

    def answers(self, plan: Plan, rows: Sequence[int]) -> Iterator[tuple[int, Answer]]:
        """Yield (member, answer)."""


class Here:
    """Samples in this very process: for notebooks, and where a run takes no time."""

    def __init__(self, study: Study) -> None:
        refuse_foreign(study.coupling)
        self._study = study

    def answers(self, plan: Plan, rows: Sequence[int]) -> Iterator[tuple[int, Answer]]:
        """Yield every sample in turn."""
        for row in rows:
            level = int(plan.level[row])
            settings = self._study.settings_of(plan.theta[row], plan.seed[row], level)
            yield int(plan.member[row]), self._answer(settings)

    def _answer(self, settings: dict[str, Any]) -> Answer:
        try:
            return _answer(carried_out(self._study, settings))
        except (Refused, ValueError) as exc:
            return Answer(failure=str(exc))


class Farm:
    """Worker processes of this machine, each running whole couplings in itself."""

    def __init__(
        self, study: Study, folder: Path, workers: int, time_limit: float | None = None
    ) -> None:
        refuse_foreign(study.coupling)
        self._model = Trial(study=str(folder))
        self._workers, self._limit = workers, time_limit or 0.0

    def answers(self, plan: Plan, rows: Sequence[int]) -> Iterator[tuple[int, Answer]]:
        """Yield every sample as it is done, in whatever order; a lost one is begun again."""
        waiting = list(rows)
        for attempt in range(1, ATTEMPTS + 1):
            lost: list[int] = []
            with Processes(self._model, self._workers, time_limit=self._limit) as pool:
                tasks = [_task(plan, row) for row in waiting]
                for number, _, outcome in pool.completed(tasks):
                    member = int(plan.member[waiting[number]])
                    if len(outcome.rows):
                        y = outcome.columns["answer_out.y"][0]
                        yield member, _answer(tuple(map(float, y)))
                    elif outcome.lost and attempt < ATTEMPTS:
                        lost.append(waiting[number])
                    else:
                        yield member, Answer(failure=str(outcome.failures[0]))
            if not lost:
                return
            waiting = lost


def _answer(y: tuple[float, ...]) -> Answer:
    if np.isfinite(y).all():
        return Answer(y)
    return Answer(failure=f"a quantity of interest is no finite number: {list(y)}")


def _task(plan: Plan, row: int) -> Task:
    columns = {"theta": plan.theta, "seed": plan.seed, "level": plan.level}
    one = slice(row, row + 1)
    return Task(
        ids=plan.member[one],
        seeds=plan.seed[one],
        columns={name: values[one] for name, values in columns.items()},
    )


def refuse_foreign(coupling: Coupling) -> None:
    """Refuse a coupling of which some component cannot run in a worker."""
    for node in coupling.graph.nodes.values():
        if not node.hosted or node.contract is None or node.contract.run is not None:
            raise Refused(
                f"Component {node.name} needs MUSCLE3, so it runs in no worker of a farm; take"
                " --host muscle."
            )
