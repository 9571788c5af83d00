"""Segments of memory that a sender fills and receivers map: pooled, without a name, sealed.

A segment cannot shrink, grow, or be written to by anybody but its maker, so that no peer can
spoil what another one reads, or end it with a signal. What a receiver has done with a segment
it says in its lane; the sender fills it again when all who were sent it have said so.
"""

from __future__ import annotations

import fcntl
import itertools
import mmap
import os
from typing import Protocol

import numpy as np

from manyscale.contract.fields import Array

MOST = 4096
"""Segments of one instance in all its life; a lane has a place for each."""
PER_PORT = 8
"""Segments for one port, or one slot of it."""
_LEAST = 2**16  # bytes of a segment
_SEAL_FUTURE_WRITE = 0x10
_SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
_SEALS = _SIZE_SEALS | _SEAL_FUTURE_WRITE | fcntl.F_SEAL_SEAL


class BrokenPeerError(RuntimeError):
    """A peer that does not keep to what was agreed; nothing it said can be relied on."""


class Reader(Protocol):
    """Whoever is sent segments."""

    def has_released(self, segment: int, filling: int) -> bool:
        """Return whether it needs a filling of a segment no more."""

    def forget(self, segment: int) -> None:
        """Unmap a segment that is not used any more."""


def created(name: str, size: int) -> int:
    """Return the descriptor of new memory of `size` bytes that can be mapped for writing."""
    descriptor = os.memfd_create(f"manyscale-{name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    return descriptor


def seal_size(descriptor: int) -> None:
    """Make sure that memory keeps its size."""
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SIZE_SEALS | fcntl.F_SEAL_SEAL)


def mapped(descriptor: int, size: int, *, writable: bool) -> mmap.mmap:
    """Map what a peer has handed over and close the descriptor.

    Raises `BrokenPeerError` if it is not memory of at least `size` bytes that keeps its size.
    """
    try:
        try:
            seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
        except OSError:
            raise BrokenPeerError("a descriptor arrived that is no sealed memory.") from None
        if seals & _SIZE_SEALS != _SIZE_SEALS:
            raise BrokenPeerError("memory arrived that its maker could shrink.")
        held = os.fstat(descriptor).st_size
        if not 0 < size <= held:
            raise BrokenPeerError(f"memory of {held} bytes arrived for {size} announced.")
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        try:
            return mmap.mmap(descriptor, size, access=access)
        except PermissionError:
            raise BrokenPeerError("memory arrived that cannot be written to.") from None
    finally:
        os.close(descriptor)


class Segment:
    """Memory that this instance fills."""

    def __init__(self, number: int, capacity: int) -> None:
        self.number, self.capacity = number, capacity
        self.descriptor = created("payload", capacity)
        try:
            self._memory = mmap.mmap(self.descriptor, capacity)
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _SEALS)
        except OSError:
            os.close(self.descriptor)
            raise
        self.bytes: Array = np.frombuffer(self._memory, np.uint8)
        self.filling = 0
        """How often it has been filled."""
        self.readers: list[Reader] = []
        """Who was sent the present filling."""
        self.known_to: set[Reader] = set()
        """Who was sent any."""

    @property
    def free(self) -> bool:
        """Whether nobody needs the present filling any more."""
        return all(reader.has_released(self.number, self.filling) for reader in self.readers)

    def sent_to(self, reader: Reader) -> None:
        """Note that a reader gets the present filling."""
        self.readers.append(reader)
        self.known_to.add(reader)

    def close(self) -> None:
        """Give the memory back as soon as nobody maps it."""
        os.close(self.descriptor)
        for reader in self.known_to:
            reader.forget(self.number)


class Pool:
    """The segments of an instance, `budget` bytes at most; they are filled again and again."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.used = self.most = self.refused = 0
        """Bytes of all segments, the most there were, and messages that could have none."""
        self._by_port: dict[str, list[Segment]] = {}
        self._by_number: dict[int, Segment] = {}
        self._numbers = itertools.count()

    def take(self, port: str, size: int) -> Segment | None:
        """Return a segment for a message of a port, None if there can be no more."""
        known = self._by_port.setdefault(port, [])
        fitting = [s for s in known if s.capacity >= size and s.free]
        segment = min(fitting, key=lambda s: s.capacity, default=None) or self._new(known, size)
        if segment is None:
            self.refused += 1
            return None
        segment.filling += 1
        segment.readers = []
        return segment

    def numbered(self, number: int) -> Segment:
        """Return a segment of this instance."""
        return self._by_number[number]

    def close(self) -> None:
        """Give all memory back."""
        for segment in self._by_number.values():
            os.close(segment.descriptor)
        self._by_number.clear()
        self._by_port.clear()

    def _new(self, known: list[Segment], size: int) -> Segment | None:
        step = max(_LEAST, 1 << max(0, size.bit_length() - 4))  # for messages that grow a little
        capacity = -(-size // step) * step
        if len(known) >= PER_PORT or self.used + capacity > self.budget:
            self._give_back_one(known)
        if len(known) >= PER_PORT or self.used + capacity > self.budget:
            return None
        number = next(self._numbers)
        if number >= MOST:
            return None
        try:
            segment = self._by_number[number] = Segment(number, capacity)
        except OSError:  # no descriptor, or no place in memory, is left
            return None
        self.used += capacity
        self.most = max(self.most, self.used)
        known.append(segment)
        return segment

    def _give_back_one(self, known: list[Segment]) -> None:
        """Close a segment of a port that has become too small for its messages."""
        small = next((segment for segment in known if segment.free), None)
        if small is not None:
            known.remove(small)
            del self._by_number[small.number]
            self.used -= small.capacity
            small.close()
