"""Two ends prove to one another that they hold the run's secret, without saying it.

    client -> server   magic, nonce of the client
    server -> client   nonce of the server, proof of the server
    client -> server   proof of the client

A proof is HMAC-SHA256 under the secret of: the role of who proves, the addresses and ports of
both ends, both nonces. So a proof is of no use in another role, on another connection, at
another end (a port that somebody has taken over and relays) or in another run.
"""

from __future__ import annotations

import hmac
import os
import socket
import time
from typing import NamedTuple

from manyscale_guard import addresses
from manyscale_guard.secret import derived, name_of

MAGIC = b"MANYSC\x00\x01"
NONCE = PROOF = 32
SERVER_PATIENCE = 10.0  # s for the whole of it
CLIENT_PATIENCE = 15.0  # s; longer, so that the server is the one to say why


class StrangerError(Exception):
    """Somebody who is none of the run's own processes, or does not speak as one."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Keys(NamedTuple):
    """Keys of one connection, one for each direction."""

    sending: bytes
    receiving: bytes


class _Talk:
    """What both ends have seen of one another."""

    def __init__(
        self, secret: bytes, server: bytes, client: bytes, nonces: tuple[bytes, bytes]
    ) -> None:
        self._secret = secret
        self._seen = (name_of(secret).encode(), server, client, *nonces)

    def of(self, label: str) -> bytes:
        return derived(self._secret, label, *self._seen)


def accept(sock: socket.socket, secret: bytes, patience: float = SERVER_PATIENCE) -> Keys:
    """Let a client prove itself; raise `StrangerError` if it does not."""
    deadline = time.monotonic() + patience
    first = _exactly(sock, len(MAGIC), deadline)
    if first != MAGIC:
        if _is_session(first):
            raise StrangerError("unguarded")
        raise StrangerError("garbage", repr(first))
    theirs, ours = _exactly(sock, NONCE, deadline), os.urandom(NONCE)
    talk = _Talk(secret, _near(sock), _far(sock), (theirs, ours))
    _send(sock, ours + talk.of("server"), deadline)
    _check(_exactly(sock, PROOF, deadline), talk.of("client"))
    sock.settimeout(None)
    return Keys(talk.of("to client"), talk.of("to server"))


def greet(sock: socket.socket, secret: bytes, patience: float = CLIENT_PATIENCE) -> Keys:
    """Prove this end to a server that proves itself first; raise `StrangerError` if it does not."""
    deadline = time.monotonic() + patience
    ours = os.urandom(NONCE)
    _send(sock, MAGIC + ours, deadline)
    theirs = _exactly(sock, NONCE, deadline)
    talk = _Talk(secret, _far(sock), _near(sock), (ours, theirs))
    _check(_exactly(sock, PROOF, deadline), talk.of("server"))
    _send(sock, talk.of("client"), deadline)
    sock.settimeout(None)
    return Keys(talk.of("to server"), talk.of("to client"))


def _near(sock: socket.socket) -> bytes:
    return addresses.packed(sock.getsockname())


def _far(sock: socket.socket) -> bytes:
    return addresses.packed(sock.getpeername())


def _is_session(first: bytes) -> bool:
    """Return whether MUSCLE3 without the guard begins like this: the number of a session."""
    return int.from_bytes(first, "little") < 2**32


def _check(proof: bytes, expected: bytes) -> None:
    if not hmac.compare_digest(proof, expected):
        raise StrangerError("proof", "it does not hold the secret of this run")


def _exactly(sock: socket.socket, size: int, deadline: float) -> bytes:
    """Receive `size` bytes by the deadline, however slowly they drip."""
    received = b""
    while len(received) < size:
        left = deadline - time.monotonic()
        try:
            if left <= 0.0:
                raise TimeoutError
            sock.settimeout(left)
            more = sock.recv(size - len(received))
        except (TimeoutError, socket.timeout):  # two classes before Python 3.10
            raise StrangerError("silent", f"{len(received)} of {size} bytes") from None
        except OSError as exc:
            raise StrangerError("closed", str(exc.strerror)) from None
        if not more:
            raise StrangerError("closed", f"{len(received)} of {size} bytes")
        received += more
    return received


def _send(sock: socket.socket, data: bytes, deadline: float) -> None:
    sock.settimeout(max(0.001, deadline - time.monotonic()))
    try:
        sock.sendall(data)
    except OSError as exc:
        raise StrangerError("closed", str(exc.strerror)) from None
