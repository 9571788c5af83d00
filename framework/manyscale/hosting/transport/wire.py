"""Messages of libmuscle to and from bytes, as its own code does it, with arrays of `arrays`."""

from __future__ import annotations

import functools
from typing import Any

import msgpack
from libmuscle import mpp_message
from libmuscle.grid import Grid
from libmuscle.mpp_message import MPPMessage
from ymmsl.v0_2 import Reference, Settings

from manyscale.contract.fields import Array
from manyscale.hosting.transport import arrays
from manyscale.hosting.transport.segments import Pool, Segment

_stock_default, _stock_ext = mpp_message._data_encoder, mpp_message._ext_decoder
_NO_SETTINGS = _stock_default(Settings())


class Shipment(bytes):
    """An encoded message and the segment that it refers to."""

    segment: Segment | None = None
    shared = 0
    """Bytes of arrays that lie in the segment."""


class Arrived(bytes):
    """An encoded message that came through a lane."""

    source: arrays.Source


reference = functools.cache(Reference)
"""Return the reference that a text means; each is parsed once."""


PARTS = (
    "sender",
    "receiver",
    "port_length",
    "timestamp",
    "next_timestamp",
    "settings_overlay",
    "message_number",
    "data",
    "iteration",
)
"""What travels of a message, in the order in which libmuscle packs and takes it."""


def plain(message: MPPMessage) -> dict[str, Any]:
    """Return what travels of a message."""
    parts = {name: getattr(message, name) for name in PARTS}
    return {**parts, "sender": str(message.sender), "receiver": str(message.receiver)}


def stock(parts: dict[str, Any]) -> Shipment:
    """Return a message as libmuscle itself encodes it."""
    return Shipment(msgpack.packb(parts, default=stock_default, use_bin_type=True))


def packed(parts: dict[str, Any]) -> bytes:
    """Return a message with all its arrays inside."""
    made: bytes = msgpack.packb(parts, default=_inside, use_bin_type=True)
    return made


def _inside(value: Any) -> Any:
    if arrays.travels(value):
        return arrays.inline(value.array if isinstance(value, Grid) else value)
    return stock_default(value)


def stock_default(value: Any) -> Any:
    """Return what libmuscle makes of a value that MessagePack does not know."""
    if isinstance(value, Settings) and not value:
        return _NO_SETTINGS
    return _stock_default(value)


class Loading:
    """Brings the large arrays of a message into one segment, once for all its receivers."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._done: dict[str, tuple[int, Segment, dict[int, msgpack.ExtType]]] = {}

    def shipped(self, parts: dict[str, Any]) -> Shipment:
        """Return a message whose large arrays lie in a segment if there is one for them."""
        found = arrays.large(parts["data"])
        if not found:
            return Shipment(packed(parts))
        loaded = self._loaded(parts["sender"], parts["message_number"], found)
        if loaded is None:
            return Shipment(packed(parts))
        segment, placed = loaded

        def default(value: Any) -> Any:
            array = value.array if isinstance(value, Grid) else value
            return placed.get(id(array)) or _inside(value)

        shipment = Shipment(msgpack.packb(parts, default=default, use_bin_type=True))
        shipment.segment = segment
        shipment.shared = sum(array.nbytes for array in found)
        return shipment

    def _loaded(
        self, sender: str, number: int, found: list[Array]
    ) -> tuple[Segment, dict[int, msgpack.ExtType]] | None:
        done = self._done.get(sender)
        if done is not None and done[0] == number >= 0 and done[2].keys() == set(map(id, found)):
            return done[1:]  # for another receiver
        starts, size = [], 0
        for array in found:
            starts.append(size)
            size += -(-array.nbytes // arrays.ALIGNED) * arrays.ALIGNED
        segment = self._pool.take(sender, size)
        if segment is None:
            return None
        placed = {
            id(array): arrays.shared(array, segment, start)
            for array, start in zip(found, starts, strict=True)
        }
        self._done[sender] = number, segment, placed
        return segment, placed


class _Own:
    """The segments of this instance itself."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def mapping(self, segment: int) -> Array:
        return self._pool.numbered(segment).bytes

    def release(self, segment: int, filling: int) -> None:
        """Nothing: others are asked for that."""


def inlined(message: bytes, pool: Pool) -> Shipment:
    """Return a message of this instance as libmuscle itself encodes it."""
    arrived = Arrived(message)
    arrived.source = _Own(pool)
    return stock(unpacked(arrived))


def unpacked(message: bytes) -> dict[str, Any]:
    """Return what travels of a message, its arrays as grids."""
    source = getattr(message, "source", None)
    leases = None if source is None else arrays.Leases(source)

    def hook(code: int, data: bytes) -> Any:
        if code == arrays.INLINE:
            return arrays.from_inline(data)
        if code == arrays.SHARED and leases is not None:
            return leases.array(data)
        return _stock_ext(code, data)

    found: dict[str, Any] = msgpack.unpackb(message, ext_hook=hook, raw=False)
    return found


def from_bytes(message: bytes) -> MPPMessage:
    """Return the message that bytes mean: in place of `MPPMessage.from_bytes`."""
    parts = unpacked(message)
    ends = reference(parts["sender"]), reference(parts["receiver"])
    return MPPMessage(*ends, *(parts[name] for name in PARTS[2:]))
