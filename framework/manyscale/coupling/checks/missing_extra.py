"""MS606: the solver library of a model is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.command import commands
from manyscale.coupling.interpreter import Interpreter
from manyscale.coupling.prove import Machine


@check("MS606", stage="machine")
def missing_extra(machine: Machine) -> Iterator[Finding]:
    """The solver library that a model needs is not installed.

    A plugin may offer models whose solver is a large library that not everybody wants. It names
    it as an extra of its distribution, and the model says which extra it needs. Listing and
    checking such a model works without the library; running it does not.

        pip install 'manyscale[solid]'

    Install the extra with the pip of the interpreter that runs the component.
    """
    if not machine.here:
        return
    offered = {entry.model: entry.distribution for entry in machine.registry}
    for node, command in commands(machine.graph):
        distribution = offered.get(node.contract) if node.contract and node.hosted else None
        if distribution is None or node.contract is None or not node.contract.extra:
            continue
        python = command.interpreter or Interpreter.ours()
        missing = _missing(distribution, node.contract.extra, python)
        if missing:
            extra = f"{distribution}[{node.contract.extra}]"
            yield Finding(
                node.at,
                f"{node.name} runs {node.contract.name}, which needs {', '.join(missing)};"
                f" install the extra {extra} for {python.executable}.",
                f"pip install '{extra}'",
            )


def _missing(distribution: str, extra: str, python: Interpreter) -> list[str]:
    """Return what an extra of a distribution asks for and an interpreter does not have."""
    from packaging.requirements import Requirement

    try:
        lines = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return []
    wanted = [
        requirement
        for requirement in map(Requirement, lines)
        if requirement.marker is not None
        and requirement.marker.evaluate({"extra": extra})
        and not requirement.marker.evaluate({"extra": ""})
    ]
    versions = {r.name: _version(r.name, python) for r in wanted} if python.site else {}
    return [
        f"{r.name}{r.specifier}"
        for r in wanted
        if r.name in versions and not r.specifier.contains(versions[r.name] or "", True)
    ]


def _version(name: str, python: Interpreter) -> str | None:
    if not python.is_ours:
        return python.version(name)
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
