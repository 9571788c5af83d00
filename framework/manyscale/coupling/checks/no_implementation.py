"""MS202: components without an implementation."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.load import Spec


@check("MS202", stage="config")
def no_implementation(spec: Spec) -> Iterator[Finding]:
    """A component has no implementation.

    Something has to run for every component: `implementation` names a program, a model or an
    imported one. A component that is left to the user of a model is marked `optional: true`;
    without an implementation it is taken out before a run, with all its conduits.

        logger:
          description: Writes what it is sent
          optional: true
          ports: {f_init: entry}
    """
    for wiring in spec.wirings:
        for component in wiring.model.components.values():
            at = wiring.place(component)
            if component.implementation is None and not (component.optional or spec.is_lost(at)):
                yield Finding(
                    at,
                    f"{component.name} has no implementation and is not optional; name a program"
                    " or model that runs it.",
                    write="implementation: NAME",
                    drop=((*at, "implementation"),),
                )
