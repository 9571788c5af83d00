"""MS225: a sending port with receivers of different multiplicity."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.graph import Graph, Link
from manyscale.coupling.members import misfit


@check("MS225")
def uneven(graph: Graph) -> Iterator[Finding]:
    """A port sends to components of different multiplicity.

    A port with several conduits sends the same to all of them, so it has one number of slots.
    MUSCLE3 ends the sender with `connected to peers with different dimensions`, after all
    programs have started.

        bulk.sample_out:
        - pipe.bulk_in        # multiplicity: 4
        - probe.bulk_in       # needs multiplicity: 4 as well

    Give the receivers the same multiplicity, or use two ports.
    """
    first: dict[tuple[str, str], Link] = {}
    for link in graph.links:
        if misfit(link):
            continue  # that is said elsewhere
        one = first.setdefault((link.sender.name, link.out), link)
        if one.receiver.sizes != link.receiver.sizes:
            yield Finding(
                link.at,
                f"{link.sender.name}.{link.out} sends to {one.receiver.name}"
                f" ({_many(one)}) and to {link.receiver.name} ({_many(link)}); what one port"
                " sends to has one multiplicity.",
                word=f"{link.receiver.name.rpartition('.')[2]}.{link.into}",
            )


def _many(link: Link) -> str:
    return " x ".join(map(str, link.receiver.sizes)) or "one instance"
