"""Which MPI stands beside an interpreter, and how MUSCLE3 starts programs with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MARKS = {
    "OPENMPI": ("orterun", "prterun", "openmpi", "prte"),
    "INTELMPI": ("hydra", "mpich", "intel"),
}
"""What the real name of `mpirun` has in it, by MUSCLE3's execution model; MPICH starts as
Intel's MPI does, with `mpirun -n N`."""


@dataclass(frozen=True)
class Family:
    """An MPI as MUSCLE3 starts it."""

    execution_model: str
    environment: Path | None = None
    """Virtual environment to activate, so that its own `mpirun` comes first."""
    variables: Mapping[str, str] = field(default_factory=dict)


def of(python: Path) -> Family:
    """Return the MPI family of an interpreter's environment, MPICH's if none is found."""
    home = python.parent.parent
    environment = home if (home / "pyvenv.cfg").is_file() else None
    if "SLURM_JOB_ID" in os.environ and shutil.which("srun"):
        return Family("SRUNMPI", environment, {"SLURM_MPI_TYPE": "pmi2"})
    found = mpirun(python)
    model = execution_model(found) if found else "INTELMPI"
    root = model == "OPENMPI" and os.geteuid() == 0
    allowed = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM") if root else ()
    return Family(model or "INTELMPI", environment, dict.fromkeys(allowed, "1"))


def mpirun(python: Path) -> Path | None:
    """Return the mpirun an interpreter's programs are started with, None if there is none."""
    found = shutil.which("mpirun", path=f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}")
    return Path(found) if found else None


def execution_model(mpirun: Path) -> str:
    """Return `OPENMPI` or `INTELMPI` for what an mpirun is in truth, nothing if unclear."""
    names = f"{mpirun.name} {mpirun.resolve().name}".lower()
    for model, marks in MARKS.items():
        if any(mark in names for mark in marks):
            return model
    beside = {path.name for path in mpirun.resolve().parent.iterdir()}
    if "mpiexec.hydra" in beside:
        return "INTELMPI"
    return "OPENMPI" if beside & {"orterun", "prterun", "ompi_info"} else ""
