"""MS501: a micro model that is longer than the step it is called in."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.graph import Graph
from manyscale.coupling.overlays import overlaid
from manyscale.coupling.patterns import calls, times

_ROUNDING = 1e-6


@check("MS501", "warning")
def longer_than_the_step(graph: Graph) -> Iterator[Finding]:
    """A model is called within a step and simulates more time than the step has.

    A macro model that sends from O_I to F_INIT and receives the answer (O_F) at S calls a micro
    model within each of its steps. The micro starts at the time of the step's beginning, so it
    must end by the step's end: its time extent is at most the macro's time grain. An answer
    from later is refused at the macro's port, at the first step.

        bulk  dt = 0.01 s       core  duration = 0.02 s      # wrong
        bulk  dt = 0.02 s       core  duration = 0.02 s      # right

    It is a warning, because a model may declare the scale of its process rather than the time
    it simulates per call, and then the run is fine.

    Make the macro's step longer or the micro shorter. Models that run side by side over the
    same time interact instead: O_I to S, both ways.
    """
    told = overlaid(graph)
    for meeting in calls(graph):
        if meeting.paced:
            continue  # this timeline may have longer steps than the model's shortest
        steps = {n: s.grain for n, s in times(graph, meeting.first).items() if s.grain > 0.0}
        micros = {n: s.extent for n, s in times(graph, meeting.second).items()}
        if not steps or not micros or {meeting.first.name, meeting.second.name} & told:
            continue
        macro, micro = min(steps, key=steps.__getitem__), max(micros, key=micros.__getitem__)
        if micros[micro] > steps[macro] * (1.0 + _ROUNDING):
            yield Finding(
                meeting.there.at,
                f"{micro} simulates {micros[micro]:g} s per call, {macro} calls it within a step"
                f" of {steps[macro]:g} s; make the step longer or {micro} shorter.",
            )
