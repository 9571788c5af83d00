"""MS603: more cores than this machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.graph import Graph, Node
from manyscale.coupling.prove import Machine

_TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/{}"


@check("MS603", severity="warning", stage="machine")
def too_many_cores(machine: Machine) -> Iterator[Finding]:
    """A component asks for more cores than this machine has.

    Each instance of a component gets the cores that `resources` asks for. MUSCLE3 counts
    physical cores, not hardware threads. Where they do not suffice it starts the instances
    nevertheless, several of them on the same cores: the results are the same, the run is slower
    than the numbers in the spec suggest.

    Programs with `can_share_resources: no` compute at the same time as all others; together
    they want as many cores as the sum of their instances.

    Ask for fewer threads or MPI processes, or put the numbers of a larger machine into an
    overlay file of its own and check it with `--machine NAME`.
    """
    cores = _cores()
    if not machine.here or not cores:
        return
    nodes = machine.graph.nodes.values()
    too_large = [node for node in nodes if _wanted(machine.graph, node) > cores]
    for node in too_large:
        yield Finding(
            ("resources", f"{machine.graph.name}.{node.name}"),
            f"{node.name} asks for {_wanted(machine.graph, node)} cores, this machine has {cores};"
            " the run will be slow.",
        )
    alone = [n for n in nodes if _shares_nothing(machine.graph, n) and n not in too_large]
    total = sum(_wanted(machine.graph, node) * len(node.instances) for node in alone)
    if total > cores:
        yield Finding(
            alone[0].at,
            f"{', '.join(n.name for n in alone)} cannot share cores and together ask for {total},"
            f" this machine has {cores}; the run will be slow.",
        )


def _wanted(graph: Graph, node: Node) -> int:
    given = graph.resources.get(node.name)
    amounts = (getattr(given, name, None) for name in ("threads", "mpi_processes"))
    return next((int(amount) for amount in amounts if amount is not None), 1)


def _shares_nothing(graph: Graph, node: Node) -> bool:
    program = graph.programs.get(node.program)
    return program is not None and not program.can_share_resources


def _cores() -> int:
    """Return how many cores this process may use, as MUSCLE3's agent counts; 0 if unknown."""
    if not hasattr(os, "sched_getaffinity"):
        import psutil

        return psutil.cpu_count(logical=False) or 0
    try:
        return len(
            {
                tuple(
                    Path(_TOPOLOGY.format(thread, name)).read_text()
                    for name in ("physical_package_id", "core_id")
                )
                for thread in os.sched_getaffinity(0)
            }
        )
    except OSError:
        return 0
