"""MS406: a required setting without a value."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.addressed import address, faults
from manyscale.coupling.graph import Graph, Node
from manyscale.coupling.overlays import overlaid


@check("MS406")
def missing_setting(graph: Graph) -> Iterator[Finding]:
    """A setting that has no default is not given.

    Most settings have a default; those for which no value is sensible must be in the spec. The
    component would refuse to start without one, after everything was launched.

        settings:
          rod.length: 0.5       # m, there is no usual length of a rod

    A component that is told settings at run time (through `muscle_settings_in`, or by messages
    of one that is) may get the value there; nothing is said of it.
    """
    told = overlaid(graph)
    # a misspelled or misplaced line was meant for it: one mistake, one report
    stray = [address(graph, key).name for key, fault in faults(graph).items() if fault]
    for node in graph.nodes.values():
        if node.contract is None or node.name in told:
            continue
        for name, setting in node.contract.settings().items():
            without = _without(graph, node, name) if setting.required else []
            if without and not difflib.get_close_matches(name, stray, 1, 0.5):
                unit = "" if setting.unit == "1" else f" [{setting.unit}]"
                yield Finding(
                    node.at,
                    f"{_named(node, without)} has no value for its setting {name}, which has no"
                    f" default: {setting.text}{unit}.",
                    write=f"settings:\n  {_named(node, without)}.{name}: VALUE",
                )


def _without(graph: Graph, node: Node, name: str) -> list[str]:
    return [instance for instance in node.instances if name not in graph.values(instance)]


def _named(node: Node, instances: list[str]) -> str:
    return node.name if len(instances) == len(node.instances) else instances[0]
