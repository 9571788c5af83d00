"""The receiving side of an instance for peers on its own host."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time
from typing import Any

import msgpack
import numpy as np
from libmuscle.mcp.tcp_util import SocketClosed
from libmuscle.mcp.transport_client import ProfileData, TimeoutHandler, TransportClient
from libmuscle.profiling import ProfileTimestamp

from manyscale.contract.fields import Array
from manyscale.hosting.transport import local_socket
from manyscale.hosting.transport.lane import Lane
from manyscale.hosting.transport.local_socket import Location
from manyscale.hosting.transport.outgoing import (
    ASK,
    BELL,
    FORGET,
    HEAD,
    LANE,
    LEAVE,
    PART,
    ROOM,
    SEGMENT,
)
from manyscale.hosting.transport.segments import MOST as MOST_SEGMENTS
from manyscale.hosting.transport.segments import BrokenPeerError, mapped
from manyscale.hosting.transport.waiting import Patience
from manyscale.hosting.transport.wire import Arrived

_PROMPT = 10.0  # s for what a peer sends without waiting for anybody
_SELDOM = 0.2  # s between two looks at whether a sender lives whose messages keep coming
MOST = 2**32 + 2**20
"""Bytes of one message, as much as MessagePack holds."""


class Incoming:
    """Messages that come to one port of this instance."""

    def __init__(self, connection: Connection, number: int, looks: bool) -> None:
        self._connection, self._number = connection, number
        self.lane: Lane | None = None
        self.parts: list[bytes] = []
        """Of the next message, where it comes over the socket."""
        self.missing = 0
        self._patience = Patience(looks=looks)

    def mapping(self, segment: int) -> Array:
        """Return the bytes of a segment."""
        return self._connection.mapping(segment)

    def release(self, segment: int, filling: int) -> None:
        """Say that a filling is needed no more."""
        if self.lane is not None:
            self.lane.release(segment, filling)

    def next(self, clock: _Clock) -> Arrived:
        """Return the next message; wait for it."""
        lane = self.lane
        assert lane is not None
        self._connection.look()
        message = self._read(lane, clock) if lane.ring else self._asked_for(clock)
        clock.came()
        message.source = self
        return message

    def _read(self, lane: Lane, clock: _Clock) -> Arrived:
        self._patience.wait(lane.ready, lambda: self._sleep(lane, clock))
        clock.came()
        whole = lane.whole()
        message = Arrived(self._in_pieces(lane, clock) if whole is None else whole)
        if lane.sender_waits():
            self._connection.tell(ROOM, self._number)
        return message

    def _sleep(self, lane: Lane, clock: _Clock) -> None:
        """Wait for the bell."""
        while not lane.ready():
            lane.sleep(True)
            try:
                if not lane.ready() and not self._connection.heed(clock) and not lane.ready():
                    raise SocketClosed("The sender has ended")
            finally:
                lane.sleep(False)

    def _in_pieces(self, lane: Lane, clock: _Clock) -> bytearray:
        """Read a message that goes round the end of the ring, or is larger than it."""
        head = bytearray(8)
        self._fill(lane, memoryview(head), clock)
        length = int.from_bytes(head, "little")
        if length > MOST:
            raise BrokenPeerError(f"a message of {length} bytes was announced.")
        found = bytearray(length)
        self._fill(lane, memoryview(found), clock)
        return found

    def _fill(self, lane: Lane, target: memoryview, clock: _Clock) -> None:
        while target:
            target = target[lane.read(target) :]
            if target:
                if lane.sender_waits():
                    self._connection.tell(ROOM, self._number)
                self._sleep(lane, clock)

    def _asked_for(self, clock: _Clock) -> Arrived:
        self._connection.tell(ASK, self._number)
        self.missing = -1
        while self.missing:
            if not self._connection.heed(clock):
                raise SocketClosed("The sender has ended")
        parts, self.parts = self.parts, []
        return Arrived(b"".join(parts))


class _Clock:
    """Calls libmuscle's handler when a message does not come, as its own client does."""

    def __init__(self, handler: TimeoutHandler | None) -> None:
        self._handler = handler
        self._deadline: float | None = None
        self._late = False
        self.arrived: ProfileTimestamp | None = None

    def left(self) -> float | None:
        """Return the ms until the handler is to be called, None for never."""
        if self._handler is None:
            return None
        if self._deadline is None:
            self._deadline = time.monotonic() + self._handler.timeout
        return max(0.0, 1e3 * (self._deadline - time.monotonic()))

    def passed(self) -> None:
        """Call the handler: time is up."""
        assert self._handler is not None
        assert self._deadline is not None
        self._handler.on_timeout()
        self._deadline += self._handler.timeout
        self._late = True

    def came(self) -> None:
        """Note that the message is here."""
        self.arrived = self.arrived or ProfileTimestamp()
        if self._late and self._handler is not None:
            self._handler.on_receive()
            self._late = False


