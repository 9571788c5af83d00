"""Who is at the other end of a connection, if it is on this host: found in /proc."""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import NamedTuple

from manyscale_guard import addresses, processes

_LISTENING = "0A"
_MAPPED = b"\0" * 10 + b"\xff\xff"


class Peer(NamedTuple):
    """A process at the other end, as far as it could be made out."""

    user: int | None = None
    pid: int | None = None
    command: str = ""
    instance: str = ""
    """The instance it belongs to, by its environment or an ancestor's."""
    manager: str = ""
    """The manager that instance was told."""


NOBODY = Peer()


class _Row(NamedTuple):
    near: str
    far: str
    state: str
    user: int
    inode: str


def at(sock: socket.socket) -> Peer:
    """Return who is at the other end of a connection to a process of this host."""
    try:
        near, far = _hexes(sock.getpeername()), _hexes(sock.getsockname())
    except OSError:
        return NOBODY
    for row in _table():
        if row.near in near and row.far in far and row.inode != "0":
            # whose descriptors these are only their owner may see
            mine = os.geteuid() in (0, row.user)
            pid = _holder(row.inode) if mine else None
            return Peer(row.user) if pid is None else _described(row.user, pid)
    return NOBODY


def listening(pids: set[int]) -> list[int]:
    """Return the ports at which any of these processes listens on all addresses."""
    held = {inode for pid in pids for inode in _sockets(pid)}
    found = []
    for row in _table():
        host, _, port = row.near.partition(":")
        if row.state == _LISTENING and row.inode in held and not host.strip("0"):
            found.append(int(port, 16))
    return found


def _described(user: int, pid: int) -> Peer:
    for one in (pid, *processes.ancestors(pid)):
        told = processes.environment(one)
        if "MUSCLE_INSTANCE" in told:
            instance, manager = told["MUSCLE_INSTANCE"], told.get("MUSCLE_MANAGER", "")
            return Peer(user, pid, processes.command(pid), instance, manager)
    return Peer(user, pid, processes.command(pid))


def _holder(inode: str) -> int | None:
    return next((pid for pid in processes.everybody() if inode in _sockets(pid)), None)


def _sockets(pid: int) -> set[str]:
    found: set[str] = set()
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return found
    for number in numbers:
        try:
            link = os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue
        if link.startswith("socket:["):
            found.add(link[8:-1])
    return found


def _table() -> list[_Row]:
    rows = []
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/net/{name}", encoding="ascii") as file:
                lines = file.readlines()[1:]
        except OSError:
            continue
        rows += [_row(line.split()) for line in lines]
    return rows


def _row(words: list[str]) -> _Row:
    return _Row(words[1], words[2], words[3], int(words[7]), words[9])


def _hexes(end: tuple[object, ...]) -> set[str]:
    """Return the forms in which the kernel may list one end of a connection."""
    packed = addresses.packed(end)
    host, port = packed[:-2], packed[-2:].hex().upper()
    forms = {host, _MAPPED + host} if len(host) == 4 else {host}
    return {f"{_words(form)}:{port}" for form in forms}


def _words(host: bytes) -> str:
    """Return an address as the kernel prints it: words of 32 bits in the host's order."""
    words = struct.unpack(f"{'<' if sys.byteorder == 'little' else '>'}{len(host) // 4}I", host)
    return "".join(f"{word:08X}" for word in words)
