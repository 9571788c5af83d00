"""MS605: a Python module that is not installed."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.command import Command, commands, place
from manyscale.coupling.prove import Machine


@check("MS605", stage="machine")
def missing_module(machine: Machine) -> Iterator[Finding]:
    """A Python module that a program needs is not installed.

    `python -m MODULE` looks for the module where that interpreter looks for modules: in its own
    environment and in the folders of PYTHONPATH, not beside the spec. The same holds for the
    model behind `-m manyscale.hosting.muscle MODULE:CLASS`. A module that is not found ends the
    component with "No module named ..." after everything has been started.

    This is found out from the files of the environment; nothing is imported or executed.

    Install the distribution with the pip of that interpreter, correct the name, or say where
    the module is:

        env:
          PYTHONPATH: /home/me/model
    """
    if not machine.here:
        return
    for node, command in commands(machine.graph):
        name = _missing(command)
        if command.interpreter is not None and name:
            yield Finding(
                place(node, "args"),
                f"{node.name} needs the Python module {name}, which"
                f" {command.interpreter.executable} does not find; install it there, or set"
                " PYTHONPATH in the program's env.",
                word=name,
            )


def _missing(command: Command) -> str:
    """Return the first module that is certainly not found, empty if there is none."""
    python = command.interpreter
    for name in filter(None, [command.module, *_models(command.reference)]):
        if python is not None and python.finds(name, command.python_path) is False:
            return name
    return ""


def _models(reference: str) -> list[str]:
    """Return the modules of `module:Class` or `module:factory@module:Class`."""
    return [part.partition(":")[0] for part in reference.split("@") if ":" in part]
