"""Sockets within one host: packets, descriptors, and who is at the other end.

They have names that are no files (abstract ones), so that nothing remains of a process that was
killed. Who may connect is decided by the kernel's word on the user at the other end, and by a
proof that it holds the run's secret, if the run has one.

    client -> server   magic, nonce
    server -> client   nonce, proof of the server
    client -> server   proof of the client
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import secrets
import socket
import struct
import sys
from pathlib import Path
from typing import Any, NamedTuple

MAGIC = b"manyscale messages 1"
PACKET = 2**16
"""Bytes of a packet at most."""
_NONCE = _PROOF = 32
_PATIENCE = 10.0  # s to prove oneself
_CREDENTIALS = struct.Struct("iII")  # process, user, group
_SCHEME = ["manyscale", "1"]
PRETENDED = "MANYSCALE_MESSAGES_HOST"
"""Names the variable that makes this process believe to be on another host."""


class StrangerError(ConnectionError):
    """Somebody of another user, or without the run's secret."""


class Location(NamedTuple):
    """Where an instance is reached from its own host, and what it understands."""

    host: str
    name: str
    layers: str

    @staticmethod
    def parsed(text: str) -> Location | None:
        """Return a location that was written by `str`, None if it is another kind of one."""
        parts = text.split(":")
        if len(parts) != 5 or parts[:2] != _SCHEME:
            return None
        return Location(*parts[2:])

    def __str__(self) -> str:
        return ":".join([*_SCHEME, *self])

    @property
    def here(self) -> bool:
        """Whether it is on this host, as far as sockets go."""
        return self.host == this_host()


@functools.cache
def this_host() -> str:
    """Return what tells hosts apart, and containers whose networks are apart: their sockets are."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    network = os.stat("/proc/self/ns/net").st_ino
    return os.environ.get(PRETENDED) or f"{boot}-{network}"


def listening() -> tuple[socket.socket, str]:
    """Return a listening socket and its name."""
    name = f"manyscale-{os.getpid()}-{secrets.token_hex(8)}"
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made.bind("\0" + name)
    made.listen(128)
    return made, name


def connected(name: str) -> socket.socket:
    """Connect to a peer and prove both to one another; raise `ConnectionError` if that fails."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made.settimeout(_PATIENCE)
    try:
        made.connect("\0" + name)
        _refuse_other_user(made)
        ours = secrets.token_bytes(_NONCE)
        made.send(MAGIC + ours)
        answer = made.recv(PACKET)
        theirs, proof = answer[:_NONCE], answer[_NONCE:]
        if not hmac.compare_digest(proof, _proof(b"server", ours, theirs)):
            raise StrangerError("the server does not hold the secret of this run")
        made.send(_proof(b"client", ours, theirs))
        made.settimeout(None)
    except BaseException:
        made.close()
        raise
    return made


def admit(made: socket.socket) -> None:
    """Let a client prove itself; raise `ConnectionError` if it does not."""
    made.settimeout(_PATIENCE)
    _refuse_other_user(made)
    said = made.recv(PACKET)
    if said[: len(MAGIC)] != MAGIC or len(said) != len(MAGIC) + _NONCE:
        raise StrangerError("the client does not speak as one of this run")
    theirs, ours = said[len(MAGIC) :], secrets.token_bytes(_NONCE)
    made.send(ours + _proof(b"server", theirs, ours))
    if not hmac.compare_digest(made.recv(PACKET), _proof(b"client", theirs, ours)):
        raise StrangerError("the client does not hold the secret of this run")
    made.settimeout(None)


def send_descriptor(made: socket.socket, packet: bytes, descriptor: int, flags: int = 0) -> None:
    """Send a packet with a descriptor."""
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", descriptor))
    made.sendmsg([packet], [rights], flags)  # Python's own send_fds forgets the flags


def receive(made: socket.socket) -> tuple[bytes, int | None]:
    """Receive a packet, and the descriptor that came with it; an empty packet is the end."""
    try:
        packet, descriptors, _, _ = socket.recv_fds(made, PACKET, 4, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:  # it left something unread; what it sent before is still here
        packet, descriptors, _, _ = socket.recv_fds(made, PACKET, 4, socket.MSG_CMSG_CLOEXEC)
    for more in descriptors[1:]:
        os.close(more)
    return packet, descriptors[0] if descriptors else None


def _refuse_other_user(made: socket.socket) -> None:
    told = made.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    user = _CREDENTIALS.unpack(told)[1]
    if user != os.geteuid():
        raise StrangerError(f"the other end is of user {user}")


def _proof(role: bytes, *nonces: bytes) -> bytes:
    text = b"\0".join([b"manyscale messages", role, *nonces])
    return hmac.new(_secret(), text, hashlib.sha256).digest()


@functools.cache
def _secret() -> bytes:
    """Return the run's secret, nothing in a run without a guard."""
    told = sys.modules.get("manyscale_guard.settings")  # on the path of guarded programs only
    if told is None or not told.WHERE:
        return b""
    from manyscale_guard.secret import secret

    found: Any = secret()
    return bytes(found)
