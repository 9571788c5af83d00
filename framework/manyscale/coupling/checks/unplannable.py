"""MS614: resources that MUSCLE3 cannot plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.graph import Graph, Node


@check("MS614")
def unplannable(graph: Graph) -> Iterator[Finding]:
    """The resources of a component are of a kind that MUSCLE3 cannot plan.

    yMMSL can ask for several threads in each MPI process, and for whole nodes. MUSCLE3 0.11
    reads both and then ends with an error before anything is started: its planner knows threads
    without MPI, and MPI processes of one thread each. A component needs at least one of them.

        resources:
          flow.solver:
            mpi_processes: 8
            threads_per_mpi_process: 2     # wrong: more than 1
          flow.solver:
            mpi_processes: 16              # right: as many cores, one thread each
    """
    for node in graph.nodes.values():
        given: Any = graph.resources.get(node.name)
        if given is None or _fits_not(graph, node, given):
            continue  # told elsewhere
        at = ("resources", f"{graph.name}.{node.name}")
        name = f"    mpi_processes: {getattr(given, 'mpi_processes', 0)}"
        if getattr(given, "nodes", None) is not None:
            yield Finding(
                at,
                f"{node.name} asks for whole nodes, which MUSCLE3 cannot plan yet;"
                " give the number of MPI processes.",
                f"{at[1]}:\n  mpi_processes: {given.nodes * given.mpi_processes_per_node}",
            )
        elif getattr(given, "threads_per_mpi_process", 1) != 1:
            yield Finding(
                (*at, "threads_per_mpi_process"),
                f"{node.name} asks for {given.threads_per_mpi_process} threads in each MPI"
                " process, which MUSCLE3 cannot plan yet; it plans processes of one thread.",
                name.strip(),
            )
        elif getattr(given, "threads", 1) < 1 or getattr(given, "mpi_processes", 1) < 1:
            yield Finding(at, f"{node.name} asks for no core at all; it needs at least one.")


def _fits_not(graph: Graph, node: Node, given: Any) -> bool:
    """Return whether MPI processes are asked for a program that is started without MPI."""
    program = graph.programs.get(node.program)
    is_direct = program is not None and program.execution_model.name == "DIRECT"
    return is_direct and not hasattr(given, "threads")
