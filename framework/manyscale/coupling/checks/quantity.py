"""MS302: the quantities at the two ends of a conduit."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.graph import Graph, matched


@check("MS302")
def quantity(graph: Graph) -> Iterator[Finding]:
    """The two ends of a conduit disagree on what a field measures.

    A field has a quantity, `concentration` or `temperature_difference`; two ends of a conduit
    name the same one, whatever their units. A number of the right unit and the wrong meaning is
    the mistake that no unit check can see: a temperature is no temperature difference, and
    a diffusivity of heat none of mass.

    Connect the port that carries what is meant, or put a bridge between that computes it.
    """
    for link, name, sent, wanted in matched(graph):
        if sent.quantity != wanted.quantity:
            yield Finding(
                link.at,
                f"{link.sender.name}.{link.out} sends {name} as {sent.quantity},"
                f" {link.receiver.name}.{link.into} expects {wanted.quantity}.",
            )
