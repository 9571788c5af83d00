"""MS602: resources for a component that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import nearest
from manyscale.coupling.load import Spec


@check("MS602", stage="config")
def resources_for_nothing(spec: Spec) -> Iterator[Finding]:
    """Resources are given to a component that is not there.

    A key under `resources` is the path of a component that runs a program, beginning with the
    name of the model: `pipe_diffusion.bulk`, or `city.district.house` for a component inside
    a nested model. Keys under `settings` leave the model's name out; that is easily mixed up.

    MUSCLE3 passes over a key that fits no component, and gives the component you meant the
    default of one thread.

        resources:
          bulk:                    # wrong
            threads: 4
          pipe_diffusion.bulk:     # right
            threads: 4
    """
    roots = spec.roots()
    if len(roots) != 1:
        return  # told elsewhere
    root = roots[0]
    known = set(_paths(spec, root, str(root.name)))
    free = known - {*map(str, spec.config.resources)}
    for name in map(str, spec.config.resources):
        if name not in known and not _lost(spec, root, name):
            told = f"{root.name}.{name}" if f"{root.name}.{name}" in known else ""
            why = " The name of the model comes first." if told else nearest(name, free or known)
            yield Finding(
                ("resources", name),
                f"{name} is no component that runs a program, so its resources are passed"
                f" over.{why}",
                f"{told}:" if told else "",
                drop=(("resources", name),),
            )


def _paths(spec: Spec, model: Any, path: str, depth: int = 0) -> Iterator[str]:
    """Yield the paths of all components that run a program, or should."""
    for component in model.components.values():
        inner = f"{path}.{component.name}"
        nested = spec.config.models.get(component.implementation)
        if nested is None:
            yield inner
        elif depth < 50:  # a model that contains itself is told elsewhere
            yield from _paths(spec, nested, inner, depth + 1)


def _lost(spec: Spec, root: Any, name: str) -> bool:
    """Return whether a path leads to or through something that another check has told of."""
    first, *rest = name.split(".")
    model = root if first == str(root.name) else None
    for part in rest:
        if model is None:
            return False
        component = next((c for c in model.components.values() if str(c.name) == part), None)
        if component is None:
            return bool(spec.sources.holders((*spec.at(model), "components", part)))
        model = spec.config.models.get(component.implementation)
        if model is None and part != rest[-1] and spec.program(component) is None:
            return True
    return False
