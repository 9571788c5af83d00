"""All registered models as a yMMSL module: `from manyscale import implementation NAME`.

And farms of them as another: `from manyscale.farms import implementation NAME_farm`. Both are
loaded by ymmsl in the manager's process through the entry point group `ymmsl.module`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyscale.contract.model import ScaleModel
from manyscale.contract.ports import OPERATORS
from manyscale.registry import mpi_family, registry

HOST = "manyscale.hosting.muscle"
PYTHON = "MANYSCALE_PYTHON"
"""Environment variable: the interpreter that instances run with, if not the manager's."""

FRAMEWORK_SETTINGS = {
    "record": ("str", "ports to record, several separated by ;"),
    "run_seed": ("int", "seed of all random numbers of the run"),
    "seed_name": ("str", "instance whose random numbers are drawn, if not one's own"),
}


def __getattr__(name: str) -> str:
    if name not in ("YMMSL", "FARMS"):
        raise AttributeError(name)
    import ymmsl

    found = registry.load()
    return ymmsl.dump(configuration(found.programs if name == "YMMSL" else found.farms))


def configuration(entries: Mapping[str, registry.Entry] | None = None) -> Any:
    """Return the ymmsl Configuration with the program of every registered model, or of some."""
    from ymmsl.v0_2 import Configuration

    chosen = registry.load().programs if entries is None else entries
    programs = [
        program(entry.model, entry.reference, mpi=name != entry.model.name)
        for name, entry in chosen.items()
    ]
    return Configuration(programs=programs)


def program(model: type[ScaleModel], reference: str, *, mpi: bool = False) -> Any:
    """Return the ymmsl Program that hosts a model; with `mpi`, `MODEL_mpi` on several ranks."""
    from ymmsl.v0_2 import (
        ExecutionModel,
        Identifier,
        KeepsStateForNextUse,
        Operator,
        Port,
        Ports,
        Program,
        SupportedSetting,
        SupportedSettings,
        Timeline,
    )

    by_operator = {o: [p for p in model.ports.values() if p.operator == o] for o in OPERATORS}
    ports = [
        Port(Identifier(port.name), Operator[o.upper()], Timeline(port.timeline))
        for o, some in by_operator.items()
        for port in some
    ]
    settings = [
        SupportedSetting(s.name, s.ymmsl_type, f"{s.text} [{s.unit}] {s.limits}".strip())
        for s in model.settings().values()
    ]
    settings += [SupportedSetting(n, t, text) for n, (t, text) in FRAMEWORK_SETTINGS.items()]
    python = Path(os.environ.get(PYTHON, sys.executable))
    family = mpi_family.of(python) if mpi else None
    return Program(
        f"{model.name}{registry.ON_RANKS}" if mpi else model.name,
        Ports(ports),
        (model.__doc__ or "").strip().partition("\n")[0],
        SupportedSettings(settings),
        executable=python,
        args=["-m", HOST, reference, *["mpi"] * mpi],
        virtual_env=None if family is None else family.environment,
        env={} if family is None else dict(family.variables),
        execution_model=ExecutionModel["DIRECT" if family is None else family.execution_model],
        keeps_state_for_next_use=(
            KeepsStateForNextUse.NECESSARY if model.keeps_state else KeepsStateForNextUse.NO
        ),
    )
