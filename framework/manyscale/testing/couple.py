"""Builds a coupling from classes, runs it under either host, and compares what was recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from manyscale.contract.model import ScaleModel
from manyscale.hosting.in_process import Outcome, run
from manyscale.launching.local import launch
from manyscale.registry.catalog import program
from manyscale.registry.registry import by_reference

TIME_LIMIT = 180.0  # s; every launched coupling ends within it


@dataclass(frozen=True)
class Component:
    """One component of a coupling under test: `reference` is `module:Class`.

    With `ranks`, MUSCLE3 starts it on so many MPI ranks; in this process it has one.
    """

    reference: str
    multiplicity: int | None = None
    ranks: int | None = None

    @property
    def model(self) -> type[ScaleModel]:
        """The model class."""
        return by_reference(self.reference)


def write_spec(
    folder: Path,
    components: Mapping[str, Component],
    conduits: Mapping[str, str | Sequence[str]],
    settings: Mapping[str, Any] | None = None,
    matching: Mapping[str, str] | None = None,
) -> Path:
    """Write a coupling as `folder/model.ymmsl` and return that file.

    `conduits` maps `component.port` to one or more receivers, a filter before the receiver as
    in yMMSL: `{"ruler.out": "repeat core.geometry"}`.
    """
    import ymmsl
    from ymmsl import v0_2 as y

    programs = {}
    parts = []
    resources: list[y.ResourceRequirements] = []
    for name, component in components.items():
        made = program(component.model, component.reference, mpi=component.ranks is not None)
        if component.ranks is not None:
            resources.append(y.MPICoresResReq(y.Reference(f"coupling.{name}"), component.ranks))
        made.name = y.Reference(f"program_of_{name}")
        programs[name] = made
        sizes = None if component.multiplicity is None else [component.multiplicity]
        parts.append(
            y.Component(name, made.ports, f"test of {name}", str(made.name), multiplicity=sizes)
        )
    model = y.Model(
        "coupling",
        description="a coupling under test",
        components=parts,
        conduits=[
            y.Conduit(sender, receiver.split()[-1], [*map(_filter, receiver.split()[:-1])])
            for sender, some in conduits.items()
            for receiver in ([some] if isinstance(some, str) else some)
        ],
        matching_timelines=[y.MatchingTimelines(a, b) for a, b in (matching or {}).items()],
    )
    config = y.Configuration(
        models=[model],
        programs=list(programs.values()),
        resources=resources,
        settings=y.Settings({"muscle_local_log_level": "WARNING", **(settings or {})}),
    )
    path = folder / "model.ymmsl"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(ymmsl.dump(config))
    return path


def _filter(word: str) -> Any:
    from ymmsl.v0_2 import ConduitFilter

    return ConduitFilter[word.upper()]


def run_in_process(spec: Path, folder: Path, **settings: Any) -> Outcome:
    """Run a spec in this process; its stores go to `folder/<instance>`."""
    return run(spec, settings, folder=folder)


def run_with_muscle(spec: Path, folder: Path, time_limit: float = TIME_LIMIT) -> Path:
    """Run a spec under a real manager in the new directory `folder` and return it."""
    folder.mkdir(parents=True)
    launch([spec], folder, time_limit=time_limit)
    return folder


def differences(one: Path, other: Path, tolerance: float = 0.0) -> list[str]:
    """Return where two folders of stores differ, bit for bit: nothing if they are the same.

    With a `tolerance`, where numbers differ by more than that part of the largest of an array.
    """
    left, right = _stores(one), _stores(other)
    if not left:
        return [f"nothing is recorded in {one}"]
    found = [f"only one has {name}" for name in sorted(left.keys() ^ right.keys())]
    for name in sorted(left.keys() & right.keys()):
        found += [f"{name}: {line}" for line in _different(left[name], right[name], tolerance)]
    return found


def _stores(folder: Path) -> dict[str, Path]:
    """Return stores by instance, whether a run directory or a plain folder holds them."""
    found = folder.rglob("record.nc")
    return {p.parents[1].name if p.parent.name == "workdir" else p.parent.name: p for p in found}


def _different(one: Path, other: Path, tolerance: float) -> list[str]:
    import netCDF4

    with netCDF4.Dataset(one) as a, netCDF4.Dataset(other) as b:
        if a.groups.keys() != b.groups.keys():
            return [f"ports {sorted(a.groups)} and {sorted(b.groups)}"]
        found = []
        for port in a.groups:
            left, right = a.groups[port].variables, b.groups[port].variables
            if left.keys() != right.keys():
                found.append(f"{port}: fields {sorted(left)} and {sorted(right)}")
                continue
            found += [
                f"{port}.{name}"
                for name in left
                if not _equal(left[name][...], right[name][...], tolerance)
            ]
        return found


def _equal(one: Any, other: Any, tolerance: float) -> bool:
    if _bits(one) == _bits(other):
        return True
    left, right = np.ma.getdata(one), np.ma.getdata(other)
    if not tolerance or left.shape != right.shape or left.dtype.kind != "f":
        return False
    largest = np.abs(left).max(initial=0.0)
    return np.allclose(left, right, rtol=0.0, atol=tolerance * largest, equal_nan=True)


def _bits(values: Any) -> tuple[Any, ...]:
    array = np.ma.getdata(values)
    text = array.dtype.hasobject
    return array.shape, array.tolist() if text else array.tobytes()
