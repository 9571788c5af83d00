"""MS226: ports that a component declares and nothing is sent to."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.graph import Graph


@check("MS226", "warning")
def idle_port(graph: Graph) -> Iterator[Finding]:
    """A component declares a port that could receive something, and nothing is connected to it.

    The port is optional, so the model runs without it, with its settings in place of what would
    have come. If a conduit was forgotten, the results differ and nothing else shows it.

        pipe:
          implementation: line_diffusion
          ports:
            f_init: properties_in bulk_in      # no conduit ends at pipe.properties_in

    Add the conduit, or take the port out of the component's `ports` if the settings are meant.
    """
    busy = {node.name for link in graph.links for node in (link.sender, link.receiver)}
    for node in graph.nodes.values():
        if node.name not in busy and len(graph.nodes) > 1:
            continue  # MS218 says that it stands alone
        for name in node.ports:
            port = node.port(name)
            if port is None or port.sends or not port.optional:
                continue
            if not (graph.into(node, name) or graph.is_unsure(node, name)):
                yield Finding(
                    node.at,
                    f"{node.name} declares the port {name} and no conduit ends there, so the model"
                    " goes by its settings; connect it, or leave it out of `ports`.",
                    word=name,
                )
