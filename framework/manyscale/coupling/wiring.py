"""Conduits of a coupling against the contracts of the components they join."""

from __future__ import annotations

from manyscale.contract.ports import Port
from manyscale.contract.refusal import Refused, nearest
from manyscale.coupling.load import Coupling

SETTINGS_IN = "muscle_settings_in"


def refuse_miswired(coupling: Coupling) -> None:
    """Refuse conduits to unknown ports, slots that do not fit, and ports left unconnected."""
    connected = set()
    for conduit in coupling.model.conduits:
        ends = (
            (str(conduit.sending_component()), str(conduit.sending_port()), True),
            (str(conduit.receiving_component()), str(conduit.receiving_port()), False),
        )
        sizes = [len(coupling.components[name].multiplicity or []) for name, _, _ in ends]
        for (name, end, sends), mine, others in zip(ends, sizes, sizes[::-1], strict=True):
            connected.add((name, end))
            if end != SETTINGS_IN and coupling.contracts[name] is not None:
                declared = _declared(coupling, name, end, sends)
                _refuse_slots(f"{coupling.name}: {name}.{end}", declared, others - mine)
    for name, contract in coupling.contracts.items():
        for port in () if contract is None else contract.ports.values():
            if not (port.sends or port.optional or (name, port.name) in connected):
                raise Refused(
                    f"{coupling.name}: {name}.{port.name} is not connected and not optional;"
                    " add a conduit to it."
                )


def _declared(coupling: Coupling, component: str, name: str, sends: bool) -> Port:
    contract = coupling.contract(component)
    port = contract.ports.get(name)
    if port is None or port.sends is not sends:
        fit = [n for n, p in contract.ports.items() if p.sends is sends]
        does = "sends" if sends else "receives"
        raise Refused(
            f"{coupling.name}: {component} has no port {name!r} that {does}.{nearest(name, fit)}"
        )
    return port


def _refuse_slots(where: str, port: Port, dimensions: int) -> None:
    """Refuse a port whose peer set is larger or smaller by other than the port's slots."""
    if max(0, dimensions) == int(port.slots):
        return
    kind = "has slots" if port.slots else "has no slots"
    peer = "several instances" if dimensions > 0 else "one instance"
    raise Refused(f"{where} {kind}, but its conduit leads to {peer}.")
