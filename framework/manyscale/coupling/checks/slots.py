"""MS211: slots of ports, and the multiplicity of what they are connected to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.graph import Graph, Link
from manyscale.coupling.members import misfit


@check("MS211")
def slots(graph: Graph) -> Iterator[Finding]:
    """The multiplicities of two components do not fit the ports that connect them.

    `multiplicity: 4` makes a component run four times. A port with slots, `cores[]` in
    `manyscale show NAME`, has one message for each of them; a port without slots has one message
    and reaches one instance. Two components of the same multiplicity meet one by one and need
    no slots.

        bulk (one)  sample_out[]  ->  pipe (multiplicity: 4)  bulk_in

    MUSCLE3 finds this out after all programs have started, which takes minutes.
    """
    wrong = {link: why for link in graph.links if (why := misfit(link))}
    while wrong:
        # one component with another multiplicity does not fit any of its conduits
        ends = Counter(name for link in wrong for name in {link.sender.name, link.receiver.name})
        name, _ = ends.most_common(1)[0]
        mine = [link for link in wrong if name in (link.sender.name, link.receiver.name)]
        yield Finding(mine[0].at, f"{mine[0]} does not fit: {wrong[mine[0]]}{_more(mine[1:])}")
        wrong = {link: why for link, why in wrong.items() if link not in mine}


def _more(links: list[Link]) -> str:
    return f" The same goes for {', '.join(map(str, links))}." if links else ""
