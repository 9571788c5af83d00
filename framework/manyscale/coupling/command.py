"""The command that starts a program, and what it names, looked at without running anything."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from manyscale.contract.diagnostics import At
from manyscale.coupling.graph import Graph, Node
from manyscale.coupling.interpreter import Interpreter
from manyscale.registry.catalog import HOST

REGISTERED = "manyscale."
"""Begins the names of programs that the registry offers; no spec says how they are started."""
PROBE_TIME = 10.0
"""s that anything asked about itself may take."""
_MODULE = re.compile(r"[\w.]+")
_REFERENCE = re.compile(r"[\w.]+:[\w.]+(@[\w.]+:[\w.]+)?")
_WITH_VALUE = ("-X", "-W", "--check-hash-based-pycs")


@dataclass(frozen=True)
class Command:
    """How MUSCLE3 starts a ymmsl Program on this machine, as far as that can be known."""

    program: Any

    @property
    def models(self) -> str:
        """The execution model: direct, openmpi, intelmpi, srunmpi or manual."""
        return str(self.program.execution_model.name).lower()

    @property
    def written(self) -> str:
        """The executable as the spec names it, empty for a script."""
        return str(self.program.executable or "")

    @property
    def starts(self) -> bool:
        """Whether MUSCLE3 starts an executable; else a script or the user does it."""
        return bool(self.written) and self.models != "manual"

    @cached_property
    def variables(self) -> dict[str, str] | None:
        """The environment of an instance; None if modules or a login shell decide."""
        env = dict(os.environ)
        base = self.program.base_env.name
        if base == "LOGIN" or self.program.modules or (base == "CLEAN" and "LOADEDMODULES" in env):
            return None
        if base == "CLEAN" and "VIRTUAL_ENV" in env:
            gone = f"{env.pop('VIRTUAL_ENV')}/bin"
            env["PATH"] = ":".join(p for p in env.get("PATH", "").split(":") if p != gone)
        for key, value in self.program.env.items():
            name = key.removeprefix("+")
            env[name] = env.get(name, "") + value if key.startswith("+") else value
        if self.program.virtual_env:
            env["PATH"] = f"{self.program.virtual_env}/bin:{env.get('PATH', '')}"
        return env

    @property
    def python_path(self) -> list[str]:
        """The folders of PYTHONPATH; an instance starts in a folder of its own."""
        folders = (self.variables or {}).get("PYTHONPATH", "").split(":")
        return [folder for folder in folders if os.path.isabs(folder)]

    def which(self, name: str) -> Path | None:
        """Return what a command's name stands for, None if it is not found or not known."""
        if self.variables is None and not os.path.isabs(os.path.expanduser(name)):
            return None
        path = (self.variables or {}).get("PATH", "")
        found = shutil.which(os.path.expanduser(name), path=path)
        return None if found is None else Path(found)

    @property
    def is_known(self) -> bool:
        """Whether it can be told what the executable's name stands for."""
        absolute = os.path.isabs(os.path.expanduser(self.written))
        return "$" not in self.written and (absolute or self.variables is not None)

    @cached_property
    def interpreter(self) -> Interpreter | None:
        """The Python interpreter that the executable is, None if it is none."""
        found = self.which(self.written) if self.starts and self.is_known else None
        return None if found is None else Interpreter.at(found)

    @cached_property
    def words(self) -> list[str]:
        """The arguments as the shell splits them."""
        text = " ".join(self.program.args or [])
        try:
            return shlex.split(text)
        except ValueError:
            return text.split()

    @property
    def module(self) -> str:
        """The module that Python is told to run, empty if there is none."""
        kind, name = self._target
        return name if kind == "-m" and _MODULE.fullmatch(name) else ""

    @property
    def script(self) -> str:
        """The file that Python is told to run, empty if there is none."""
        return self._target[1] if self._target[0] == "file" else ""

    @property
    def reference(self) -> str:
        """`module:Class` of a hosted model, empty if no host is started."""
        words = self.words
        found = words[words.index(HOST) + 1] if HOST in words[:-1] else ""
        return found if _REFERENCE.fullmatch(found) else ""

    @cached_property
    def _target(self) -> tuple[str, str]:
        words = iter(self.words)
        for word in words:
            if word == "-m":
                return "-m", next(words, "")
            if word in ("-c", "-"):
                break
            if word in _WITH_VALUE:
                next(words, "")
            elif not word.startswith("-"):
                return "file", word
        return "", ""

    def answer(self, words: Sequence[str], whole: bool = False) -> tuple[bool, str]:
        """Run a command in the instance's environment; return success and its last line.

        `whole`: all that it said.
        """
        try:
            done = subprocess.run(
                words, env=self.variables, capture_output=True, text=True, timeout=PROBE_TIME,
                stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return False, f"it did not answer within {PROBE_TIME:g} s"
        except OSError as exc:
            return False, str(exc.strerror)
        said = (done.stdout if done.returncode == 0 else done.stderr).strip()
        last = said if whole else said.rpartition("\n")[2].strip()
        return done.returncode == 0, last or "it said nothing"


@lru_cache(maxsize=1)  # several checks ask for those of one graph, one after the other
def commands(graph: Graph) -> list[tuple[Node, Command]]:
    """Return the command of every program in use, with the first component that runs it."""
    first: dict[str, Node] = {}
    for node in graph.nodes.values():
        if node.program in graph.programs:
            first.setdefault(node.program, node)
    return [(node, Command(graph.programs[name])) for name, node in first.items()]


def place(node: Node, key: str) -> At:
    """Return where a key of a component's program is written, else where the component is."""
    return node.at if node.program.startswith(REGISTERED) else ("programs", node.program, key)
