"""MS209: the direction of conduits."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.load import Spec
from manyscale.coupling.wiring import Fault, Wiring


@check("MS209", stage="config")
def wrong_direction(spec: Spec) -> Iterator[Finding]:
    """A conduit begins at a receiving port or ends at a sending one.

    A conduit is written as `SENDER: RECEIVER`. Components send on O_I and O_F ports and receive
    on F_INIT and S ports. Seen from inside a nested model, its own ports are turned round: what
    comes in through its F_INIT or S port is sent on to components, and what components send goes
    out through its O_I or O_F port.

        conduits:
          bulk.sample_out: pipe.bulk_in       # O_I to F_INIT
          pipe.line_out: bulk.line_in         # O_F to S

    The conduit is left out of the rest of the check.
    """
    for wiring in spec.wirings:
        both: set[tuple[str | int, ...]] = set()
        wrong = [f for f in wiring.faults if f.kind == "direction"]
        ends = {(fault.at, fault.end) for fault in wrong}
        for fault in wrong:
            if fault.at not in both and fault.told:
                both.add(fault.at)
                yield _finding(wiring, fault, len({e for at, e in ends if at == fault.at}) == 2)


def _finding(wiring: Wiring, fault: Fault, turned: bool) -> Finding:
    conduit = fault.conduit
    said = f"the conduit {conduit.sender} to {conduit.receiver}"
    *name, port = map(str, fault.reference)
    owner = wiring.model.components[fault.reference[:-1]] if name else wiring.model
    operator = owner.ports[port].operator.name
    if turned:
        write = f"{conduit.receiver}: {conduit.sender}"
        return Finding(fault.at, f"{said} goes the wrong way round.", write=write)
    begins = "begins" if fault.end == "sender" else "ends"
    what = "receives" if (fault.end == "sender") == bool(name) else "sends"
    where = fault.reference if name else f"the model's port {port}"
    text = f"{said} {begins} at {where}, which {what} ({operator})."
    return Finding(fault.at, text, word=str(fault.reference))
