"""MS208: ports that must receive something and do not."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.ports import Port
from manyscale.coupling.graph import Graph, Node


@check("MS208")
def not_connected(graph: Graph) -> Iterator[Finding]:
    """A port that must receive something is connected to nothing.

    A model says of every receiving port whether it can do without a message; in
    `manyscale show NAME` those that can are marked (optional). A port that is not needs a
    conduit, else the component ends at its first pass.

    Connect it to a component that sends these fields; if there is exactly one, the line is
    given. The component must declare the port under `ports`, too.
    """
    by_fields = _senders(graph)
    for node in graph.nodes.values():
        if node.contract is None or any(name not in node.contract.ports for name in node.ports):
            continue  # nothing is known of it, or a check has found its ports wrong
        listed = graph.programs.get(node.program)
        for name, port in node.contract.ports.items():
            if port.sends or port.optional or graph.into(node, name):
                continue
            if graph.is_unsure(node, name) or _is_not_listed(listed, name):
                continue
            yield _finding(node, name, by_fields.get(_key(node, port), []))


def _finding(node: Node, name: str, senders: list[str]) -> Finding:
    declared = name in node.ports
    operator = node.contract.ports[name].operator if node.contract else ""
    also = "" if declared else f" and is not among the ports of the component ({operator})"
    others = [sender for sender in senders if sender.rpartition(".")[0] != node.name]
    write = ""
    if len(others) == 1:
        inner = node.name.rpartition(".")[2]
        write = f"{'.'.join(others[0].rsplit('.', 2)[-2:])}: {inner}.{name}"
    fields = ", ".join(node.contract.ports[name].fields) if node.contract else ""
    what = f" for {fields}" if fields else ""
    return Finding(
        node.at,
        f"{node.name}.{name} waits{what} and no conduit ends there{also};"
        f" connect {others[0] if len(others) == 1 else 'a component that sends it'}.",
        write=write,
        word=name if declared else "",
    )


def _senders(graph: Graph) -> dict[tuple[str, frozenset[str]], list[str]]:
    """Return the sending ports of every model by the names of their fields."""
    found: dict[tuple[str, frozenset[str]], list[str]] = {}
    for node in graph.nodes.values():
        for name in node.ports:
            port = node.port(name)
            if port is not None and port.sends and port.fields:
                found.setdefault(_key(node, port), []).append(f"{node.name}.{name}")
    return found


def _key(node: Node, port: Port) -> tuple[str, frozenset[str]]:
    return f"{node.model}/{node.name.rpartition('.')[0]}", frozenset(port.fields)


def _is_not_listed(program: object, name: str) -> bool:
    """Whether a program's own list of ports lacks one; a check of programs says so."""
    ports = getattr(program, "ports", None)
    return ports is not None and len(ports) > 0 and name not in ports
