"""MS204: conduits to ports that are not declared."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import nearest
from manyscale.coupling.load import Spec
from manyscale.coupling.wiring import SENDING, Fault, Wiring


@check("MS204", stage="config")
def no_such_port(spec: Spec) -> Iterator[Finding]:
    """A conduit names a port that its component does not declare.

    A component lists its ports under `ports`, by operator; a conduit can only end at one of
    them. A word without a component is a port of the model itself, for the models around it.

        bulk:
          ports: {o_i: sample_out, s: line_in}
          ...
        conduits:
          bulk.sample_out: pipe.bulk_in

    The conduit is left out of the rest of the check.
    """
    for wiring in spec.wirings:
        for fault in wiring.faults:
            if fault.kind == "port" and fault.told:
                yield _finding(wiring, fault)


def _finding(wiring: Wiring, fault: Fault) -> Finding:
    *name, port = map(str, fault.reference)
    said = f"the conduit {fault.conduit.sender} to {fault.conduit.receiver}"
    owner = wiring.model.components.get(fault.reference[:-1]) if name else None
    # a port of the model sends into it what it receives from around
    sends = (fault.end == "sender") == bool(name)
    own = (wiring.model if owner is None else owner).ports
    fitting = [str(n) for n, p in own.items() if (p.operator in SENDING) == sends]
    if owner is None and fault.reference in wiring.model.components:
        own = wiring.model.components[fault.reference].ports
        sends = fault.end == "sender"
        fitting = [f"{port}.{n}" for n, p in own.items() if (p.operator in SENDING) == sends]
        text = f"{said} names the component {port} without a port.{nearest(port, fitting)}"
    elif owner is None:
        text = f"{said} names {port}, which is no port of the model {wiring.at[1]}."
        text += nearest(port, fitting)
    else:
        text = f"{said} names the port {port}, which {owner.name} does not declare."
        text += nearest(port, fitting)
    return Finding(fault.at, text, word=str(fault.reference))
