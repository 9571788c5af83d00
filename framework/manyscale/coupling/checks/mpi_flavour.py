"""MS607: another MPI than the program asks for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.command import Command, commands, place
from manyscale.coupling.prove import Machine

_FAMILIES = {
    "openmpi": ("orterun", "prterun", "prte", "openmpi", "ompi_info"),
    "intelmpi": ("hydra", "mpich", "impi", "mpiexec.hydra", "hydra_pmi_proxy"),
}
_NAMES = {"openmpi": "Open MPI", "intelmpi": "MPICH or Intel MPI"}
_DISTRIBUTIONS = {"openmpi": "openmpi", "mpich": "intelmpi", "impi_rt": "intelmpi"}


@check("MS607", stage="machine")
def mpi_flavour(machine: Machine) -> Iterator[Finding]:
    """The MPI on this machine is not the one a program is started with.

    With `execution_model: openmpi` MUSCLE3 gives `mpirun` options that only Open MPI knows, with
    `intelmpi` those of Intel MPI and MPICH, and `srunmpi` works inside a Slurm allocation only.
    The wrong one ends with "unrecognized argument", or starts every process as a world of its
    own. The program itself must have been built with the same MPI.

    `mpirun` is looked up on the PATH of the instance, and recognised by the file it leads to or
    by its neighbours; with `--probe` it is asked for its version.

    Correct `execution_model`, or put the right `mpirun` first on the PATH in the program's `env`.
    """
    if not machine.here:
        return
    for node, command in commands(machine.graph):
        why = _why(command, machine.probe)
        if why:
            found = why.rpartition(" ")[2] if why.endswith(tuple(_FAMILIES)) else ""
            yield Finding(
                place(node, "execution_model"),
                f"{node.name} is started with {command.models}, but {why}.",
                f"execution_model: {found}" if found else "",
            )


def _why(command: Command, probe: bool) -> str:
    """Return what is wrong with the MPI that a program finds, or nothing."""
    if command.models == "srunmpi" and "SLURM_JOB_ID" not in os.environ:
        return "this is no Slurm allocation; on one machine it is openmpi or intelmpi"
    starter = {"srunmpi": "srun", "openmpi": "mpirun", "intelmpi": "mpirun"}.get(command.models)
    if starter is None or command.variables is None:
        return ""
    found = command.which(starter)
    if found is None:
        return f"there is no {starter} on the PATH of its program; install it or load its module"
    family = _family(found) or (_asked(command, found) if probe else "")
    if starter == "srun" or family in ("", command.models):
        return ""
    return f"{found} is that of {_NAMES[family]}; write execution_model: {family}"


def _family(mpirun: Path) -> str:
    """Return the execution model that fits an mpirun, empty if that is not certain."""
    seen = mpirun
    for _ in range(20):
        names = [n for n, marks in _FAMILIES.items() if any(m in seen.name for m in marks)]
        if names:
            return names[0]
        if not seen.is_symlink():
            break
        seen = seen.parent / seen.readlink()
    return _of_wheel(seen) or _of_neighbours(seen.parent)


def _of_wheel(mpirun: Path) -> str:
    """Return the family of the wheel that put an mpirun beside its interpreter."""
    prefix = mpirun.parent.parent
    for name, family in _DISTRIBUTIONS.items():
        for record in prefix.glob(f"lib/python3*/site-packages/{name}-*.dist-info/RECORD"):
            if f"bin/{mpirun.name}," in record.read_text(errors="replace"):
                return family
    return ""


def _of_neighbours(folder: Path) -> str:
    found = {
        family
        for family, names in _FAMILIES.items()
        if any((folder / name).exists() for name in names)
    }
    return found.pop() if len(found) == 1 else ""


def _asked(command: Command, mpirun: Path) -> str:
    """Return the family that an mpirun tells when it is asked for its version."""
    worked, said = command.answer([str(mpirun), "--version"], whole=True)
    if not worked:
        return ""
    said = said.lower()
    if "open mpi" in said or "open-mpi" in said or "prrte" in said:
        return "openmpi"
    return "intelmpi" if "hydra" in said or "intel(r) mpi" in said or "mpich" in said else ""
