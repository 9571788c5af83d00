"""What can be said of farms before a run."""

from collections.abc import Iterator

import manyscale as ms


@ms.check("FARM01")
def members_get_what_they_need(graph: ms.Graph) -> Iterator[ms.Finding]:
    """Give the members of a farm every message they need, once.

    A member with several F_INIT ports takes each of them either from the jobs, row by row, or held:
    one message for all members at the port of the same name. A port the member cannot do without
    must come in one of the two ways, and none may come in both.

        fourier.gradient_out: farm.jobs_in    # thickness, temperature, dT: of bc_in
        modes.modes_out: repeat farm.modes_in # the same for all

    Add the conduit that is missing, or the fields to the jobs; `repeat` holds a message that is
    sent once.
    """
    for node in graph.nodes.values():
        layout = getattr(node.contract, "layout", None)
        links = graph.into(node, "jobs_in")
        if layout is None or not layout.several or not links:
            continue
        sent = graph.fields(links[0].sender, links[0].out)
        for name, port in layout.held_by.items() if sent is not None else ():
            names = [column.name for column in layout.by_port[port]]
            given = [column for column in names if column in (sent or {})]
            held = graph.into(node, name)
            if given and held:
                yield ms.Finding(
                    held[0].at,
                    f"{node.name}.{name} is held for all members, and {given[0]} comes with the"
                    " jobs; give it in one way.",
                )
            elif not given and not held and not layout.model.ports[port].optional:
                yield ms.Finding(
                    links[0].at,
                    f"the members of {node.name} need {port} ({', '.join(names)}), which neither"
                    f" comes with the jobs nor is held; lead it to {node.name}.{name}.",
                )
