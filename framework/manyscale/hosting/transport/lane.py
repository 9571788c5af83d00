"""The memory that one sending and one receiving port share: a ring, and what was released.

    0     head: bytes ever written         written by the sender
    64    tail: bytes ever read            written by the receiver
    128   whether the receiver sleeps      written by the receiver
    192   whether the sender waits for room    written by the sender
    4096  last released filling of every segment   written by the receiver
    ...   the ring

Both write what is theirs and check what is not. Numbers have 8 bytes and lie at multiples of 8,
so that none is seen half written; messages become visible with the head that is written last.
"""

from __future__ import annotations

import mmap
import os
import threading

from manyscale.hosting.transport.segments import MOST, BrokenPeerError, created, mapped, seal_size

RING = 2**18  # bytes
_TABLE = 4096
_START = _TABLE + 8 * MOST
_HEAD, _TAIL, _SLEEPS, _WAITS = 0, 8, 16, 24  # in numbers of 8 bytes
_LENGTH = 8  # bytes before every message
_lock = threading.Lock()


def fence() -> None:
    """Let what was written be seen before what is read from now on.

    Between a write and a later read of another place even x86 has no order of its own. The
    atomic exchange in taking a lock has.
    """
    with _lock:
        pass


class Lane:
    """One end of the shared memory; `ring` is 0 where messages go another way."""

    def __init__(self, memory: mmap.mmap, ring: int) -> None:
        self._memory = memory
        self._numbers = memoryview(memory)[:_START].cast("Q")
        self._table = self._numbers[_TABLE // 8 :]
        self._data = memoryview(memory)[_START:]
        self.ring = ring
        self._head = self._tail = 0
        """This end's own counts: what a peer writes over them changes nothing."""

    # ---- the sender's end

    @staticmethod
    def make(ring: int) -> tuple[Lane, int]:
        """Return the sender's end of a new lane, and its descriptor for the receiver."""
        descriptor = created("lane", _START + ring)
        seal_size(descriptor)
        return Lane(mmap.mmap(descriptor, _START + ring), ring), descriptor

    def has_released(self, segment: int, filling: int) -> bool:
        """Return whether the receiver needs a filling of a segment no more."""
        return self._table[segment] >= filling

    def write(self, data: memoryview) -> int:
        """Write as much as there is room for; return how many bytes that was."""
        tail = self._numbers[_TAIL]
        filled = self._head - tail
        if not 0 <= filled <= self.ring:
            raise BrokenPeerError(f"the receiver says it read {tail} of {self._head} bytes.")
        count = min(len(data), self.ring - filled)
        start = self._head % self.ring
        first = min(count, self.ring - start)
        self._data[start : start + first] = data[:first]
        if first < count:
            self._data[: count - first] = data[first:count]
        self._head += count
        self._numbers[_HEAD] = self._head
        return count

    def wait_for_room(self) -> bool:
        """Ask the receiver to say when there is room; return whether there is some already."""
        self._numbers[_WAITS] = 1
        fence()
        return self._head - self._numbers[_TAIL] < self.ring

    @property
    def reader_sleeps(self) -> bool:
        """Whether the receiver wants to be woken up, after everything written so far."""
        fence()
        return bool(self._numbers[_SLEEPS])

    # ---- the receiver's end

    @staticmethod
    def join(descriptor: int, ring: int) -> Lane:
        """Return the receiver's end of a lane, given its descriptor."""
        if not 0 <= ring <= 2**26:
            os.close(descriptor)
            raise BrokenPeerError(f"a ring of {ring} bytes was announced.")
        return Lane(mapped(descriptor, _START + ring, writable=True), ring)

    def release(self, segment: int, filling: int) -> None:
        """Say that a filling of a segment is needed no more."""
        self._table[segment] = filling

    def ready(self) -> bool:
        """Return whether there is anything to read."""
        return self._numbers[_HEAD] != self._tail

    def sleep(self, sleeps: bool) -> None:
        """Say whether this end waits to be woken up; look once more after having said so."""
        self._numbers[_SLEEPS] = sleeps
        if sleeps:
            fence()

    def read(self, target: memoryview) -> int:
        """Read as much as there is and fits; return how many bytes that was."""
        count = min(len(target), self._available())
        start = self._tail % self.ring
        first = min(count, self.ring - start)
        target[:first] = self._data[start : start + first]
        if first < count:
            target[first:count] = self._data[: count - first]
        self._tail += count
        self._numbers[_TAIL] = self._tail
        return count

    def whole(self) -> bytes | None:
        """Read the next message if it lies here whole and in one piece."""
        start = self._tail % self.ring
        available = self._available()
        if available < _LENGTH or start + _LENGTH > self.ring:
            return None
        length = int.from_bytes(self._data[start : start + _LENGTH], "little")
        end = start + _LENGTH + length
        if available < _LENGTH + length or end > self.ring:
            return None
        found = self._data[start + _LENGTH : end].tobytes()
        self._tail += _LENGTH + length
        self._numbers[_TAIL] = self._tail
        return found

    def sender_waits(self) -> bool:
        """Return whether the sender waits for room, and note that it is told."""
        fence()
        if not self._numbers[_WAITS]:
            return False
        self._numbers[_WAITS] = 0
        return True

    def _available(self) -> int:
        head = self._numbers[_HEAD]
        available = head - self._tail
        if not 0 <= available <= self.ring:
            raise BrokenPeerError(f"the sender says it wrote {head} bytes, {self._tail} were read.")
        return available
