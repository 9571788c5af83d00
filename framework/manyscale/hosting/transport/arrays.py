"""Arrays inside messages: beside the message in a segment, or within it without detours.

An array is an extension type of MessagePack: kind, order, number of axes, shape, and then its
bytes, or where in a segment they lie. Types and orders are those of libmuscle's grids, and a
receiver gets the same read-only `Grid`.
"""

from __future__ import annotations

import functools
import math
import struct
from typing import Any, Protocol

import msgpack
import numpy as np
from libmuscle.grid import Grid

from manyscale.contract.fields import Array
from manyscale.hosting.transport.segments import BrokenPeerError, Segment

INLINE, SHARED = 40, 41
"""Codes of the extension types; those of libmuscle are below 10."""
LARGE = 2**14
"""Bytes from which an array lies in a segment."""
ALIGNED = 64  # bytes; where arrays begin in a segment
_KINDS = tuple(np.dtype(name) for name in ("int32", "int64", "float32", "float64", "bool"))
_PLAIN = (np.ndarray, np.memmap)  # others, such as masked ones, may be more than their bytes
_CODES = {kind: code for code, kind in enumerate(_KINDS)}
_START = struct.Struct("<BBB5x")
_PLACE = struct.Struct("<QQQ")  # number of the segment, its filling, where in it
_MOST_AXES, _MOST_NUMBERS = 32, 2**60  # every NumPy has so many axes


class Source(Protocol):
    """Where a receiver finds the segments of a sender."""

    def mapping(self, segment: int) -> Array:
        """Return the bytes of a segment."""

    def release(self, segment: int, filling: int) -> None:
        """Say that a filling is needed no more."""


def travels(value: Any) -> bool:
    """Return whether an array, bare or as a grid, is of a kind that travels like this."""
    if isinstance(value, Grid):
        return not value.indexes and travels(value.array)
    return type(value) in _PLAIN and value.dtype in _CODES


def large(data: Any) -> list[Array]:
    """Return the arrays of a message that belong into a segment."""
    found: list[Array] = []
    _collect(data, found)
    return found


def _collect(data: Any, found: list[Array]) -> None:
    kind = type(data)
    if kind is dict:
        for value in data.values():
            _collect(value, found)
    elif kind is list or kind is tuple:
        for value in data:
            _collect(value, found)
    elif (kind is np.ndarray or kind is Grid) and travels(data):
        array = data.array if kind is Grid else data
        if array.nbytes >= LARGE:
            found.append(array)


def inline(array: Array) -> msgpack.ExtType:
    """Return an array with its bytes."""
    return msgpack.ExtType(INLINE, _head(array) + array.tobytes(order="A"))


def shared(array: Array, segment: Segment, start: int) -> msgpack.ExtType:
    """Copy an array into a segment; return where it lies."""
    end = start + array.nbytes
    place = segment.bytes[start:end].view(array.dtype).reshape(array.shape, order=_order(array))
    np.copyto(place, array)
    head = _head(array)
    return msgpack.ExtType(SHARED, head + _PLACE.pack(segment.number, segment.filling, start))


def from_inline(data: bytes) -> Grid:
    """Return the array whose bytes a message carries."""
    kind, order, shape, start = _read_head(data)
    if start + math.prod(shape) * kind.itemsize > len(data):
        raise BrokenPeerError(f"an array of shape {shape} arrived without all its bytes.")
    return Grid(np.ndarray(shape, kind, data, start, order=order))


class Lease:
    """A filling of a segment that this receiver needs, until its last array is gone."""

    def __init__(self, source: Source, segment: int, filling: int, mapping: Array) -> None:
        self.source, self.segment, self.filling, self.bytes = source, segment, filling, mapping

    def __del__(self) -> None:
        self.source.release(self.segment, self.filling)


class _Piece:
    """Keeps a lease alive for one array; numpy reads where the array lies."""

    def __init__(self, lease: Lease, array: Array) -> None:
        self.lease = lease
        self.__array_interface__ = array.__array_interface__


class Leases:
    """The segments that one message refers to."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._leases: dict[tuple[int, int], Lease] = {}

    def array(self, data: bytes) -> Grid:
        """Return an array that lies in a segment; raise `BrokenPeerError` if it cannot."""
        kind, order, shape, start = _read_head(data)
        if len(data) != start + _PLACE.size:
            raise BrokenPeerError("an array arrived whose place is unreadable.")
        number, filling, begin = _PLACE.unpack_from(data, start)
        lease = self._leases.get((number, filling))
        if lease is None:
            mapping = self._source.mapping(number)  # before there is anything to release
            lease = self._leases[number, filling] = Lease(self._source, number, filling, mapping)
        size = math.prod(shape) * kind.itemsize
        if begin % ALIGNED or begin + size > len(lease.bytes):
            raise BrokenPeerError(
                f"an array of {size} bytes at {begin} was announced in a segment of"
                f" {len(lease.bytes)}."
            )
        there = lease.bytes[begin : begin + size].view(kind).reshape(shape, order=order)
        return Grid(np.asarray(_Piece(lease, there)))


def _order(array: Array) -> Any:
    return "F" if array.flags.f_contiguous else "C"


def _head(array: Array) -> bytes:
    """Return kind, order and shape; a multiple of 16 bytes, so that numbers lie well after it."""
    return _head_of(_CODES[array.dtype], array.flags.f_contiguous, array.shape)


@functools.lru_cache(1024)
def _head_of(code: int, order: bool, shape: tuple[int, ...]) -> bytes:
    axes = len(shape)
    return _START.pack(code, order, axes) + struct.pack(f"<{axes}Q", *shape) + bytes(_gap(axes))


def _gap(axes: int) -> int:
    """Return the bytes between shape and numbers."""
    return 8 * (1 - axes % 2)


def _read_head(data: bytes) -> tuple[Any, Any, tuple[int, ...], int]:
    """Return kind, order, shape, and where the rest begins."""
    axes = data[2] if len(data) > 2 else 0
    return _parsed(data[: _START.size + 8 * axes])


@functools.lru_cache(1024)
def _parsed(head: bytes) -> tuple[Any, Any, tuple[int, ...], int]:
    try:
        code, order, axes = _START.unpack_from(head)
        shape = struct.unpack_from(f"<{axes}Q", head, _START.size)
        kind = _KINDS[code]
    except (struct.error, IndexError):
        raise BrokenPeerError("an array arrived whose kind or shape is unreadable.") from None
    if axes > _MOST_AXES or max(math.prod(shape), *shape, 0) > _MOST_NUMBERS:
        raise BrokenPeerError(f"an array of shape {shape} arrived.")
    return kind, "F" if order else "C", shape, len(head) + _gap(axes)
