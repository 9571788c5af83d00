"""MS411: settings that are fine alone and not together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from manyscale.contract.diagnostics import At, Finding, check
from manyscale.contract.refusal import Refused
from manyscale.coupling.graph import Graph, Node
from manyscale.coupling.overlays import overlaid


@check("MS411")
def setting_combination(graph: Graph) -> Iterator[Finding]:
    """A model refuses its settings together, though each alone is fine.

    Some settings depend on each other: an end that comes before the start, a grain larger than
    the extent, a step that must divide a length. The model says so itself, and its sentence is
    passed on. At run time the component would refuse to start with the same words.

    Change one of the settings named; `manyscale show MODEL` lists them with their defaults.
    """
    told = overlaid(graph)
    for node in graph.nodes.values():
        if node.contract is None or not node.hosted or node.name in told | graph.doubtful:
            continue
        said: set[str] = set()
        for instance in node.instances:
            why = _refused(graph, node, instance)
            if why and why not in said:
                said.add(why)
                yield Finding(
                    _at(graph, node, instance, why), f"{instance} refuses: {why.rstrip('.')}."
                )


def _refused(graph: Graph, node: Node, instance: str) -> str:
    if not _each_fits(node, graph.values(instance)):
        return ""
    try:
        model = graph.settled(instance)
        if model is not None:
            model.scales()
    except (Refused, ValueError) as exc:
        return str(exc)
    return ""


def _each_fits(node: Node, values: dict[str, tuple[str, Any]]) -> bool:
    assert node.contract is not None
    for name, setting in node.contract.settings().items():
        try:
            if name in values:
                setting.checked(values[name][1], node.name)
            elif setting.required:
                return False
        except Refused:
            return False
    return True


def _at(graph: Graph, node: Node, instance: str, why: str) -> At:
    """Return the line of a setting that the sentence names, else the component."""
    for name, (key, _) in graph.values(instance).items():
        if re.search(rf"\b{re.escape(name)}\b", why):
            return ("settings", key)
    return node.at
