"""MS402: a setting of a component that is not there."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import close_to, nearest
from manyscale.coupling.addressed import OF_MUSCLE, Address, address, faults, moved, types
from manyscale.coupling.graph import Graph
from manyscale.registry.catalog import FRAMEWORK_SETTINGS


@check("MS402")
def setting_of_no_component(graph: Graph) -> Iterator[Finding]:
    """A setting names a component that is not in the coupling.

    The name of a setting is the component's name, a dot and the setting: `bulk.dt`. Inside
    a nested model the path of names leads there: `farm.pipe.radius`. The name of the outermost
    model is no part of it (it is for `resources`, where the line reads `pipe_diffusion.bulk`).
    MUSCLE3 ignores a setting of a component that does not exist. Several settings of one such
    component are told at the first of them.

        settings:
          pipe_diffusion.bulk.dt: 0.1   # wrong
          bulk.dt: 0.1                  # right
    """
    by_owner: dict[str, list[str]] = {}
    for key, fault in faults(graph).items():
        if fault == "component":
            by_owner.setdefault(_owner(key), []).append(key)
    for keys in by_owner.values():
        one = address(graph, keys[0])
        right = _right(graph, one)
        hint = f" Did you mean {right!r}?" if right else nearest(one.path, graph.nodes)
        more = f", which {len(keys)} settings name" if len(keys) > 1 else ""
        lines = [f"{right}.{k.rpartition('.')[2]}: {graph.settings[k]}" for k in keys if right]
        yield Finding(
            ("settings", keys[0]),
            f"there is no component {one.path} in {graph.name}{more}.{hint}",
            write="\n".join(lines),
        )


def _right(graph: Graph, one: Address) -> str:
    """Return the path that was meant: only its beginning is wrong, or it is near."""
    inner = one.owner.removeprefix(f"{graph.name}.")
    if inner != one.owner and graph.concerned(f"{inner}.{one.name}"):
        return inner
    elsewhere = moved(graph, one)
    if len(elsewhere) == 1:
        return elsewhere[0].name
    near = close_to(one.path, graph.nodes, 0.7)
    if near:
        return near
    given = {key.rpartition(".")[2] for key in graph.settings if _owner(key) == one.owner}
    given = {name for name in given - {*FRAMEWORK_SETTINGS} if not name.startswith(OF_MUSCLE)}
    fits = [name for name, node in graph.nodes.items() if given <= {*(types(graph, node) or ())}]
    return fits[0] if len(fits) == 1 else close_to(one.path, graph.nodes)


def _owner(key: str) -> str:
    return key.rpartition(".")[0]
