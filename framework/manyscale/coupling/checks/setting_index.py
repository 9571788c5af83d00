"""MS408: a setting of an instance that is not there."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.addressed import Address, address, faults
from manyscale.coupling.graph import Graph


@check("MS408")
def setting_index(graph: Graph) -> Iterator[Finding]:
    """A setting names an instance that is not there.

    A component with `multiplicity: 4` runs as four instances, `pipe[0]` to `pipe[3]`, and
    a setting may speak to one of them. A component that runs once has no index. Instances of
    a nested model are counted at the components inside, `farm.pipe[0]`. MUSCLE3 ignores
    a setting of an instance that does not exist.

        settings:
          pipe[4].radius: 4.0e-10   # wrong: the fourth of four is pipe[3]
          pipe[3].radius: 4.0e-10   # right
    """
    for key, fault in faults(graph).items():
        if fault == "index":
            one = address(graph, key)
            text, owner = _why(graph, one)
            write = f"{owner}.{one.name}: {graph.settings[key]}" if owner else ""
            yield Finding(("settings", key), text, write)


def _why(graph: Graph, one: Address) -> tuple[str, str]:
    """Return what is wrong, and the owner to write instead."""
    node = graph.nodes.get(one.path)
    if node is None:
        inner = one.nodes[0]
        name = inner.instances[0] if inner.instances else inner.name
        return (
            f"{one.owner} is no instance: {one.path} is a nested model, and instances are"
            f" counted inside it, as {name}.",
            "",
        )
    if not node.sizes:
        return f"{one.path} runs once, {one.owner} has an index.", one.path
    many = node.instances
    if not many:
        return f"{one.path} has no instances, {one.owner} is none.", ""
    return f"{one.path} has instances {many[0]} to {many[-1]}, {one.owner} is none of them.", ""
