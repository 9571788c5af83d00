"""MS203: conduits to components that are not there."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import nearest
from manyscale.coupling.load import Spec


@check("MS203", stage="config")
def no_such_component(spec: Spec) -> Iterator[Finding]:
    """A conduit names a component that is not there.

    A conduit goes from `COMPONENT.PORT` to `COMPONENT.PORT`, and both components stand under
    `components` of the same model. Into a nested model a conduit goes through a port of that
    model, not by naming a component inside it:

        models:
          outer:
            components:
              farm: {implementation: inner}
            conduits:
              macro.out: farm.state_in        # not farm.worker.state_in
          inner:
            ports: {f_init: state_in}
            conduits:
              state_in: worker.state_in

    The conduit is left out of the rest of the check.
    """
    for wiring in spec.wirings:
        for fault in wiring.faults:
            if fault.kind == "component" and fault.told:
                name = str(fault.reference[:-1])
                yield Finding(
                    fault.at,
                    f"the conduit {fault.conduit.sender} to {fault.conduit.receiver} names the"
                    f" component {name}, which {wiring.at[1]} does not have."
                    f"{nearest(name, map(str, wiring.model.components))}",
                    word=name,
                )
