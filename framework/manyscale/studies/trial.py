"""A whole coupling as a member of a farm: parameters in, quantities of interest out."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from manyscale.contract.fields import Array, Field
from manyscale.contract.messages import Clock, Messages, Received, Start
from manyscale.contract.model import ScaleModel
from manyscale.contract.ports import F_INIT, O_F
from manyscale.contract.scales import Scale, Scales
from manyscale.contract.state import State
from manyscale.coupling.load import Coupling
from manyscale.hosting.in_process import Network
from manyscale.studies import interest
from manyscale.studies.study import Study, read


class Trial(ScaleModel):
    """One sample of a study: the coupling runs in this process, with settings laid over.

    A farm hosts it like any model, so a study has its workers, balancing and failures.
    """

    sample_in = F_INIT(
        theta=Field("number", "1", "parameter"),
        seed=Field("identity", "1", dtype="int64"),
        level=Field("identity", "1", dtype="int64"),
    )
    answer_out = O_F(y=Field("number", "1", "qoi"))

    study: Annotated[str, "1", "folder of the study"]

    class State(State):
        """What the run gave."""

        time: float  # s
        y: Array  # (qoi,)

    def f_init(self, start: Start, received: Received) -> State:
        """Run the coupling."""
        asked = received.sample_in
        study = _study(self.study)
        settings = study.settings_of(asked.theta, asked.seed, asked.level)
        return self.State(time=start.time, y=np.array(carried_out(study, settings)))

    def clock(self, state: State) -> Clock:
        """Return the time of the question: what passes in the coupling is its own."""
        return Clock(state.time)

    def o_f(self, state: State) -> Messages:
        """Give the quantities of interest."""
        return {"answer_out": {"y": state.y}}

    def scales(self) -> Scales:
        """Return an instant."""
        return Scales(time=Scale(0.0, 0.0))


@lru_cache(maxsize=1)
def _study(folder: str) -> Study:
    """Return the study; a worker reads it and proves its coupling once."""
    return read(Path(folder))


def carried_out(study: Study, settings: dict[str, Any]) -> tuple[float, ...]:
    """Return the quantities of interest (q,) of one run with these settings laid over."""
    sources = sorted({one.source for one in study.interests})
    outcome = Network(_with(study.coupling, settings), sources, None).run()
    return interest.of_messages(study.interests, outcome.recorded)


def _with(coupling: Coupling, settings: dict[str, Any]) -> Coupling:
    graph = coupling.graph
    # nothing else is kept: a record in memory of every port would be as large as the run
    quiet = {k: v for k, v in graph.settings.items() if k.rpartition(".")[2] != "record"}
    return replace(coupling, graph=replace(graph, settings={**quiet, **settings}))
