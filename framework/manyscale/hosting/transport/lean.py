"""libmuscle with what it would work out again for every message worked out once for each port."""

from __future__ import annotations

from typing import Any, NamedTuple

from libmuscle.communicator import Communicator, Message
from libmuscle.endpoint import Endpoint
from libmuscle.mpp_message import Milestone
from libmuscle.port import Port
from libmuscle.profiling import ProfileEvent, ProfileEventType, ProfileTimestamp
from ymmsl.v0_2 import Reference

from manyscale.hosting.transport import wire
from manyscale.hosting.transport.server import Dispatch

_Ends = tuple[Endpoint, list[Endpoint]]
_SEND = ProfileEventType.SEND


class _Spelled(Reference):
    """A reference that knows how it is written."""

    def __init__(self, of: Reference) -> None:
        super().__init__(list(of))
        self._text, self._hash = str(of), hash(of)

    def __str__(self) -> str:
        return self._text

    def __hash__(self) -> int:
        return self._hash


class _Known(Endpoint):
    """An endpoint whose references are there already."""

    def __init__(self, end: Endpoint) -> None:
        super().__init__(end.kernel, end.index, end.port, end.slot)
        self._ref, self._instance = _Spelled(end.ref()), _Spelled(end.instance())

    def ref(self) -> Reference:
        """Return the reference of the endpoint."""
        return self._ref

    def instance(self) -> Reference:
        """Return the reference of its instance."""
        return self._instance


class _Sending(NamedTuple):
    """What never changes about the messages from one port."""

    port: Port
    sender: str
    receivers: list[tuple[Reference, str]]


class LeanCommunicator(Communicator):
    """Sends and receives as libmuscle's own does."""

    dispatch: Dispatch

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._ends: dict[tuple[str, int | None], _Ends] = {}
        self._sending: dict[tuple[str, int | None], _Sending | None] = {}

    def send_message(self, port_name: str, message: Message, slot: int | None = None) -> None:
        """Send a message as libmuscle does; leave to it what is no plain message on a plain way."""
        if (port_name, slot) not in self._sending:
            self._sending[port_name, slot] = self._plain_way(port_name, slot)
        way, data = self._sending[port_name, slot], message.data
        if way is None or isinstance(data, Milestone) or not way.port.is_open(slot):
            super().send_message(port_name, message, slot)
            return
        port = way.port
        iteration = self._timeline_manager.check_send_message(port_name, slot)
        number = port.get_num_messages(slot)
        begun = ProfileTimestamp()
        time = float(message.timestamp)
        event = ProfileEvent(_SEND, begun, None, port, None, slot, number, None, time)
        length = port.get_length() if port.is_vector() else None
        resized = length if port.is_resizable() else None
        after = None if message.next_timestamp is None else float(message.next_timestamp)
        told = (way.sender, "", resized, time, after, message.settings, number, data, iteration)
        parts: dict[str, Any] = dict(zip(wire.PARTS, told, strict=True))
        for receiver, text in way.receivers:
            parts["receiver"] = text
            encoded = self.dispatch.encoded(parts)
            event.message_size = len(encoded) + encoded.shared
            self._server.deposit(receiver, encoded)
        event.stop()
        event.port_length = length
        self._profiler.record_event(event)
        port.increment_num_messages(slot)

    def _plain_way(self, port_name: str, slot: int | None) -> _Sending | None:
        """Return where messages from a port go, None if something happens to them on the way."""
        port = self._port_manager.get_port(port_name)
        if not port.is_connected():
            return None
        mine, peers = self._get_endpoints(port, slot)
        if any(peer.kernel + peer.port in self._outgoing_timeline_length for peer in peers):
            return None
        return _Sending(port, str(mine), [(peer.ref(), str(peer)) for peer in peers])

    def _get_endpoints(self, port: Port, slot: int | None) -> _Ends:
        key = str(port.name), slot
        if key not in self._ends:
            mine, peers = super()._get_endpoints(port, slot)
            self._ends[key] = _Known(mine), [_Known(peer) for peer in peers]
        return self._ends[key]
