"""The door of one port: checks what leaves and what arrives, and names what is wrong.

On the wire a message is a mapping `{field: [unit, value]}`; the reserved key `""` is the
envelope: the window of an iteration, the meshes of the fields, and the large fields whose
numbers the sender has found to be finite. A plain port carries its one field bare.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from manyscale.contract.fields import Field, converted
from manyscale.contract.meshes import Geometry
from manyscale.contract.messages import Contact
from manyscale.contract.model import ScaleModel
from manyscale.contract.ports import Port
from manyscale.contract.refusal import Refused, nearest
from manyscale.contract.settings import whole_numbers

ENVELOPE = ""
_INLINE = 65536  # bytes of geometry that simply travel with every message
_COSTLY = 65536  # bytes of an array whose numbers one side looks at, for both


class Wire(NamedTuple):
    """A message between hosts; `data` None is a padded, skipped or never sent one."""

    time: float
    next_time: float | None
    data: Any


class Envelope(NamedTuple):
    """What travels beside the fields."""

    window: int | None = None
    iteration: int = 0


@dataclasses.dataclass
class GeometryStore:
    """Which geometries one port has sent, by slot and hash, and which it has received."""

    shown: set[tuple[int | None, str]] = dataclasses.field(default_factory=set)
    known: dict[str, Geometry] = dataclasses.field(default_factory=dict)


class Door:
    """Checks and translates the messages of one port of one instance."""

    def __init__(
        self, model: ScaleModel, port: Port, where: str, store: GeometryStore | None = None
    ) -> None:
        self.port, self.where = port, where
        self._fields = tuple(port.fields.items())
        self._settings = whole_numbers(vars(model))
        self._extensive = [name for name, field in self._fields if field.extensive]
        self._meshes = tuple(dict.fromkeys(f.mesh for f in port.fields.values() if f.mesh))
        store = GeometryStore() if store is None else store
        self._shown, self._known = store.shown, store.known

    def checked(self, message: Mapping[str, Any], time: float) -> dict[str, Any]:
        """Return what an operator wants to send, as promised, or refuse it."""
        if not isinstance(message, Mapping):
            raise Refused(
                f"{self._at(time)}: a message is a mapping, found {type(message).__name__}."
            )
        if self.port.overlay:
            return dict(message)
        lengths: dict[str, int] = {}
        values = {}
        for name, field in self._fields:
            if name in message:
                values[name] = self._one(name, field, message[name], None, lengths, time)
            elif not field.optional:
                self._refuse_missing(name, field, time)
        if len(values) != len(message):
            name = min(message.keys() - values.keys())
            raise Refused(
                f"{self._at(time)}: field {name!r} is not declared."
                f"{nearest(name, self.port.fields)}"
            )
        return values

    def to_wire(
        self,
        values: dict[str, Any],
        envelope: Envelope,
        geometry: Mapping[str, Geometry],
        slot: int | None,
    ) -> Any:
        """Return checked values as they travel."""
        if self.port.overlay:
            return values
        if self.port.plain:
            return next(iter(values.values()))
        fields = self.port.fields
        data: dict[str, Any] = {name: [fields[name].unit, v] for name, v in values.items()}
        outside = self._envelope(envelope, geometry, slot)
        if looked_at := [name for name, value in values.items() if self._is_costly(name, value)]:
            outside["finite"] = looked_at
        if outside:
            data[ENVELOPE] = outside
        return data

    def _is_costly(self, name: str, value: Any) -> bool:
        """Return whether a receiver should not have to look for infinite numbers once more."""
        large = isinstance(value, np.ndarray) and value.nbytes >= _COSTLY
        return large and self.port.fields[name].finite

    def _envelope(
        self, envelope: Envelope, geometry: Mapping[str, Geometry], slot: int | None
    ) -> dict[str, Any]:
        outside: dict[str, Any] = {}
        if envelope.window is not None:
            outside["window"], outside["iteration"] = envelope
        if self._extensive:
            outside["extensive"] = self._extensive
        for mesh in self._meshes:
            if mesh not in geometry:
                raise Refused(f"{self.where}: `geometries` gives no mesh {mesh!r}.")
            shape = geometry[mesh]
            outside.setdefault("meshes", {})[mesh] = shape.hash
            seen = (slot, shape.hash)
            if seen not in self._shown or sum(a.nbytes for a in shape.arrays.values()) < _INLINE:
                self._shown.add(seen)
                outside.setdefault("geometry", {})[shape.hash] = shape.to_wire()
        return outside

    def from_wire(self, wire: Wire) -> Contact | None:
        """Return a message as the model sees it, in its own units, or refuse it."""
        data = wire.data
        if data is None:
            self._refuse_nothing(wire.time)
            return None
        if self.port.plain:
            name, field = self._fields[0]
            value = self._one(name, field, _bare(data), None, {}, wire.time)
            return Contact(wire.time, wire.next_time, {name: value})
        if not isinstance(data, dict):
            raise Refused(
                f"{self._at(wire.time)}: a bare {type(data).__name__} arrived, expected a message"
                " with named fields; declare the port plain, or its sender not."
            )
        outside = data.get(ENVELOPE)
        looked_at = () if outside is None else outside.get("finite", ())
        lengths: dict[str, int] = {}
        values = {}
        for name, field in self._fields:
            entry = data.get(name)
            if entry is None:
                if not field.optional:
                    self._refuse_missing(name, field, wire.time)
                continue
            unit, value = entry
            known = name in looked_at
            values[name] = self._one(name, field, _bare(value), unit, lengths, wire.time, known)
        if len(values) + (outside is not None) != len(data):
            unknown = min(data.keys() - values.keys() - {ENVELOPE})
            raise Refused(
                f"{self._at(wire.time)}: field {unknown!r} arrived and is not declared."
                f"{nearest(str(unknown), self.port.fields)}"
            )
        if outside is None:
            return Contact(wire.time, wire.next_time, values)
        return Contact(
            wire.time,
            wire.next_time,
            values,
            outside.get("window"),
            outside.get("iteration", 0),
            self._geometry(outside, wire.time),
        )

    def _geometry(self, outside: Mapping[str, Any], time: float) -> dict[str, Geometry]:
        for key, shape in outside.get("geometry", {}).items():
            if key not in self._known:
                self._known[key] = Geometry.from_wire(shape)
        try:
            return {mesh: self._known[key] for mesh, key in outside.get("meshes", {}).items()}
        except KeyError:
            raise Refused(
                f"{self._at(time)}: the geometry of a mesh never arrived; a filter on the conduit"
                " dropped the message that carried it."
            ) from None

    def _refuse_nothing(self, time: float) -> None:
        if not self.port.optional:
            raise Refused(
                f"{self._at(time)}: a padded or skipped message arrived on a required port;"
                " take the filter off the conduit or declare the port optional."
            )

    def _refuse_missing(self, name: str, field: Field, time: float) -> None:
        raise Refused(
            f"{self._at(time)}: field {name!r} is missing, expected"
            f" {field.quantity} [{field.unit}]."
        )

    def _one(
        self,
        name: str,
        field: Field,
        value: Any,
        unit: str | None,
        lengths: dict[str, int],
        time: float,
        known_finite: bool = False,
    ) -> Any:
        try:
            good = converted(
                field, name, value, unit, lengths, self._settings, known_finite=known_finite
            )
        except Refused as exc:
            raise Refused(f"{self._at(time)}: {exc}") from None
        if isinstance(good, np.ndarray):
            flags = good.flags
            if not (flags.c_contiguous or flags.f_contiguous):
                good = np.ascontiguousarray(good)  # what a receiver in another process gets
        return good

    def _at(self, time: float) -> str:
        return f"{self.where} at t = {time:g} s"


def _bare(value: Any) -> Any:
    """Return the array in libmuscle's Grid, or the value itself."""
    return getattr(value, "array", value)
