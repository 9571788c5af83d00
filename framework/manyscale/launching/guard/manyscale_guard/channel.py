"""A connection between nodes: every record carries a MAC, so that nobody can change a byte.

    record: length (4 bytes) | MAC (16 bytes) | data

The MAC is keyed BLAKE2b over the number of the record, its length and its data, under a key of
this connection and direction: what is changed, repeated, left out or sent back is refused.
Nothing is encrypted.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import struct
from typing import Any, NoReturn

from manyscale_guard import refusals
from manyscale_guard.handshake import Keys

RECORD = 2**20  # bytes of data at most
_MAC = 16
_HEADER = struct.Struct(f"!I{_MAC}s")
_COUNTED = struct.Struct("!QI")
_AHEAD = 2**16  # bytes to take from the socket at once, for small records


class ForgedError(ConnectionError):
    """A record that the other end has not sent like this; the connection is of no use any more."""


class Channel:
    """Looks like a socket, as far as libmuscle uses one."""

    def __init__(self, sock: socket.socket, keys: Keys) -> None:
        self._socket = sock
        self._keys = keys
        self._sent = self._received = 0
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
        mac = hashlib.blake2b(
            _COUNTED.pack(self._sent, length), digest_size=_MAC, key=self._keys.sending
        )
        for view in views:
            mac.update(view)
        self._sent += 1
        head = _HEADER.pack(length, mac.digest())
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
        expected = hashlib.blake2b(
            _COUNTED.pack(self._received, length), digest_size=_MAC, key=self._keys.receiving
        )
        expected.update(data)
        if not hmac.compare_digest(mac, expected.digest()):
            self._refuse(f"record {self._received} carries a wrong MAC")
        self._received += 1
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
