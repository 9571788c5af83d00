"""MS304: two plain ports with different units."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.graph import Graph, matched


@check("MS304")
def plain_unit(graph: Graph) -> Iterator[Finding]:
    """Two plain ports are connected and have different units.

    A `plain` port sends its one value bare, for components of other makes: no name and no unit
    travel with it. So nothing is converted on arrival, and 300 K would arrive as 300 degC
    without a word.

    Declare the same unit at both ends, or make both ports ordinary ones, whose messages carry
    the unit and are converted.
    """
    for link, name, sent, wanted in matched(graph):
        plain = all(port is not None and port.plain for port in link.ends)
        if plain and sent.unit != wanted.unit and sent.quantity == wanted.quantity:
            yield Finding(
                link.at,
                f"{link.sender.name}.{link.out} sends {name} in {sent.unit},"
                f" {link.receiver.name}.{link.into} expects {wanted.unit}; both ports are plain,"
                " so the number is not converted.",
            )
