"""Who may come in, and how: the two ends of every connection of a run."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable
from typing import Any, Union

from manyscale_guard import addresses, courtesy, handshake, refusals
from manyscale_guard.channel import Channel
from manyscale_guard.handshake import StrangerError
from manyscale_guard.secret import secret

Connection = Union[socket.socket, Channel]  # evaluated before Python 3.10
_WAITING = 256  # connections that have not proved themselves yet
_CONNECT_PATIENCE = 3.0  # s, as in libmuscle


def admit(sock: socket.socket, patience: float = handshake.SERVER_PATIENCE) -> Connection:
    """Return a connection that proved itself; note, answer and raise `StrangerError` otherwise."""
    try:
        keys = handshake.accept(sock, secret(), patience)
    except StrangerError as exc:
        peer = refusals.identify(sock)  # while it is still there
        refusals.note(exc.reason, exc.detail, sock, peer)
        if exc.reason == "unguarded":
            courtesy.decline(sock, unguarded(peer.instance))
        raise
    return _between_nodes(sock, keys, sock.getsockname())


def greet(sock: socket.socket) -> Connection:
    """Return a connection to a server that proved itself; raise `StrangerError` otherwise."""
    try:
        keys = handshake.greet(sock, secret())
    except StrangerError as exc:
        if exc.reason in ("proof", "garbage"):
            refusals.note(exc.reason, exc.detail, sock, refusals.identify(sock))
        raise
    return _between_nodes(sock, keys, sock.getpeername())


def reach(locations: Iterable[str]) -> Connection:
    """Connect to the first of some locations, as MUSCLE3 writes them, that answers."""
    for location in locations:
        for address in filter(None, location.partition(":")[2].split(",")):
            with contextlib.suppress(OSError, StrangerError):
                return greet(plain(address))
    raise ConnectionRefusedError("no location of it answered")


def plain(address: str) -> socket.socket:
    """Connect to `host:port`, without the guard."""
    host, _, port = address.rpartition(":")
    sock = socket.create_connection((host.strip("[]"), int(port)), _CONNECT_PATIENCE)
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _between_nodes(sock: socket.socket, keys: handshake.Keys, server: Any) -> Connection:
    return sock if addresses.is_loopback(str(server[0])) else Channel(sock, keys)


def unguarded(instance: str) -> str:
    """Return the sentence for a process of an instance, or of nobody known, without the guard."""
    return (
        f"{instance or 'this process'} came without the guard of its run, and the run takes nobody"
        " else in (base_env: login, python -I, or a container with a clean environment); give it"
        f" the environment of the run, or admit it with --foreign {component(instance) or 'NAME'}."
    )


def component(instance: str) -> str:
    """Return the component that an instance is one of."""
    return instance.partition("[")[0]


class Waiting:
    """Connections that have not proved themselves yet, a bounded number."""

    def __init__(self, most: int = _WAITING) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._sockets: dict[socket.socket, None] = {}

    def add(self, sock: socket.socket) -> None:
        """Let one wait; if there are too many, turn away who waits longest."""
        with self._lock:
            self._sockets[sock] = None
            crowd = len(self._sockets) > self._most
            oldest = next(iter(self._sockets)) if crowd else None
            if oldest is not None:
                del self._sockets[oldest]
        if oldest is not None:
            refusals.note("crowd", f"more than {self._most} at once", oldest)
            shut(oldest)

    def remove(self, sock: socket.socket) -> None:
        """Forget one that has proved itself or was refused."""
        with self._lock:
            self._sockets.pop(sock, None)


def shut(sock: Any) -> None:
    """End a connection that may have ended already; whoever waits for it wakes up."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
