"""Messages on their way to one receiving port of a peer on this host."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from manyscale.hosting.transport import local_socket
from manyscale.hosting.transport.lane import RING, Lane
from manyscale.hosting.transport.segments import Segment
from manyscale.hosting.transport.wire import Shipment

LANE, SEGMENT, FORGET, BELL, PART, LEAVE = b"L", b"S", b"F", b"B", b"P", b"E"
"""What a packet from the sender begins with."""
ASK, ROOM = b"A", b"R"
"""What a packet from the receiver begins with."""
HEAD = struct.Struct("<cQQ")
"""Begins every packet: what it is, and two numbers."""
_LATER = (errno.EAGAIN, errno.ETOOMANYREFS)
_PIECE = local_socket.PACKET - HEAD.size


class Peer:
    """A connection to a process that receives, with the segments it was shown."""

    def __init__(self, made: socket.socket) -> None:
        self._socket = made
        self._shown: set[int] = set()
        self._forgotten: deque[int] = deque()

    def show(self, segment: Segment) -> bool:
        """Let it have a segment before a message refers to it; return False if that would wait.

        It would where the peer has too much to look at before.
        """
        if segment.number in self._shown:
            return True
        head = HEAD.pack(SEGMENT, segment.number, segment.capacity)
        try:
            held = segment.descriptor
            local_socket.send_descriptor(self._socket, head, held, socket.MSG_DONTWAIT)
        except OSError as exc:
            if exc.errno not in _LATER:
                raise
            return False
        self._shown.add(segment.number)
        return True

    def forget(self, segment: int) -> None:
        """Let it unmap a segment, now or with the next one."""
        self._forgotten.append(segment)
        with contextlib.suppress(OSError):
            while self._forgotten:
                packet = HEAD.pack(FORGET, self._forgotten[0], 0)
                self._socket.send(packet, socket.MSG_DONTWAIT)
                self._forgotten.popleft()

    def give(self, lane: Lane, descriptor: int, number: int) -> None:
        """Hand over a lane that it has asked for."""
        head = HEAD.pack(LANE, number, lane.ring)
        local_socket.send_descriptor(self._socket, head, descriptor)
        os.close(descriptor)

    def tell(self, what: bytes, one: int = 0, two: int = 0, rest: Any = b"") -> None:
        """Send a packet."""
        self._socket.sendall(b"".join([HEAD.pack(what, one, two), rest]))

    def wake(self, number: int) -> None:
        """Wake it up; where many bells wait it will be awake anyway."""
        with contextlib.suppress(BlockingIOError):
            self._socket.send(HEAD.pack(BELL, number, 0), socket.MSG_DONTWAIT)


class Outgoing:
    """What one receiving port is sent, in order, from before it asks until it is gone."""

    def __init__(self, receiver: str, inlined: Callable[[bytes], Shipment]) -> None:
        self.receiver = receiver
        self._inlined = inlined
        self._lock = threading.Lock()
        self._queue: deque[Shipment] = deque()
        """Messages that wait to be asked for."""
        self._backlog: deque[memoryview] = deque()
        """What did not fit into the ring."""
        self._peer: Peer | None = None
        self._lane: Lane | None = None
        self._number = 0
        self._copied: dict[int, int] = {}
        """The last filling of every segment that was copied for this receiver."""
        self._asked = False
        self.stock: Callable[[bytes], None] | None = None
        """Where messages go if the receiver asks in the stock way after all."""
        self.carries = False
        """Whether the receiver understands arrays beside messages."""
        self.gone = False
        self.messages = self.shared = 0
        """Messages sent so far, and bytes of arrays that were in segments."""

    # ---- the thread of the model

    def send(self, message: Shipment) -> None:
        """Send a message without waiting for its receiver."""
        with self._lock:
            self.messages += 1
            self.shared += message.shared
            if self.stock is not None:
                self.stock(self._inlined(message) if message.segment else message)
                return
            if message.segment is not None:
                message.segment.sent_to(self)
            if self.gone:
                return
            try:
                self._pass_on(message)
            except OSError:
                self._lose()

    def has_released(self, segment: int, filling: int) -> bool:
        """Return whether the receiver needs a filling of a segment no more."""
        if self.gone or self.stock is not None:
            return True
        if self._copied.get(segment, 0) >= filling:
            return True
        lane = self._lane  # the thread of the connection may let it go meanwhile
        return lane is not None and lane.has_released(segment, filling)

    def forget(self, segment: int) -> None:
        """Let the receiver unmap a segment."""
        peer = self._peer
        if peer is not None:
            peer.forget(segment)

    @property
    def delivered(self) -> bool:
        """Whether nothing waits here any more."""
        return self.gone or not (self._queue or self._backlog)

    def _pass_on(self, message: Shipment) -> None:
        lane = self._lane
        if lane is None or self._peer is None:
            self._queue.append(message)
        elif lane.ring:
            self._write(self._peer, lane, message)
        else:
            self._queue.append(message)
            self._answer()

    def _write(self, peer: Peer, lane: Lane, message: Shipment) -> None:
        if message.segment is not None and not peer.show(message.segment):
            message = self._copy(message, message.segment)
        framed = memoryview(len(message).to_bytes(8, "little") + message)
        if not self._backlog:
            framed = framed[lane.write(framed) :]
        if framed:
            self._backlog.append(framed)
            self._drain(peer, lane)
        if lane.reader_sleeps:
            peer.wake(self._number)

    def _copy(self, message: Shipment, segment: Segment) -> Shipment:
        """Return a message with its arrays inside, for a receiver that has not got the segment."""
        self._copied[segment.number] = segment.filling
        self.shared -= message.shared
        return self._inlined(message)

    def _drain(self, peer: Peer, lane: Lane) -> None:
        """Write what waits; whoever reads says when there is room again."""
        while self._backlog:
            written = lane.write(self._backlog[0])
            if written == len(self._backlog[0]):
                self._backlog.popleft()
                continue
            self._backlog[0] = self._backlog[0][written:]
            if not lane.wait_for_room():
                break

    # ---- the thread of the connection

    def subscribe(self, peer: Peer, number: int, ring: bool) -> None:
        """Give the receiver a lane, and everything that waits for it."""
        with self._lock:
            lane, descriptor = Lane.make(RING if ring else 0)
            peer.give(lane, descriptor, number)
            self._peer, self._lane, self._number = peer, lane, number
            if lane.ring:
                while self._queue:
                    self._write(peer, lane, self._queue.popleft())

    def ask(self) -> None:
        """Send the next message over the socket as soon as there is one."""
        with self._lock:
            self._asked = True
            self._answer()

    def room(self) -> None:
        """Go on writing into the ring."""
        with self._lock:
            if self._peer is not None and self._lane is not None:
                self._drain(self._peer, self._lane)
                if self._lane.reader_sleeps:
                    self._peer.wake(self._number)

    def lose(self) -> None:
        """Drop what waits: the receiver is gone."""
        with self._lock:
            self._lose()

    def _lose(self) -> None:
        self.gone = True
        self._queue.clear()
        self._backlog.clear()
        self._peer = self._lane = None  # and with it a descriptor

    def become_stock(self, deposit: Callable[[bytes], None]) -> None:
        """Let the receiver have its messages in the stock way from the first one on."""
        with self._lock:
            if self.stock is None and self._lane is None and not self.gone:
                while self._queue:
                    message = self._queue.popleft()
                    deposit(self._inlined(message) if message.segment else message)
                self.stock = deposit

    def _answer(self) -> None:
        if not (self._asked and self._queue and self._peer is not None):
            return
        self._asked = False
        message = self._queue.popleft()
        if message.segment is not None and not self._peer.show(message.segment):
            message = self._copy(message, message.segment)
        view = memoryview(message)
        for start in range(0, max(len(view), 1), _PIECE):
            piece = view[start : start + _PIECE]
            self._peer.tell(PART, self._number, len(view) - start, piece)
