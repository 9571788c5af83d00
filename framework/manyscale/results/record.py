"""Recording: one netCDF store per instance, a group per port, units and coordinates inside.

    import xarray as xr
    xr.open_dataset("record.nc", group="field_out")

Rows are appended along `time` and flushed, so that a run that was killed leaves what it had.
A one-dimensional field named like its axis becomes that axis' coordinate; ports with slots
have a `slot` axis.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from manyscale.contract.fields import Axis, Field
from manyscale.contract.model import ScaleModel
from manyscale.contract.ports import Port
from manyscale.contract.refusal import Refused

if TYPE_CHECKING:
    import xarray as xr

STORE = "record.nc"
_GAPS: dict[Any, Any] = {"f8": np.nan, "f4": np.nan, "i8": -(2**63), "i4": -(2**31), "i1": -1}
_SPARSE = 4096  # numbers in a chunk; a gap at the end of a record costs one
_KINDS: dict[str, Any] = {"float64": "f8", "float32": "f4", "int64": "i8", "int32": "i4"}


class Recorder:
    """Writes what the ports of one instance show."""

    def __init__(
        self, path: Path, model: type[ScaleModel], instance: str, ports: frozenset[str]
    ) -> None:
        import netCDF4

        if path.exists():
            raise Refused(f"{path} exists; recordings are not overwritten.")
        self._path, self._model, self.ports = path, model, ports
        self._coordinates: dict[tuple[str, str], Any] = {}
        self._reached: dict[tuple[str, str], tuple[int, ...]] = {}
        self._store = netCDF4.Dataset(path, "w", format="NETCDF4")
        self._store.setncatts(
            {"instance": instance, "model": model.name, "model_version": model.version}
        )
        self._store.sync()

    def take(
        self,
        port: str,
        time: float,
        messages: list[dict[str, Any]],
        fields: Mapping[str, Field] | None = None,
    ) -> None:
        """Append one row: the messages of all slots of `port` at `time` in s.

        `fields` says what they are if the port is generic and does not.
        """
        declared = self._model.ports[port]
        fields = fields or declared.fields
        if port not in self._store.groups:
            self._define(declared, messages)
        group = self._store.groups[port]
        row = len(group.dimensions["time"])
        self._put(group, "time", (row,), time)
        for slot, message in enumerate(messages):
            index = (row, slot) if declared.slots else (row,)
            for name, value in message.items():
                self._put_field(group, name, fields[name], index, value)
        self._fill(group)
        self._store.sync()

    def close(self) -> None:
        """Finish the store; doing so again changes nothing."""
        if self._store.isopen():
            self._store.close()

    def copy(self, path: Path) -> None:
        """Write a copy of what is recorded so far, whole or not at all."""
        new = path.with_name(f".{path.name}.new")
        self._store.close()  # a file that is open for writing may be half written at any time
        shutil.copyfile(self._path, new)
        self._open()
        new.replace(path)

    def take_over(self, path: Path) -> None:
        """Go on from a copy that an earlier run left.

        Raises `Refused` if the copy is missing or damaged.
        """
        self.close()
        try:
            shutil.copyfile(path, self._path)
            self._open()
        except OSError as exc:
            raise Refused(
                f"The record {path} cannot be read ({exc.strerror}); resume from an older snapshot."
            ) from None

    def _open(self) -> None:
        import netCDF4

        self._store = netCDF4.Dataset(self._path, "a")
        self._reached = {}
        self._coordinates = {
            (name, field): np.array(group.variables[field][...])
            for name, group in self._store.groups.items()
            if (port := self._model.ports.get(name)) is not None  # an older version's may be gone
            for field in port.fields.keys() & group.variables.keys()
            if _is_coordinate(field, port.fields[field])
        }

    def _define(self, port: Port, messages: list[dict[str, Any]]) -> None:
        group = self._store.createGroup(port.name)
        group.createDimension("time", None)
        clock = group.createVariable("time", "f8", ("time",))
        clock.setncatts({"units": "s", "long_name": "simulated time"})
        if port.slots:
            group.createDimension("slot", len(messages))

    def _put_field(
        self, group: Any, name: str, field: Field, index: tuple[int, ...], value: Any
    ) -> None:
        """Write one value; a field is defined when it first comes, for it may be optional.

        A coordinate that moves is kept for every row as `<name>_moved`.
        """
        outer = ("time", "slot")[: len(index)]
        if name not in group.variables:
            self._define_field(group, outer, name, field, value, _is_coordinate(name, field))
            if _is_coordinate(name, field):
                self._coordinates[group.name, name] = np.array(value)
        if _is_coordinate(name, field):
            if np.array_equal(self._coordinates[group.name, name], value):
                return
            moved = f"{name}_moved"
            if moved not in group.variables:
                self._define_field(group, outer, moved, field, value, False)
            name = moved
        self._put(group, name, index, value)

    def _fill(self, group: Any) -> None:
        """Let every variable reach to the ends of its axes.

        netCDF reads gaps between what was written, and rubbish behind the last of it.
        """
        for name, variable in group.variables.items():
            shape = variable.shape
            varies = "time" in variable.dimensions and all(shape)
            if varies and self._reached.get((group.name, name)) != shape:
                gap = "" if variable.dtype is str else variable.get_fill_value()
                variable[tuple(n - 1 for n in shape)] = gap
                self._reached[group.name, name] = shape

    def _put(self, group: Any, name: str, index: tuple[int, ...], value: Any) -> None:
        variable, inner = group[name], np.shape(value)
        before = self._reached.get((group.name, name), (0,) * variable.ndim)
        ends = (*(i + 1 for i in index), *inner)
        if not all(inner):
            return
        variable[(*index, *(slice(0, n) for n in inner))] = value
        self._reached[group.name, name] = tuple(map(max, before, ends))

    def _define_field(
        self,
        group: Any,
        outer: tuple[str, ...],
        name: str,
        field: Field,
        value: Any,
        coordinate: bool,
    ) -> None:
        axes = _axes(name, field, value)
        for axis, length in zip(axes, np.shape(value), strict=True):
            if axis.name not in group.dimensions:
                free = axis.length is None and not axis.setting
                group.createDimension(axis.name, None if free else length)
        inner = tuple(axis.name for axis in axes)
        attributes = {"units": field.unit, "long_name": field.quantity}
        kind = str if field.dtype == "str" else _KINDS.get(field.dtype, "i1")
        if coordinate:
            variable = group.createVariable(name, kind, inner)
            variable[:] = value
        else:
            chunks = None
            if kind is not str:
                sparse = field.optional or name not in self._model.ports[group.name].fields
                chunks = (1,) * len(outer) + _chunk(np.shape(value), sparse)
            gap = _GAPS.get(kind)
            variable = group.createVariable(
                name, kind, outer + inner, chunksizes=chunks, fill_value=gap
            )
        variable.setncatts(attributes)


def _axes(name: str, field: Field, value: Any) -> list[Axis]:
    if field.shape is None:
        return [Axis(f"{name}_{i}") for i in range(np.ndim(value))]
    return list(field.shape)


def _is_coordinate(name: str, field: Field) -> bool:
    return field.shape is not None and [axis.name for axis in field.shape] == [name]


def _chunk(shape: tuple[int, ...], sparse: bool) -> tuple[int, ...]:
    """Return in what pieces a row is stored: small ones if many rows may be gaps."""
    most = int(_SPARSE ** (1 / max(len(shape), 1))) if sparse else max(shape, default=1)
    return tuple(max(1, min(n, most)) for n in shape)


def open_record(path: Path, port: str) -> xr.Dataset:
    """Return what was recorded of a port, loaded into memory."""
    import xarray as xr

    with xr.open_dataset(path, group=port, decode_times=False) as data:
        return data.load()
