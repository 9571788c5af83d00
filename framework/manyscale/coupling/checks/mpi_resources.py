"""MS601: programs and resources that do not agree on MPI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.graph import Graph, Node

_MPI = ("openmpi", "intelmpi", "srunmpi")


@check("MS601")
def mpi_resources(graph: Graph) -> Iterator[Finding]:
    """A program and the resources of its component do not agree on MPI.

    A program says with `execution_model` whether it is started by MPI (`openmpi`, `intelmpi`,
    `srunmpi`) or directly; the resources of its component say how many MPI processes or threads
    it gets. MUSCLE3 refuses to start an MPI program without a number of processes, and
    a program without MPI that is given processes.

        resources:
          flow.solver:             # model.component
            mpi_processes: 4       # for an MPI program; it is never optional
          flow.chemistry:
            threads: 2             # for any other program; 1 if nothing is said

    Write the resources that fit, or correct the program's `execution_model`.
    """
    for node in graph.nodes.values():
        program = graph.programs.get(node.program)
        model = program.execution_model.name.lower() if program is not None else "manual"
        given = graph.resources.get(node.name)
        if model in _MPI and not _asks_for_processes(given):
            yield _missing(graph, node, model, given)
        elif model == "direct" and _asks_for_processes(given):
            yield Finding(
                ("resources", f"{graph.name}.{node.name}"),
                f"{node.name} is given MPI processes, but its program {node.program} is started"
                " without MPI; give it threads, or set the program's execution_model.",
                _lines(graph, node, "threads: 1"),
            )


def _asks_for_processes(given: Any) -> bool:
    return given is not None and not hasattr(given, "threads")


def _missing(graph: Graph, node: Node, model: str, given: Any) -> Finding:
    found = "no resources" if given is None else "threads, and no MPI processes"
    return Finding(
        node.at if given is None else ("resources", f"{graph.name}.{node.name}"),
        f"{node.name} has {found}, but its program {node.program} is started with MPI"
        f" ({model}); say how many processes it gets.",
        _lines(graph, node, "mpi_processes: 2"),
    )


def _lines(graph: Graph, node: Node, amount: str) -> str:
    return f"resources:\n  {graph.name}.{node.name}:\n    {amount}"
