"""Tries what the fast path needs: a socket without a file, and memory handed over it."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

from manyscale.hosting.transport import local_socket
from manyscale.hosting.transport.segments import BrokenPeerError, Segment, mapped

_LIMIT = 5.0  # s
_SIZE = 2**16  # bytes
_TOLD = b"messages"


def hindrance() -> str:
    """Return what goes wrong when one end hands a segment to another, nothing if it arrives."""
    try:
        if handed_over(_TOLD) != _TOLD:
            return "what one process writes another does not read"
    except (OSError, BrokenPeerError) as exc:
        return str(exc)
    return ""


def handed_over(told: bytes) -> bytes:
    """Return what is read in a segment that came, sealed, over a socket of this host."""
    listener, name = local_socket.listening()
    listener.settimeout(_LIMIT)
    with listener, ThreadPoolExecutor(1) as thread:
        admitted = thread.submit(_admitted, listener)
        with local_socket.connected(name) as receiver, admitted.result() as sender:
            segment = Segment(0, _SIZE)
            segment.bytes[: len(told)] = bytearray(told)
            local_socket.send_descriptor(sender, b"segment", segment.descriptor)
            segment.close()
            _, descriptor = local_socket.receive(receiver)
            if descriptor is None:
                raise BrokenPeerError("a descriptor was sent and did not arrive.")
            return mapped(descriptor, _SIZE, writable=False)[: len(told)]


def _admitted(listener: socket.socket) -> socket.socket:
    made, _ = listener.accept()
    try:
        local_socket.admit(made)
    except BaseException:
        made.close()
        raise
    return made
