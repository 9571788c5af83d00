"""Tells a program that speaks MUSCLE3 without the guard why it is not let in.

It is answered in MUSCLE3's own words, whatever it asks: with an error, so that it ends at once
and says why. Nothing it sends is decoded.
"""

from __future__ import annotations

import socket
import time

_PATIENCE = 10.0  # s
_LONGEST = 2**24  # bytes of a first request, more is no registration
_ERROR = 1  # ResponseType.ERROR of libmuscle


def decline(sock: socket.socket, sentence: str) -> None:
    """Answer the first request with an error; what goes wrong meanwhile does not matter."""
    deadline = time.monotonic() + _PATIENCE
    text = sentence.encode()[:4000]
    # MessagePack of [1, "sentence"]
    response = bytes([0x92, _ERROR, 0xDA]) + len(text).to_bytes(2, "big") + text
    try:
        sock.settimeout(_PATIENCE)
        sock.sendall(_number(1))  # the session it asked for
        _skip(sock, 8, deadline)
        length = int.from_bytes(_skip(sock, 8, deadline), "little")
        if length <= _LONGEST:
            _skip(sock, length, deadline)
            sock.sendall(_number(len(response)) + response)
            sock.shutdown(socket.SHUT_WR)
            _skip(sock, _LONGEST, deadline)  # until it has read the answer and hangs up
    except OSError:
        pass


def _number(value: int) -> bytes:
    return value.to_bytes(8, "little")


def _skip(sock: socket.socket, size: int, deadline: float) -> bytes:
    """Receive and forget `size` bytes, all but the last ones."""
    last = b""
    while size > 0:
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        last = sock.recv(min(size, 2**16))
        if not last:
            raise ConnectionResetError
        size -= len(last)
    return last
