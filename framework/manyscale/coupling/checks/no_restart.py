"""MS615: checkpoints in a coupling with a component that cannot be restarted."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.graph import Graph


@check("MS615")
def no_restart(graph: Graph) -> Iterator[Finding]:
    """Checkpoints are wanted of a component that cannot be restarted.

    If a spec has `checkpoints`, MUSCLE3 demands of every component that it can save where it
    stands, and ends the run at its start otherwise. Models of this framework can, except those
    that own their loop (`run`) or say `capabilities.restart = "none"`.

    Leave `checkpoints` out, or take another model for that component.
    """
    if not graph.checkpoints:
        return
    for node in graph.nodes.values():
        model = node.contract
        if model is None or not node.hosted:
            continue
        if model.run is not None or model.capabilities.restart == "none":
            yield Finding(
                node.at,
                f"{node.name} runs {model.name}, which cannot be restarted, and the spec wants"
                " checkpoints; leave them out or take another model.",
            )
