"""MS604: a program that is not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import nearest
from manyscale.coupling.command import Command, commands, place
from manyscale.coupling.graph import Node
from manyscale.coupling.prove import Machine


@check("MS604", stage="machine")
def missing_executable(machine: Machine) -> Iterator[Finding]:
    """A program's executable is not on this machine.

    `executable` is an absolute path, or a name that is looked up on the PATH of the instance:
    that of your shell, with the program's `env` and `virtual_env` laid over. Every instance
    starts in a new, empty folder of the run, so a path relative to the spec is never found.
    Without this check MUSCLE3 starts everything and ends with exit code 127 of a component.

        executable: build/reaction                  # wrong: relative
        executable: /home/me/model/build/reaction   # right

    Correct the path, build the program, or make it executable (`chmod +x`). Programs that load
    modules or start from a login shell are not looked up by name; nothing is said of them.
    """
    if not machine.here:
        return
    for node, command in commands(machine.graph):
        if command.starts:
            key, why = _why(command)
            if why:
                yield Finding(place(node, key), f"{_who(node)} {why}")


def _who(node: Node) -> str:
    program = node.program.rpartition(".")[2]
    return f"{node.name} runs {program}, which" if program != node.name else f"{node.name}"


def _why(command: Command) -> tuple[str, str]:
    """Return the key that is at fault and why, or nothing."""
    folder = command.program.virtual_env
    if folder is not None and not Path(folder, "bin/activate").is_file() and "$" not in str(folder):
        return "virtual_env", f"is started in {folder}, which is no virtual environment."
    name = command.written
    if command.is_known and command.which(name) is None:
        return "executable", _not_found(name, command)
    script = os.path.expanduser(command.script)
    if command.interpreter is None or not script or "$" in script:
        return "", ""
    if Path(script).is_absolute() and Path(script).exists():
        return "", ""
    return "args", f"runs the Python file {script}, which is not there{_relative(script)}."


def _not_found(name: str, command: Command) -> str:
    path = Path(os.path.expanduser(name))
    if path.is_absolute():
        if path.is_dir():
            return f"is started with {name}, which is a folder."
        if path.exists():
            return f"is started with {name}, which is not executable; run chmod +x on it."
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = nearest(path.name, beside) if len(beside) < 1000 else ""
        return f"is started with {name}, which does not exist.{near if 'mean' in near else ''}"
    if "/" in name:
        return f"is started with {name}, which is not there{_relative(name)}."
    return f"is started with {name}, which is not on the PATH; build it, or write its full path."


def _relative(path: str) -> str:
    return "" if path.startswith("/") else ": every instance starts in an empty folder of its own"
