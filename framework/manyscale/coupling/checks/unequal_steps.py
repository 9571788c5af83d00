"""MS503: interacting models with different steps."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.checks.far_apart import separated
from manyscale.coupling.graph import Graph
from manyscale.coupling.overlays import overlaid
from manyscale.coupling.patterns import interactions, times

_ROUNDING = 1e-9


@check("MS503", "warning")
def unequal_steps(graph: Graph) -> Iterator[Finding]:
    """Two models interact with steps of different length.

    Models that interact (O_I to S, both ways) exchange once per step of each. With different
    steps the messages belong to different times: what arrives is not valid when it is used,
    which a port of this framework refuses. MUSCLE3 by itself notices only at the end, when one
    of the two has no more to say.

        left.dt: 0.1
        right.dt: 0.05        # wrong: right exchanges twice as often

    Give both the same exchange interval, best once without a component (`dt: 0.1`), and take
    shorter steps inside where one needs them.
    """
    told = overlaid(graph)
    for meeting in interactions(graph):
        if {meeting.first.name, meeting.second.name} & told or meeting.paced:
            continue
        first, second = (
            {n: s.grain for n, s in times(graph, node).items() if s.grain > 0.0}
            for node in (meeting.first, meeting.second)
        )
        if not first or not second or separated(graph, meeting) is not None:
            continue
        (a, x), (b, y) = next(iter(first.items())), next(iter(second.items()))
        if abs(x - y) > _ROUNDING * max(x, y):
            yield Finding(
                meeting.there.at,
                f"{a} and {b} interact, and their steps are {x:g} s and {y:g} s; they exchange at"
                " different times: give both the same step.",
            )
