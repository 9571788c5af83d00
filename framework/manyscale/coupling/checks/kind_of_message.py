"""MS309: plain ports and ports with named fields."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.ports import Port
from manyscale.coupling.graph import Graph


@check("MS309")
def kind_of_message(graph: Graph) -> Iterator[Finding]:
    """One end of a conduit is plain and the other is not.

    An ordinary port carries named fields with their units. A `plain` port carries one bare
    value, for components of other makes. A receiver can read only the kind it expects, and
    refuses the first message of the other.

    Between two models of this framework use ordinary ports. Towards a C++ or Fortran program
    that knows no fields, declare the port of the model `plain=True`.
    """
    for link in graph.links:
        sent, wanted = link.ends
        if sent is None or wanted is None or wanted.like or sent.overlay:
            continue  # a generic port takes what comes; settings have their own check
        if sent.plain != wanted.plain:
            yield Finding(
                link.at,
                f"{link.sender.name}.{link.out} sends {_kind(sent)},"
                f" {link.receiver.name}.{link.into} expects {_kind(wanted)}.",
            )


def _kind(port: Port) -> str:
    return "one bare value" if port.plain else "named fields"
