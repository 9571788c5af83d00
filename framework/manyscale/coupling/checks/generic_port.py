"""MS314: a generic port whose fields are not known."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.graph import Graph, Node


@check("MS314", "warning")
def generic_port(graph: Graph) -> Iterator[Finding]:
    """Nobody knows which fields a generic port carries.

    A bridge may take whatever comes: its port (`like="*"`) has the fields of the sender. They
    are found along the conduits before the run. That fails if the sender is a program of which
    nothing is known, or if generic ports feed each other in a circle. What comes behind the
    bridge is then not checked either.

    Lay a contract file beside the spec that says what the program sends (`PROGRAM.contract.json`),
    or feed the bridge by a model that declares its fields.
    """
    for node in graph.nodes.values():
        for name, port in (node.contract.ports if node.contract else {}).items():
            if port.like == "*" and graph.fields(node, name) is None:
                for link in graph.into(node, name)[:1]:
                    why = _why(graph, node, name)
                    if why:
                        yield Finding(
                            link.at,
                            f"{node.name}.{name} takes the fields of"
                            f" {link.sender.name}.{link.out}, {why}.",
                        )


def _why(graph: Graph, node: Node, name: str) -> str:
    """Return why the fields are not known, empty if another port is to blame."""
    link = graph.into(node, name)[0]
    if link.sender.contract is None:
        return f"and nothing is known of the program {link.sender.program}"
    if link.sender.port(link.out) is None:
        return ""  # a port that the model does not have is another mistake
    circle = _circle(graph, node, name)
    if circle and node.name == min(circle):
        return f"which come from itself, by {', '.join(circle)}"
    return ""


def _circle(graph: Graph, node: Node, name: str) -> list[str]:
    """Return the components from a generic port against the flow back to it, if it is one."""
    first, way = (node.name, name), [node.name]
    seen: set[tuple[str, str]] = set()
    while True:
        links = graph.into(node, name)
        if not links or (node.name, name) in seen:
            return []
        seen.add((node.name, name))
        node, out = links[0].sender, links[0].out
        port = node.port(out)
        while port is not None and port.like not in ("", "*"):
            out = port.like
            port = node.port(out)
        if port is None or not port.like:
            return []
        name = out
        if (node.name, name) == first:
            return way
        way.append(node.name)
