"""MS401: a setting that no component has."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import nearest
from manyscale.coupling.addressed import address, faults, types
from manyscale.coupling.graph import Graph


@check("MS401")
def misspelled_setting(graph: Graph) -> Iterator[Finding]:
    """No component has a setting of this name.

    A setting reaches every component it is addressed to, and each takes those it knows. MUSCLE3
    says nothing about the others: a misspelled setting is ignored, the component runs with its
    default, and the run ends well with wrong numbers.

        settings:
          bulk.t_edn: 100.0     # wrong: ignored, bulk runs to its default t_end
          bulk.t_end: 100.0     # right

    `manyscale show MODEL` lists the settings of a model. Programs that are not of this framework
    are checked if their `supported_settings` say what they read.
    """
    for key, fault in faults(graph).items():
        if fault == "unknown":
            one = address(graph, key)
            known = {name for node in one.nodes for name in types(graph, node) or ()}
            near = difflib.get_close_matches(one.name, sorted(known), 1, 0.5)
            right = f"{one.owner}.{near[0]}" if near and one.owner else "".join(near)
            who = one.owner or "no component"
            has = "has no" if one.owner else "has a"
            yield Finding(
                ("settings", key),
                f"{who} {has} setting {one.name}.{nearest(one.name, known)}",
                write=f"{right}: {graph.settings[key]}" if right else "",
            )
