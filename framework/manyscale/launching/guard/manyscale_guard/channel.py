"""A connection between nodes: every record carries a MAC, so that nobody can change a byte.

    record: length (4 bytes) | MAC (16 bytes) | data

The MAC is over the number of the record, its length and its data, under a key of this connection
and direction: what is changed, repeated, left out or sent back is refused. It is keyed BLAKE2b
for small records, which it has done soonest, and HMAC-SHA256 under a key of its own for large
ones, which processors do in hardware. Nothing is encrypted.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import struct
from collections.abc import Sequence
from typing import Any, NoReturn

from manyscale_guard import refusals
from manyscale_guard.handshake import Keys
from manyscale_guard.secret import derived

RECORD = 2**18  # bytes of data at most; one end checks a record while the other makes the next
_MAC = 16
_HEADER = struct.Struct(f"!I{_MAC}s")
_COUNTED = struct.Struct("!QI")
_SMALL = 2**12  # bytes of data
_AHEAD = 2**16  # bytes to take from the socket at once, for small records


class ForgedError(ConnectionError):
    """A record that the other end has not sent like this; the connection is of no use any more."""


class _Authority:
    """Makes the MACs of one direction, record by record."""

    def __init__(self, key: bytes) -> None:
        self._small = key
        self._large = hmac.new(derived(key, "large records"), digestmod=hashlib.sha256)
        self.number = 0

    def mac(self, length: int, views: Sequence[Any]) -> bytes:
        """Return the MAC of the next record."""
        counted = _COUNTED.pack(self.number, length)
        self.number += 1
        if length <= _SMALL:
            made: Any = hashlib.blake2b(counted, digest_size=_MAC, key=self._small)
        else:
            made = self._large.copy()
            made.update(counted)
        for view in views:
            made.update(view)
        digest: bytes = made.digest()
        return digest[:_MAC]


class Channel:
    """Looks like a socket, as far as libmuscle uses one."""

    def __init__(self, sock: socket.socket, keys: Keys) -> None:
        self._socket = sock
        self._sending = _Authority(keys.sending)
        self._receiving = _Authority(keys.receiving)
        self._raw = bytearray()
        """Taken from the socket and not looked at yet."""
        self._left = memoryview(b"")
        """Received, checked, and not asked for yet."""

    def sendall(self, *parts: Any) -> None:
        """Send all bytes of all parts."""
        views = [memoryview(part).cast("B") for part in parts]
        if sum(map(len, views)) <= RECORD:
            self._send_record(views)
            return
        for view in views:
            for start in range(0, len(view), RECORD):
                self._send_record([view[start : start + RECORD]])

    def recv_into(self, target: Any, size: int = 0) -> int:
        """Receive checked bytes, at most `size` of them; return how many, 0 at the end."""
        view = memoryview(target).cast("B")
        view = view[: size or len(view)]
        if not self._left:
            record = self._receive_record(view)
            if record is not None:
                return record
        count = min(len(view), len(self._left))
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def recv(self, size: int) -> bytes:
        """Receive at most `size` checked bytes."""
        target = bytearray(size)
        return bytes(target[: self.recv_into(target)])

    def pending(self) -> bool:
        """Return whether there may be more than the socket itself knows of."""
        return bool(self._left or self._raw)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def _send_record(self, views: list[memoryview]) -> None:
        length = sum(map(len, views))
        head = _HEADER.pack(length, self._sending.mac(length, views))
        if length <= _AHEAD:
            self._socket.sendall(b"".join([head, *views]))
        else:
            self._socket.sendall(head, socket.MSG_MORE)
            for view in views:
                self._socket.sendall(view)

    def _receive_record(self, target: memoryview) -> int | None:
        """Receive one record, into `target` if it fits; return its size if it did."""
        if not self._fill(_HEADER.size):
            return 0
        length, mac = _HEADER.unpack_from(self._raw)
        del self._raw[: _HEADER.size]
        if not 0 < length <= RECORD:
            self._refuse(f"a record of {length} bytes")
        fits = length <= len(target)
        data = target[:length] if fits else memoryview(bytearray(length))
        self._take(data)
        if not hmac.compare_digest(mac, self._receiving.mac(length, [data])):
            self._refuse(f"record {self._receiving.number - 1} carries a wrong MAC")
        if fits:
            return int(length)
        self._left = data
        return None

    def _refuse(self, why: str) -> NoReturn:
        refusals.note("record", why, self._socket)
        raise ForgedError(why)

    def _fill(self, size: int) -> bool:
        """Have `size` bytes at hand; return False if the connection ends before the first."""
        while len(self._raw) < size:
            more = self._socket.recv(_AHEAD)
            if not more:
                if self._raw:
                    raise ConnectionResetError("the connection ended within a record")
                return False
            self._raw += more
        return True

    def _take(self, data: memoryview) -> None:
        """Fill `data` from what is at hand, then from the socket."""
        done = min(len(data), len(self._raw))
        data[:done] = self._raw[:done]
        del self._raw[:done]
        while done < len(data):
            count = self._socket.recv_into(data[done:])
            if not count:
                raise ConnectionResetError("the connection ended within a record")
            done += count
