"""MS701: a component whose contract is not known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from manyscale.contract.diagnostics import At, Finding, check
from manyscale.contract.refusal import nearest
from manyscale.coupling.checks.failing_model import import_failure
from manyscale.coupling.load import Spec, sidecar


@check("MS701", severity="note", stage="config")
def unchecked(spec: Spec) -> Iterator[Finding]:
    """Nothing is known of what a component sends, expects and can be set to.

    The wiring of such a component is checked, but not the quantities, units, types and axes of
    its messages, nor its settings. That is so for programs of other makes, in C++, Fortran or
    Python, and for scale models that no installed plugin offers.

    For a program called `reaction` write a file `reaction.contract.json` beside the spec: it
    lists ports, fields and settings, in the form that `manyscale show MODEL --json` prints.
    Keys with a usual value may be left out:

        {"format": "manyscale-contract/1", "name": "reaction",
         "ports": [{"name": "initial", "operator": "f_init", "plain": true, "fields": [
           {"name": "c", "quantity": "concentration", "unit": "mol/m3",
            "axes": [{"name": "x"}]}]}],
         "settings": [{"name": "k", "type": "float", "unit": "1/s", "text": "rate constant"}]}

    A scale model outside the registry is imported to look at it by `manyscale run`, and by
    `manyscale check --probe`.
    """
    files = [source.file for source in spec.sources.own() if source.file.suffix]
    for at, name, component in _components(spec):
        program = str(component.implementation)
        if spec.program(component) is None or spec.contract(component) is not None:
            continue
        if program in spec.hosted:
            if not spec.trusted or import_failure(spec, program) is None:
                yield Finding(at, f"{name} is not checked: {_why_hosted(spec)}")
        elif sidecar(program, files) is None:
            wanted = f"{program.rpartition('.')[2]}.contract.json"
            yield Finding(
                at,
                f"{name} is not checked: what its program {program} sends, expects and can be set"
                f" to is not known; describe it in {wanted} beside the spec.{_near(wanted, files)}",
            )


def _components(spec: Spec) -> Iterator[tuple[At, str, Any]]:
    for model in spec.config.models.values():
        for component in model.components.values():
            at = (*spec.at(model), "components", str(component.name))
            yield at, str(component.name), component


def _near(wanted: str, files: Sequence[Path]) -> str:
    """Return the contract file beside the spec whose name was perhaps misspelt."""
    found = {path.name for file in files for path in file.parent.glob("*.contract.json")}
    told = nearest(wanted, found)
    return told if "mean" in told else ""


def _why_hosted(spec: Spec) -> str:
    if spec.trusted:
        return "its model cannot be imported here, and it is started by another interpreter."
    return "no plugin offers its model, and nothing is imported unasked; --probe imports it."
