"""MS704: a program whose ports are not those of its contract file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.model import ScaleModel
from manyscale.contract.refusal import nearest
from manyscale.coupling.load import Spec


@check("MS704", stage="config")
def sidecar_ports(spec: Spec) -> Iterator[Finding]:
    """The ports of a program differ from those in the contract file beside the spec.

    Both `programs` in the spec and `PROGRAM.contract.json` list the ports of a program of another
    make, with operators and timelines. One of the lists is out of date; the code of the program
    decides which. A port that the code does not have makes the run hang, and MUSCLE3 reports
    a deadlock that is none.

    Correct the wrong list, or leave `ports` of the program out: the contract file suffices.
    """
    for name, program in spec.config.programs.items():
        contract = spec.contracts.get(str(name))
        if contract is None or str(name) in spec.hosted or not len(program.ports):
            continue
        differences = dict(_differences(program, contract))
        if differences:
            file = f"{str(name).rpartition('.')[2]}.contract.json"
            yield Finding(
                ("programs", str(name), "ports"),
                f"the ports of the program {name} differ from {file}:"
                f" {'; '.join(differences.values())}.",
                word=next(iter(differences)),
            )


def _differences(program: Any, contract: type[ScaleModel]) -> Iterator[tuple[str, str]]:
    """Yield a port and how it differs; an optional or sending port need not be listed."""
    listed = {str(name): port for name, port in program.ports.items()}
    for name, port in listed.items():
        promised = contract.ports.get(name)
        operator, timeline = port.operator.name.lower(), _text(port.timeline)
        if promised is None:
            near = nearest(name, contract.ports.keys() - listed.keys())
            yield name, f"{name} is only in the spec" + (f" ({near.strip()})" if near else "")
        elif operator != promised.operator:
            yield name, f"{name} is {operator} in the spec and {promised.operator} in the contract"
        elif timeline != promised.timeline:
            yield (
                name,
                f"{name} is on the timeline {timeline or '(none)'} in the spec and on"
                f" {promised.timeline or '(none)'} in the contract",
            )
    for name, promised in contract.ports.items():
        if name not in listed and not (promised.sends or promised.optional):
            yield name, f"{name}, on which it receives, is only in the contract"


def _text(timeline: Any) -> str:
    return "" if timeline is None else str(timeline)
