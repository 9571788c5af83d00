"""MS611: checkpoints in a coupling with a `last` filter."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.graph import Graph


@check("MS611")
def checkpoints_and_last(graph: Graph) -> Iterator[Finding]:
    """Checkpoints are wanted in a coupling that has a conduit with the filter `last`.

    A conduit with `last` passes on only the last of the messages that are sent. MUSCLE3 0.11
    cannot yet save where such a conduit stands, and ends with an error before anything is
    started if a spec has both.

        conduits:
          micro.log: last collect.log
        checkpoints:                     # wrong beside `last`
          at_end: true

    Leave `checkpoints` out, or let the receiver pick the last of all messages itself.
    """
    reduced = [str(link) for link in graph.links if "last" in link.filters]
    if graph.checkpoints and reduced:
        yield Finding(
            ("checkpoints",),
            "checkpoints cannot be made in a coupling with the filter `last`, which stands on the"
            f" conduit from {' and on the one from '.join(reduced)}.",
        )
