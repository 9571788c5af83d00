"""MS210: ports that two conduits end at."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.load import Spec


@check("MS210", stage="config")
def two_senders(spec: Spec) -> Iterator[Finding]:
    """A port receives from two conduits.

    A sending port may have several conduits, and each receiver gets every message; a receiving
    port has one. MUSCLE3 starts all programs, and then the receiver ends with `connected by
    multiple conduits`. Two senders of the same kind are members of one component with a
    `multiplicity`, or each has a port of its own at the receiver.

    The second conduit is left out of the rest of the check.
    """
    for wiring in spec.wirings:
        senders = {at: str(conduit.sender) for conduit, at in wiring.conduits}
        for fault in wiring.faults:
            if fault.kind == "second":
                receiver = str(fault.conduit.receiver)
                yield Finding(
                    fault.at,
                    f"{receiver} receives from {fault.conduit.sender} and already from"
                    f" {senders[fault.other]}; a port receives from one conduit.",
                    word=receiver,
                )
