"""MS223: the ports of a program of the spec, and those of the model it runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ymmsl.v0_2 import Port

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import nearest
from manyscale.coupling.load import Spec
from manyscale.coupling.nesting import as_written


@check("MS223", stage="config")
def program_ports(spec: Spec) -> Iterator[Finding]:
    """The ports of a program are not those of the model that it runs.

    A program written in the spec may list its `ports`. If the program hosts a model of this
    framework, its ports are known, and the list must agree with them in names, operators and
    timelines; else the run starts, and ends after minutes with a deadlock that is none. The list
    may be left out, and an import needs none:

        imports:
        - from manyscale import implementation mass_diffusion
    """
    for name, program in spec.config.programs.items():
        real = as_written(spec.contracts.get(str(name)))
        if real is not None and str(name) in spec.hosted and len(program.ports):
            for port, why in _faults(program, real, spec.contracts[str(name)]):
                yield Finding(
                    ("programs", str(name), "ports"), f"the program {name} {why}", word=port
                )


def _faults(program: Any, real: dict[str, Port], contract: Any) -> Iterator[tuple[str, str]]:
    """Yield a port and what is wrong with it."""
    unknown = [str(name) for name in program.ports if str(name) not in real]
    for port in unknown:
        yield port, f"lists the port {port}, which its model does not have.{nearest(port, real)}"
    for name, port in program.ports.items():
        if str(name) in real and real[str(name)] != port:
            listed, meant = _said(port), _said(real[str(name)])
            yield str(name), f"lists {name} as {listed}, its model has it as {meant}."
    for port, declared in contract.ports.items():
        needed = not (declared.sends or declared.optional)
        if needed and port not in program.ports and not unknown:
            yield "", f"does not list {port}, which its model receives on ({declared.operator})."


def _said(port: Port) -> str:
    on = f" on the timeline {port.timeline}" if port.timeline and len(port.timeline) else ""
    return f"{port.operator.name}{on}"
