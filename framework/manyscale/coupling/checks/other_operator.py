"""MS206: ports with another operator than their implementation's."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.load import Spec


@check("MS206", stage="config")
def other_operator(spec: Spec) -> Iterator[Finding]:
    """A component declares a port with another operator than its implementation.

    The operator says when a port is used: F_INIT before a pass, O_I and S at every turn of the
    loop, O_F at its end. The program decides that; the coupling repeats it, so that MUSCLE3 can
    tell which component calls which. If the two differ, a message is waited for that nobody
    sends.

    Move the port to the operator that `manyscale show NAME` lists.
    """
    for wiring in spec.wirings:
        for component in wiring.model.components.values():
            known = wiring.promised(component) or {}
            for name, port in component.ports.items():
                real = known.get(str(name))
                if real is not None and real.operator is not port.operator:
                    yield Finding(
                        (*wiring.place(component), "ports"),
                        f"{component.name} declares {name} as {port.operator.name},"
                        f" {component.implementation} has it as {real.operator.name}.",
                        write=f"{real.operator.name.lower()}: {name}",
                        word=str(name),
                    )