class Connection:
    """The socket to one sender, and the segments that it has shown."""

    def __init__(self, name: str) -> None:
        self._socket = local_socket.connected(name)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._segments: dict[int, Array] = {}
        self._looked = time.monotonic()
        self._ends_well = False
        self.incoming: dict[int, Incoming] = {}

    def tell(self, what: bytes, number: int, ring: int = 0, rest: bytes = b"") -> None:
        """Send a packet."""
        self._socket.sendall(HEAD.pack(what, number, ring) + rest)

    def look(self) -> None:
        """See now and then whether the sender was killed; what it left is of no use then.

        Raises `SocketClosed` if it was.
        """
        now = time.monotonic()
        if now < self._looked + _SELDOM:
            return
        self._looked = now
        while not self._ends_well and self._poll.poll(0):
            if not self.heed(_Clock(None)) and not self._ends_well:
                raise SocketClosed("The sender was killed")

    def mapping(self, segment: int) -> Array:
        """Return the bytes of a segment, which was sent before what refers to it."""
        promptly = _Clock(_Promptly())
        while segment not in self._segments:
            if not self.heed(promptly):
                raise BrokenPeerError(f"segment {segment} was never sent.")
        return self._segments[segment]

    def heed(self, clock: _Clock) -> bool:
        """Wait for a packet and do what it says; return False if the sender has ended."""
        while not self._poll.poll(clock.left()):
            clock.passed()
        packet, descriptor = local_socket.receive(self._socket)
        if not packet:
            return False
        try:
            self._do(packet, descriptor)
        except (struct.error, LookupError):
            raise BrokenPeerError(f"a packet {packet[:32]!r} arrived, not understood.") from None
        return True

    def _do(self, packet: bytes, descriptor: int | None) -> None:
        what, one, two = HEAD.unpack_from(packet)
        if what == LANE and descriptor is not None:
            self.incoming[one].lane = Lane.join(descriptor, two)
        elif what == SEGMENT and descriptor is not None and one < MOST_SEGMENTS:
            self._segments[one] = np.frombuffer(mapped(descriptor, two, writable=False), np.uint8)
        elif descriptor is not None:
            os.close(descriptor)
            raise LookupError
        elif what == LEAVE:
            self._ends_well = True
        elif what == FORGET:
            self._segments.pop(one, None)
        elif what == PART:
            part = packet[HEAD.size :]
            self.incoming[one].parts.append(part)
            self.incoming[one].missing = two - len(part)
        elif what != BELL:
            raise LookupError

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class _Promptly(TimeoutHandler):
    """Gives up on what should be there already."""

    timeout = _PROMPT

    def on_timeout(self) -> None:
        raise BrokenPeerError(f"what was announced did not come within {_PROMPT:g} s.")


class LocalClient(TransportClient):
    """Receives from one peer on this host."""

    layers: frozenset[str]

    @staticmethod
    def can_connect_to(location: str) -> bool:
        """Return whether a location is on this host."""
        place = Location.parsed(location)
        return place is not None and place.here

    def __init__(self, location: str) -> None:
        place = Location.parsed(location)
        assert place is not None
        self._rings = "ring" in self.layers and "ring" in place.layers.split(",")
        self._connection = Connection(place.name)
        self._ports: dict[bytes, Incoming] = {}

    def call(
        self, request: Any, timeout_handler: TimeoutHandler | None = None
    ) -> tuple[Arrived, ProfileData]:
        """Return the next message for the port that a request names."""
        begun = ProfileTimestamp()
        port = self._ports.get(request) or self._subscribed(bytes(request))
        clock = _Clock(timeout_handler)
        message = port.next(clock)
        return message, (begun, clock.arrived or begun, ProfileTimestamp())

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _subscribed(self, request: bytes) -> Incoming:
        number = len(self._ports)
        port = Incoming(self._connection, number, "spin" in self.layers)
        self._connection.incoming[number] = port
        receiver = msgpack.unpackb(request)[1]
        self._connection.tell(ASK, number, self._rings, receiver.encode())
        promptly = _Clock(_Promptly())
        while port.lane is None:
            if not self._connection.heed(promptly):
                raise SocketClosed("The sender has ended")
        self._ports[request] = port
        return port
