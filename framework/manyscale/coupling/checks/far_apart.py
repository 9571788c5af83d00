"""MS502: interacting models whose times are far apart."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.scales import Scale
from manyscale.coupling.graph import Graph
from manyscale.coupling.overlays import overlaid
from manyscale.coupling.patterns import Meeting, interactions, times

FACTOR = 100.0
"""Grains or extents further apart than this are called separated."""


@check("MS502", "warning")
def far_apart(graph: Graph) -> Iterator[Finding]:
    """Two models interact although their time scales are far apart.

    Models that interact (O_I to S, both ways) exchange in every step and run over the same
    time. That fits models of similar scales. Here the steps or the simulated times differ by
    more than a factor of 100: the slow one is asked far too often, or the fast one ends long
    before the other.

    Let the slow model call the fast one: connect its O_I to the F_INIT of the fast one, and
    the O_F of that to its S. The fast model then runs once within each step of the slow one.
    """
    told = overlaid(graph)
    for meeting in interactions(graph):
        pair = separated(graph, meeting)
        if (
            pair is not None
            and not meeting.paced
            and not {meeting.first.name, meeting.second.name} & told
        ):
            (slow, one), (fast, other), what = pair
            yield Finding(
                meeting.there.at,
                f"{slow} and {fast} interact, and their {what} are {one:g} s and {other:g} s;"
                f" let {slow} call {fast} (O_I to F_INIT, O_F back to S).",
            )


def separated(
    graph: Graph, meeting: Meeting
) -> tuple[tuple[str, float], tuple[str, float], str] | None:
    """Return the slow and the fast one with their numbers, if they are far apart."""
    first, second = times(graph, meeting.first), times(graph, meeting.second)
    for what, number in (("steps", _grain), ("simulated times", _extent)):
        ones = {n: number(s) for n, s in (first | second).items() if number(s) > 0.0}
        slows = [{n: ones[n] for n in side if n in ones} for side in (first, second)]
        if all(slows):
            (a, x), (b, y) = (next(iter(side.items())) for side in slows)
            if max(x, y) > FACTOR * min(x, y):
                return ((a, x), (b, y), what) if x > y else ((b, y), (a, x), what)
    return None


def _grain(scale: Scale) -> float:
    return scale.grain


def _extent(scale: Scale) -> float:
    return scale.extent
