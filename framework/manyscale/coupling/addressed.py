"""Whom a setting of a spec speaks to: which components read it, or why none does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from manyscale.contract.refusal import close_to
from manyscale.coupling.graph import Graph, Node
from manyscale.coupling.settings import prefixes
from manyscale.coupling.source import Sources
from manyscale.registry.catalog import FRAMEWORK_SETTINGS

OF_MUSCLE = "muscle_"
Fault = Literal["", "component", "index", "misplaced", "unknown"]
_INDEX = re.compile(r"\[\d+\]")


@dataclass(frozen=True)
class Address:
    """A key of the settings, `farm.pipe[2].nz`, taken apart."""

    key: str
    owner: str
    """`farm.pipe[2]`, empty for a setting of all components."""
    path: str
    """The owner without indices."""
    name: str
    nodes: tuple[Node, ...]
    """Components at the path or below it."""


def address(graph: Graph, key: str) -> Address:
    """Take a key of the settings apart."""
    owner, _, name = key.rpartition(".")
    path = _INDEX.sub("", owner)
    nodes = tuple(node for node, _ in graph.concerned(f"{path}.{name}" if path else name))
    return Address(key, owner, path, name, nodes)


def types(graph: Graph, node: Node) -> Mapping[str, str] | None:
    """Return the yMMSL types of a component's settings by name, None if nothing is known."""
    supported = getattr(graph.programs.get(node.program), "supported_settings", None) or ()
    declared = {str(name): str(one.typ) for name, one in supported}
    if node.contract is None:
        return declared or None
    own = {name: setting.ymmsl_type for name, setting in node.contract.settings().items()}
    return own if node.hosted else declared | own


def readers(graph: Graph, one: Address, node: Node) -> Iterator[str]:
    """Yield the instances of a component whose value of a setting comes from this key."""
    for instance in node.instances:
        keys = (f"{prefix}.{one.name}" if prefix else one.name for prefix in prefixes(instance))
        if next((key for key in keys if key in graph.settings), None) == one.key:
            yield instance


def faults(graph: Graph) -> dict[str, Fault]:
    """Return by key why a setting reaches nobody; empty where it does or may."""
    prefixes_ = {prefix for name in graph.instances for prefix in prefixes(name)}
    known = {node.name: types(graph, node) for node in graph.nodes.values()}
    everywhere = {name for some in known.values() for name in some or ()}
    return {
        key: _fault(graph, address(graph, key), prefixes_, known, everywhere)
        for key in graph.settings
    }


def _fault(
    graph: Graph,
    one: Address,
    owners: set[str],
    known: Mapping[str, Mapping[str, str] | None],
    everywhere: set[str],
) -> Fault:
    if not one.nodes:
        lost = any(part in graph.left_out for part in one.path.split(".")) or any(
            node.program not in graph.programs and one.path.startswith(f"{node.name}.")
            for node in graph.nodes.values()
        )  # a nested model that could not be read
        return "" if lost and not moved(graph, one) else "component"
    if one.owner not in owners and not _is_nested(one):
        return "index"
    if one.name.startswith(OF_MUSCLE) or one.name in FRAMEWORK_SETTINGS:
        return ""
    found = [known[node.name] for node in one.nodes]
    if any(is_another(node) for node in one.nodes):
        return ""  # its program is the mistake
    if any(some is None or one.name in some for some in found):
        return ""
    if graph.left_out and one.path not in graph.nodes:
        return ""  # a component that was left out may read it
    return "misplaced" if one.name in everywhere else "unknown"


def _is_nested(one: Address) -> bool:
    """Whether the owner is a nested model, named without an index."""
    return one.owner == one.path and all(node.name != one.path for node in one.nodes)


def moved(graph: Graph, one: Address) -> list[Node]:
    """Return the components elsewhere in the coupling that the owner's last name names."""
    last = one.path.rpartition(".")[2]
    return [node for node in graph.nodes.values() if node.name.rpartition(".")[2] == last]


def meant(graph: Graph) -> set[str]:
    """Return the components that settings were meant for which reach nobody."""
    found = set()
    for key, fault in faults(graph).items():
        if fault:
            one = address(graph, key)
            nodes = one.nodes if fault == "unknown" else graph.nodes.values()
            found |= {node.name for node in nodes if _near(graph, node, one.name, fault)}
    return found


def _near(graph: Graph, node: Node, name: str, fault: Fault) -> bool:
    known = types(graph, node) or {}
    return name in known or (fault == "unknown" and bool(close_to(name, known)))


def is_another(node: Node) -> bool:
    """Whether a component hardly has a port of its program: that is the wrong one."""
    if node.contract is None or not node.ports:
        return False
    strange = [name for name in node.ports if name not in node.contract.ports]
    return 2 * len(strange) >= len(node.ports)


def named(sources: Sources) -> frozenset[str]:
    """Return the names of all components that the files declare, or connect."""
    found = set()
    for source in sources.files:
        for at in source.nodes:
            match at:
                case ("models", _, "components", name):
                    found.add(str(name))
                case ("models", _, "conduits", sender):
                    ends = source.data(at)
                    ends = ends if isinstance(ends, list) else [ends]
                    found |= {str(end).split(" ")[-1].partition(".")[0] for end in [sender, *ends]}
    return frozenset(found)
