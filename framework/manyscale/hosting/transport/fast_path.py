"""Puts the fast path into libmuscle before an instance is made, and finds the peers it reaches."""

from __future__ import annotations

import logging
from typing import Any

import libmuscle.instance
from libmuscle.mcp import type_registry
from libmuscle.mpp_message import Milestone, MPPMessage

from manyscale.hosting.transport import layers, wire
from manyscale.hosting.transport.budget import budget
from manyscale.hosting.transport.client import LocalClient
from manyscale.hosting.transport.lean import LeanCommunicator
from manyscale.hosting.transport.local_socket import Location
from manyscale.hosting.transport.server import Dispatch, LocalServer

_logger = logging.getLogger(__name__)


class FastPath:
    """How one instance exchanges messages with peers on its host."""

    def __init__(self) -> None:
        self.layers, self.why_not = layers.possible(layers.asked())
        for layer, why in self.why_not.items():
            _logger.warning("Messages: the layer %s is off: %s.", layer, why)
        self.dispatch = Dispatch(self.layers, budget())

    def install(self) -> None:
        """Let the next instance of this process use the layers that are on."""
        if self.layers & {"payload", "ring"}:
            server = _with(LocalServer, dispatch=self.dispatch)
            client = _with(LocalClient, layers=self.layers)
            type_registry.transport_server_types.append(server)
            type_registry.transport_client_types.insert(0, client)
        if "payload" in self.layers:
            _carry_arrays(self.dispatch)
        if "lean" in self.layers:
            libmuscle.instance.Communicator = LeanCommunicator  # type: ignore[attr-defined]

    def meet(self, instance: Any) -> None:
        """Find the receivers on this host that understand this."""
        communicator = instance._communicator
        for port in communicator._port_manager._ports.values():
            if port.operator.allows_sending() and port.is_connected():
                self._meet_receivers(communicator, port)

    def _meet_receivers(self, communicator: Any, port: Any) -> None:
        info = communicator._peer_info
        for slot in range(port.get_length()) if port.is_vector() else [None]:
            for end in info.get_peer_endpoints(port.name, slot):
                places = map(Location.parsed, info.get_peer_locations(end.instance()))
                place = next((p for p in places if p is not None and p.here), None)
                if place is not None and self.layers & {"payload", "ring"}:
                    to = self.dispatch.meet(str(end.ref()))
                    to.carries = "payload" in place.layers.split(",")


def _with(kind: type, **what: Any) -> Any:
    """Return a class of transport that libmuscle can make without knowing what it needs."""
    return type(kind.__name__, (kind,), what)


def _carry_arrays(dispatch: Dispatch) -> None:
    stock = MPPMessage.encoded

    def encoded(self: MPPMessage) -> Any:
        to = dispatch.to(str(self.receiver))
        if to is None or not to.carries or isinstance(self.data, Milestone):
            return stock(self)
        return dispatch.loading.shipped(wire.plain(self))

    MPPMessage.encoded = encoded  # type: ignore[method-assign]
    MPPMessage.from_bytes = staticmethod(wire.from_bytes)  # type: ignore[method-assign,assignment]
