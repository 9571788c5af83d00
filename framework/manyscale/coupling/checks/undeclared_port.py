"""MS205: ports that an implementation does not have."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import nearest
from manyscale.coupling.load import Spec


@check("MS205", stage="config")
def undeclared_port(spec: Spec) -> Iterator[Finding]:
    """A component declares a port that its implementation does not have.

    The ports of a component are some or all of those of the program or model that implements it.
    At a port that only the coupling knows, nobody sends or listens: the run starts and ends
    after minutes with a deadlock that is none.

    `manyscale show NAME` lists the ports of a registered model.
    """
    for wiring in spec.wirings:
        for component in wiring.model.components.values():
            known = wiring.promised(component)
            if known is None:
                continue
            for port in map(str, component.ports):
                if port not in known:
                    yield Finding(
                        (*wiring.place(component), "ports"),
                        f"{component.name} declares the port {port}, which"
                        f" {component.implementation} does not have.{nearest(port, known)}",
                        word=port,
                    )
