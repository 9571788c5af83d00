"""MS402: a setting of a component that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import nearest
from manyscale.coupling.addressed import Address, address, faults, moved
from manyscale.coupling.graph import Graph


@check("MS402")
def setting_of_no_component(graph: Graph) -> Iterator[Finding]:
    """A setting names a component that is not in the coupling.

    The name of a setting is the component's name, a dot and the setting: `bulk.dt`. Inside
    a nested model the path of names leads there: `farm.pipe.radius`. The name of the outermost
    model is no part of it (it is for `resources`, where the line reads `pipe_diffusion.bulk`).
    MUSCLE3 ignores a setting of a component that does not exist.

        settings:
          pipe_diffusion.bulk.dt: 0.1   # wrong
          bulk.dt: 0.1                  # right
    """
    for key, fault in faults(graph).items():
        if fault == "component":
            one = address(graph, key)
            right = _right(graph, one)
            hint = f" Did you mean {right!r}?" if right else nearest(one.path, graph.nodes)
            yield Finding(
                ("settings", key),
                f"there is no component {one.path} in {graph.name}.{hint}",
                write=f"{right}.{one.name}: {graph.settings[key]}" if right else "",
            )


def _right(graph: Graph, one: Address) -> str:
    """Return the path that was meant: only its beginning is wrong, or it is near."""
    inner = one.owner.removeprefix(f"{graph.name}.")
    if inner != one.owner and graph.concerned(f"{inner}.{one.name}"):
        return inner
    elsewhere = moved(graph, one)
    if len(elsewhere) == 1:
        return elsewhere[0].name
    near = difflib.get_close_matches(one.path, sorted(graph.nodes), 1, 0.5)
    return near[0] if near else ""
