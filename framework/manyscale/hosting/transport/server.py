"""The sending side of an instance for peers on its own host."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from typing import Any

from libmuscle.mcp.transport_server import RequestHandler, TransportServer

from manyscale.hosting.transport import local_socket, wire
from manyscale.hosting.transport.local_socket import Location
from manyscale.hosting.transport.outgoing import ASK, HEAD, LEAVE, ROOM, Outgoing, Peer
from manyscale.hosting.transport.segments import Pool
from manyscale.hosting.transport.wire import Shipment

_logger = logging.getLogger(__name__)
_GRACE = 60.0  # s for receivers to hang up, as long as libmuscle gives them
_PAUSE = 0.05  # s between two attempts to accept a connection


class Dispatch:
    """Everything that an instance sends to peers on its host."""

    def __init__(self, layers: frozenset[str], budget: int) -> None:
        self.layers = layers
        self.pool = Pool(budget)
        self.loading = wire.Loading(self.pool)
        self.outgoing: dict[str, Outgoing] = {}
        """By the port that receives, of peers on this host that understand this."""
        self._resized: dict[str, bool] = {}
        """Ports with as many slots as is sent to, and whether they understand arrays in memory."""
        self._lock = threading.Lock()

    def to(self, receiver: str) -> Outgoing | None:
        """Return how a port on this host is reached, None if it is not reached like this."""
        found = self._known(receiver)
        return None if found is None or found.stock is not None else found

    def encoded(self, parts: dict[str, Any]) -> Shipment:
        """Return a message, what `wire.plain` gives of it, as its receiver understands it.

        Raises `RuntimeError` if the receiver is gone.
        """
        to = self.to(parts["receiver"])
        if to is None:
            return wire.stock(parts)
        if to.gone:
            peer = parts["receiver"].rpartition(".")[0]
            raise RuntimeError(
                f"Error while sending a message: connection with peer '{peer}' was lost. Did the"
                " peer crash?"
            )
        return self.loading.shipped(parts) if to.carries else wire.stock(parts)

    def meet(self, receiver: str) -> Outgoing:
        """Send to a port in this way from now on."""
        with self._lock:
            found = self.outgoing.get(receiver)
            if found is None:
                found = self.outgoing[receiver] = Outgoing(receiver, self._inlined)
                found.carries = self._resized.get(_port_of(receiver), False)
            return found

    def meet_slots(self, port: str, carries: bool) -> None:
        """Send to all slots of a port in this way, however many there will be."""
        with self._lock:
            self._resized[port] = carries
            for to in self.sent_to(port):
                to.carries = carries

    def sent_to(self, port: str) -> list[Outgoing]:
        """Return what is sent to a port, or to the slots that it has so far."""
        if port in self._resized:
            return [to for name, to in [*self.outgoing.items()] if _port_of(name) == port]
        return [self.outgoing[port]] if port in self.outgoing else []

    def _known(self, receiver: str) -> Outgoing | None:
        found = self.outgoing.get(receiver)
        if found is None and _port_of(receiver) in self._resized:
            return self.meet(receiver)
        return found

    def attach(self, office: Any) -> None:
        """Take the place of libmuscle's post office for the ports that are known here."""
        deposit, get, wait = office.deposit, office.get_message, office.wait_for_receivers

        def deposit_here(receiver: Any, message: Any) -> None:
            to = self._known(str(receiver))
            if to is None:
                deposit(receiver, message)
            else:
                to.send(message if isinstance(message, Shipment) else Shipment(message))

        def get_message(receiver: Any) -> Any:
            to = self._known(str(receiver))
            if to is not None:  # it could not connect here
                to.become_stock(lambda message: deposit(receiver, message))
            return get(receiver)

        def wait_for_receivers() -> None:
            while not all(to.delivered for to in [*self.outgoing.values()]):
                time.sleep(0.002)
            wait()

        office.deposit = deposit_here
        office.get_message = get_message
        office.wait_for_receivers = wait_for_receivers

    def _inlined(self, message: bytes) -> Shipment:
        """Return a message that needs no segments, as libmuscle itself encodes it."""
        return wire.inlined(message, self.pool)


class LocalServer(TransportServer):
    """Serves peers on this host."""

    dispatch: Dispatch

    def __init__(self, handler: RequestHandler) -> None:
        super().__init__(handler)
        self.dispatch.attach(handler._post_office)  # type: ignore[attr-defined]
        self._socket, self._name = local_socket.listening()
        self._open: set[socket.socket] = set()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def get_location(self) -> str:
        """Return where peers on this host connect."""
        layers = ",".join(sorted(self.dispatch.layers & {"payload", "ring"}))
        return str(Location(local_socket.this_host(), self._name, layers))

    def close(self, graceful: bool = True) -> None:
        """Wait until all receivers have hung up, then listen no more."""
        deadline = time.monotonic() + (_GRACE if graceful else 0.0)
        while self._open and time.monotonic() < deadline:
            time.sleep(0.002)
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for made in list(self._open):
            with contextlib.suppress(OSError):  # who still reads may go on to the last message
                made.send(HEAD.pack(LEAVE, 0, 0), socket.MSG_DONTWAIT)
                made.shutdown(socket.SHUT_RDWR)
        self.dispatch.pool.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                made, _ = self._socket.accept()
            except OSError:  # closed, or there is no descriptor left, for a while
                time.sleep(0.0 if self._closed else _PAUSE)
                continue
            self._open.add(made)
            threading.Thread(target=self._serve, args=(made,), daemon=True).start()

    def _serve(self, made: socket.socket) -> None:
        served: dict[int, Outgoing] = {}
        try:
            with made:
                local_socket.admit(made)
                peer = Peer(made)
                while packet := _without_descriptor(*local_socket.receive(made)):
                    self._heed(packet, peer, served)
        except ConnectionError as exc:
            _logger.info("A connection on this host ended: %s", exc)
        except Exception:
            _logger.exception("A connection on this host was closed because of an error")
        finally:
            for to in served.values():
                to.lose()
            self._open.discard(made)

    def _heed(self, packet: bytes, peer: Peer, served: dict[int, Outgoing]) -> None:
        what, number, ring = HEAD.unpack_from(packet)
        if what == ROOM:
            served[number].room()
            return
        if what != ASK:
            raise ConnectionError(f"a packet {what!r} that is not understood")
        if number in served:
            served[number].ask()
            return
        to = served[number] = self.dispatch.meet(packet[HEAD.size :].decode())
        to.subscribe(peer, number, bool(ring) and "ring" in self.dispatch.layers)


def _port_of(slot: str) -> str:
    """Return the port that a slot belongs to, nothing if it is none."""
    return slot.rpartition("[")[0]


def _without_descriptor(packet: bytes, descriptor: int | None) -> bytes:
    """Return a packet of a receiver, who has none to hand over."""
    if descriptor is not None:
        os.close(descriptor)
        raise ConnectionError("a descriptor that nobody asked for")
    return packet
