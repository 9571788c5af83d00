"""Speaks for a program that cannot hold the secret: the way of a foreign program into its run.

It stands on the program's host and takes connections on loopback from this program only. To the
manager it is a guarded client. It tells the manager that the program is to be reached at a
guarded port of the relay, and the program that its peers are at loopback ports of the relay.
Everything else passes unread.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

from manyscale_guard import addresses, connections, peers, processes, refusals
from manyscale_guard.channel import Channel
from manyscale_guard.connections import Connection, shut
from manyscale_guard.frames import TooLargeError, checked
from manyscale_guard.handshake import StrangerError

_REGISTER, _PEERS = 1, 2  # RequestType of libmuscle
_SUCCESS = 0  # ResponseType
_PIECE = 2**18  # bytes
_QUEUE = 128
_PATIENCE = 10.0  # s until the program is known
_Serve = Callable[[Any], None]


class Relay:
    """The relay of one instance, in the agent that starts it."""

    def __init__(self, instance: str, manager: str) -> None:
        self._instance = instance
        self._manager = manager
        self._known = threading.Event()
        self._root = 0
        self._lock = threading.Lock()
        self._open: list[Any] = []
        self._ports: dict[tuple[str, ...], str] = {}
        self.location = self._for_program(self._to_manager)
        """Where the program finds its manager."""

    def serve(self, root: int) -> None:
        """Serve the program whose first process is `root`."""
        self._root = root
        self._known.set()

    def close(self) -> None:
        """End all connections."""
        with self._lock:
            for sock in self._open:
                shut(sock)
                sock.close()
            self._open.clear()

    def _for_program(self, serve: _Serve) -> str:
        """Open a port for the program and return where it is."""

        def serve_program(sock: socket.socket) -> None:
            if self._is_program(sock):
                serve(sock)

        return self._listen("127.0.0.1", serve_program)

    def _for_peers(self, locations: tuple[str, ...]) -> str:
        """Open a guarded port for peers of the program and return where it is."""

        def serve_peer(sock: socket.socket) -> None:
            with contextlib.suppress(StrangerError):
                self._pass_on(connections.admit(sock), self._program_at(locations))

        return self._listen(addresses.own(), serve_peer)

    def _listen(self, host: str, serve: _Serve) -> str:
        listener = socket.socket(addresses.family(host), socket.SOCK_STREAM)
        listener.bind((host, 0))
        listener.listen(_QUEUE)
        self._keep(listener)
        self._in_thread(self._accept, listener, serve)
        return f"tcp:{addresses.written(listener.getsockname())}"

    def _accept(self, listener: socket.socket, serve: _Serve) -> None:
        with contextlib.suppress(OSError):  # it was closed
            while True:
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._keep(sock)
                self._in_thread(self._serve, sock, serve)

    def _serve(self, sock: socket.socket, serve: _Serve) -> None:
        try:
            serve(sock)
        except (OSError, ValueError, TooLargeError):
            pass  # libmuscle on either side notices a lost connection, and comes again
        finally:
            self._drop(sock)

    def _is_program(self, sock: socket.socket) -> bool:
        """Return whether the program is at the other end; note it otherwise."""
        self._known.wait(_PATIENCE)
        peer = peers.at(sock)
        ours = peer.pid is not None and (
            self._root in (peer.pid, *processes.ancestors(peer.pid))
            # orphans, and ranks that a launcher of the cluster has started, descend from others
            or (peer.instance == self._instance and peer.manager == self.location)
        )
        if not ours or peer.user != os.geteuid():
            refusals.note("foreign", f"it is not {self._instance}", sock, peer)
            return False
        return True

    def _program_at(self, locations: tuple[str, ...]) -> socket.socket:
        """Connect to the server of the program."""
        told = [one for place in locations for one in place.partition(":")[2].split(",") if one]
        if not told:  # libmuscle names no address where there is only loopback
            members = processes.descendants(self._root) | {self._root}
            told = [f"127.0.0.1:{port}" for port in peers.listening(members)]
        for address in told:
            with contextlib.suppress(OSError):
                return connections.plain(address)
        raise ConnectionRefusedError(f"{self._instance} does not listen")

    def _to_manager(self, program: socket.socket) -> None:
        manager = self._keep(connections.reach([self._manager]))
        try:
            self._converse(program, manager)
        finally:
            self._drop(manager)

    def _converse(self, program: socket.socket, manager: Connection) -> None:
        """Pass on requests and answers, and change those that say where somebody is."""
        manager.sendall(_exactly(program, 8))  # the session
        program.sendall(_exactly(manager, 8))
        while any(number := _exactly(program, 8)):
            request = self._rewritten(_frame(program))
            manager.sendall(number + _length(request) + request)
            response = _frame(manager)
            if _kind(request) == _PEERS:
                response = self._with_ports(response)
            program.sendall(_length(response) + response)
        manager.sendall(number)

    def _rewritten(self, request: bytes) -> bytes:
        """Return a request in which the program is registered at a port of this relay."""
        if _kind(request) != _REGISTER:
            return request
        import msgpack

        words = msgpack.unpackb(request, raw=False)
        words[2] = [self._port(tuple(words[2]), self._for_peers)]
        packed: bytes = msgpack.packb(words, use_bin_type=True)
        return packed

    def _with_ports(self, response: bytes) -> bytes:
        """Return an answer in which every peer is at a port of this relay."""
        import msgpack

        words = msgpack.unpackb(response, raw=False)
        if words[0] == _SUCCESS:
            words[3] = {
                peer: [self._port(tuple(places), self._for_peer)]
                for peer, places in words[3].items()
            }
        packed: bytes = msgpack.packb(words, use_bin_type=True)
        return packed

    def _for_peer(self, locations: tuple[str, ...]) -> str:
        """Open a port that leads the program to one of its peers."""

        def to_peer(program: socket.socket) -> None:
            self._pass_on(program, connections.reach(locations))

        return self._for_program(to_peer)

    def _port(self, locations: tuple[str, ...], make: Callable[[tuple[str, ...]], str]) -> str:
        """Return the port that stands for some locations; the same one if asked again."""
        key = (make.__name__, *locations)
        if key not in self._ports:
            self._ports[key] = make(locations)
        return self._ports[key]

    def _pass_on(self, one: Connection, other: Connection) -> None:
        """Pass bytes on between two connections until either ends."""
        self._keep(other)
        try:
            _pump(one, other)
        finally:
            self._drop(other)

    def _keep(self, sock: Any) -> Any:
        with self._lock:
            self._open.append(sock)
        return sock

    def _drop(self, sock: Any) -> None:
        with self._lock:
            if sock in self._open:
                self._open.remove(sock)
        shut(sock)
        sock.close()

    @staticmethod
    def _in_thread(function: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=function, args=arguments, name="relay", daemon=True).start()


def _pump(one: Connection, other: Connection) -> None:
    poll = select.poll()
    ends = {one.fileno(): (one, other), other.fileno(): (other, one)}
    for number in ends:
        poll.register(number, select.POLLIN)
    buffer = bytearray(_PIECE)
    while True:
        for number, _ in poll.poll():
            source, target = ends[number]
            while True:
                count = source.recv_into(buffer)
                if not count:
                    return
                target.sendall(memoryview(buffer)[:count])
                if not (isinstance(source, Channel) and source.pending()):
                    break


def _exactly(sock: Connection, size: int) -> bytes:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        count = sock.recv_into(view)
        if not count:
            raise ConnectionResetError("the connection ended")
        view = view[count:]
    return bytes(data)


def _frame(sock: Connection) -> bytes:
    return _exactly(sock, checked(int.from_bytes(_exactly(sock, 8), "little")))


def _length(data: Sequence[int]) -> bytes:
    return len(data).to_bytes(8, "little")


def _kind(message: bytes) -> int:
    """Return the kind of a request: the first number of a short MessagePack list."""
    return message[1] if len(message) > 1 and message[0] & 0xF0 == 0x90 else -1
