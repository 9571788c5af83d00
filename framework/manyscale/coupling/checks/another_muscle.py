"""MS613: an interpreter with another MUSCLE3."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.command import Command, commands, place
from manyscale.coupling.interpreter import Interpreter
from manyscale.coupling.prove import Machine

_ASK = "import libmuscle; print(libmuscle.__version__)"


@check("MS613", stage="machine")
def another_muscle(machine: Machine) -> Iterator[Finding]:
    """The interpreter of a program has no MUSCLE3, or one of another version.

    A component in a Python environment of its own talks to the manager through the `libmuscle`
    of that environment. The manager turns away every instance whose version differs from its
    own, after everything has been started.

    The version is read from the files of the environment; with `--probe` the interpreter is run
    and asked.

    Install the same version there, with the pip of that environment.
    """
    ours = metadata.version("muscle3")
    for node, command in commands(machine.graph) if machine.here else ():
        python = command.interpreter
        if python is None or python.is_ours or not (command.module or command.script):
            continue
        if command.module and python.finds(command.module, command.python_path) is not True:
            continue  # a module that is missing is told elsewhere
        found = _asked(command, python) if machine.probe else _seen(command, python)
        if found not in ("", ours):
            yield Finding(
                place(node, "executable"),
                f"{node.name} runs in {python.prefix} with {found}, but the manager has MUSCLE3"
                f" {ours}; install the same version there.",
                f"{python.executable} -m pip install muscle3=={ours}",
            )


def _seen(command: Command, python: Interpreter) -> str:
    """Return the version an interpreter's files tell, empty if they tell nothing."""
    found = python.version("muscle3")
    if found is not None:
        return found if found == metadata.version("muscle3") else f"MUSCLE3 {found}"
    return "no MUSCLE3" if python.finds("libmuscle", command.python_path) is False else ""


def _asked(command: Command, python: Interpreter) -> str:
    """Return the version an interpreter tells, empty if it cannot be asked as an instance."""
    if command.variables is None:
        return ""
    worked, said = command.answer([str(python.executable), "-c", _ASK])
    if worked:
        return said if said == metadata.version("muscle3") else f"MUSCLE3 {said}"
    return f"no MUSCLE3 that works ({said})"
