"""MS703: a model that cannot be imported."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import Refused
from manyscale.coupling.command import Command
from manyscale.coupling.interpreter import Interpreter
from manyscale.coupling.load import Spec
from manyscale.registry import registry

_NO_REFERENCE = "the host is given no model; write MODULE:CLASS behind manyscale.hosting.muscle."


@check("MS703", stage="config")
def failing_model(spec: Spec) -> Iterator[Finding]:
    """The model that a program hosts cannot be imported.

    `-m manyscale.hosting.muscle MODULE:CLASS` imports the module and takes the class out of it.
    Either the import fails, or there is no such class, or it is no scale model. The component
    would end with the same words a moment after its start.

    Call Python on it to see where it fails: `python -c 'import MODULE'`.
    """
    for program in sorted(spec.hosted):
        if spec.trusted and spec.contracts[program] is None and _in_use(spec, program):
            why = import_failure(spec, program)
            if why:
                yield Finding(("programs", program, "args"), why)


def _in_use(spec: Spec, program: str) -> bool:
    return any(
        str(component.implementation) == program
        for model in spec.config.models.values()
        for component in model.components.values()
    )


def import_failure(spec: Spec, program: str) -> str | None:
    """Return why a hosted model cannot be imported, None if that says nothing of its instances.

    Empty if another check tells of it: the module is missing on this machine, or the shell
    makes something else of the reference.
    """
    command = Command(spec.config.programs[program])  # type: ignore[index]
    python = command.interpreter
    elsewhere = python is None if spec.machine else False
    if spec.machine not in ("", "laptop") or elsewhere or not (python is None or python.is_ours):
        return None
    module = command.reference.partition(":")[0]
    if not module:
        return "" if ":" in " ".join(command.words) else _NO_REFERENCE
    if spec.machine and Interpreter.ours().finds(module, command.python_path) is False:
        return ""
    try:
        registry.by_reference(command.reference)
    except Refused as exc:
        return str(exc)
    return None
