"""The door of a generic port: it takes the fields its conduit carries, with the sender's units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from manyscale.contract.fields import DTYPES, Field
from manyscale.contract.meshes import Geometry
from manyscale.contract.messages import Contact
from manyscale.contract.model import ScaleModel
from manyscale.contract.ports import Port
from manyscale.contract.refusal import Refused, nearest
from manyscale.hosting.door import ENVELOPE, Door, Envelope, GeometryStore, Wire

Carried = dict[str, dict[str, tuple[str, bool]]]
"""By generic receiving port and field: unit, and whether it is extensive."""


def origin_of(model: type[ScaleModel], port: Port) -> str:
    """Return the receiving port whose fields a generic port carries."""
    while port.like != "*":
        port = model.ports[port.like]
    return port.name


class GenericDoor(Door):
    """Lets through what comes, and remembers units for what goes out."""

    def __init__(
        self, model: ScaleModel, port: Port, where: str, store: GeometryStore, carried: Carried
    ) -> None:
        super().__init__(model, port, where, store)
        self.fields = carried.setdefault(origin_of(type(model), port), {})
        self._meshes = (port.mesh,) if port.mesh else ()

    def declared(self, values: Mapping[str, Any]) -> dict[str, Field]:
        """Return what can be said of fields, for a record: their units and types."""
        return {name: self._field(name, value) for name, value in values.items()}

    def _field(self, name: str, value: Any) -> Field:
        unit, extensive = self.fields[name]
        dtype = "str" if isinstance(value, str) else str(np.asarray(value).dtype)
        axes = "..." if np.ndim(value) else ""
        return Field("carried", self.port.unit or unit, axes, dtype, extensive=extensive)

    def checked(self, message: Mapping[str, Any], time: float) -> dict[str, Any]:
        """Return what an operator wants to send, or refuse what never came."""
        values = {}
        for name, value in message.items():
            if name not in self.fields:
                raise Refused(
                    f"{self._at(time)}: field {name!r} is none of those that came."
                    f"{nearest(name, self.fields)}"
                )
            values[name] = _sendable(value, name, self._at(time))
        return values

    def to_wire(
        self,
        values: dict[str, Any],
        envelope: Envelope,
        geometry: Mapping[str, Geometry],
        slot: int | None,
    ) -> Any:
        """Return checked values as they travel, in the units they came in."""
        self._extensive = [name for name in values if self.fields[name][1]]
        data: dict[str, Any] = {
            name: [self.port.unit or self.fields[name][0], value] for name, value in values.items()
        }
        outside = self._envelope(envelope, geometry, slot)
        if outside:
            data[ENVELOPE] = outside
        return data

    def from_wire(self, wire: Wire) -> Contact | None:
        """Return a message as it was sent."""
        if wire.data is None:
            self._refuse_nothing(wire.time)
            return None
        if not isinstance(wire.data, dict):
            raise Refused(
                f"{self._at(wire.time)}: a bare {type(wire.data).__name__} arrived, expected a"
                " message with named fields; its sender must not be plain."
            )
        outside = wire.data.get(ENVELOPE) or {}
        extensive = frozenset(outside.get("extensive", ()))
        values, units = {}, {}
        for name, entry in wire.data.items():
            if name != ENVELOPE:
                units[name], value = entry
                values[name] = getattr(value, "array", value)
                self.fields[name] = units[name], name in extensive
        return Contact(
            wire.time,
            wire.next_time,
            values,
            outside.get("window"),
            outside.get("iteration", 0),
            self._geometry(outside, wire.time),
            units,
            extensive,
        )


def _sendable(value: Any, name: str, where: str) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        if str(value.dtype) not in DTYPES:
            raise Refused(f"{where}: {name} is {value.dtype}, expected one of {', '.join(DTYPES)}.")
        return value if value.flags.forc else np.ascontiguousarray(value)
    return value
