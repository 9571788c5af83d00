"""MS403: a setting given to the wrong component."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import nearest
from manyscale.coupling.addressed import address, faults, types
from manyscale.coupling.graph import Graph


@check("MS403")
def misplaced_setting(graph: Graph) -> Iterator[Finding]:
    """A setting is given to a component that does not have it; another one has.

    The setting exists, and the component in front of it is the wrong one. MUSCLE3 ignores such
    a line, and the component that has the setting runs with its default.

        settings:
          bulk.radius: 5.0e-10      # wrong: the radius belongs to the pipe
          pipe.radius: 5.0e-10      # right

    A setting without a component in front reaches every component that has it.
    """
    for key, fault in faults(graph).items():
        if fault == "misplaced":
            one = address(graph, key)
            have = [n.name for n in graph.nodes.values() if one.name in (types(graph, n) or ())]
            own = {name for node in one.nodes for name in types(graph, node) or ()}
            near = nearest(one.name, own)
            also = near.replace("Did you mean", "Or did you mean") if "Did" in near else ""
            yield Finding(
                ("settings", key),
                f"{one.owner} has no setting {one.name}, {_all(have)}.{also}",
                write="\n".join(f"{n}.{one.name}: {graph.settings[key]}" for n in have[:3]),
            )


def _all(names: list[str]) -> str:
    return f"{', '.join(names[:3])} {'has' if len(names) == 1 else 'have'}"
