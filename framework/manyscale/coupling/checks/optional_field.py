"""MS312: a field that may be left out and is needed."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.graph import Graph, matched


@check("MS312")
def optional_field(graph: Graph) -> Iterator[Finding]:
    """The sender may leave out a field that the receiver needs.

    A field declared `optional=True` is sent when the model has it. A receiver that needs it
    refuses the first message in which it is missing, which may be late in a run.

    Declare the field optional in the receiver, and say there what is done without it; or take
    a sender that always gives it.
    """
    for link, name, sent, wanted in matched(graph):
        if sent.optional and not wanted.optional:
            yield Finding(
                link.at,
                f"{link.sender.name}.{link.out} may leave out {name} (it is optional there),"
                f" {link.receiver.name}.{link.into} needs it in every message.",
            )
