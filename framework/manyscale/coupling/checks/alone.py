"""MS218: components that nothing is connected to."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.load import Spec
from manyscale.coupling.wiring import Wiring


@check("MS218", "warning", "config")
def alone(spec: Spec) -> Iterator[Finding]:
    """A component is connected to nothing.

    In a model of several components each one sends something to others or receives something;
    one that does neither runs beside them, once, with its settings alone. That is allowed, and
    mostly a conduit was forgotten.
    """
    for wiring in spec.wirings:
        if len(wiring.model.components) < 2 or _is_unclear(wiring):
            continue
        ends = {
            name
            for conduit, _ in wiring.conduits
            for name in (conduit.sending_component(), conduit.receiving_component())
        }
        for name, component in wiring.model.components.items():
            if name not in ends and component.implementation is not None and len(component.ports):
                yield Finding(
                    wiring.place(component),
                    f"{name} is connected to no other component of {wiring.at[1]}; its ports are"
                    f" {', '.join(map(str, component.ports))}.",
                )


def _is_unclear(wiring: Wiring) -> bool:
    """Whether a conduit was left out, or names something that is not there."""
    lost = any(at[:3] == (*wiring.at, "conduits")[: len(at)] for at in wiring.spec.lost)
    return lost or any(fault.kind == "component" for fault in wiring.faults)
