"""MS203: conduits to components that are not there."""

from __future__ import annotations

from collections.abc import Iterator

from ymmsl.v0_2 import Reference

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import close_to, nearest
from manyscale.coupling.load import Spec
from manyscale.coupling.wiring import Wiring


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
                    f"{_meant(wiring, fault.reference)}",
                    word=name,
                )


def _meant(wiring: Wiring, reference: Reference) -> str:
    """Return a hint: the component with a similar name, or else the only one with those ports."""
    components = wiring.model.components
    name = str(reference[:-1])
    ports = {str(f.reference[-1]) for f in wiring.faults
             if f.kind == "component" and f.reference[:-1] == reference[:-1]}  # fmt: skip
    having = [str(n) for n, c in components.items() if ports <= {*map(str, c.ports)}]
    if len(having) == 1 and not close_to(name, map(str, components), 0.7):
        return f" Did you mean {having[0]!r}?"
    return nearest(name, map(str, components))
