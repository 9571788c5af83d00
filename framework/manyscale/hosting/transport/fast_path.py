"""Puts the fast path into libmuscle before an instance is made, and finds the peers it reaches."""

from __future__ import annotations

import logging
import resource
from pathlib import Path
from typing import Any

import libmuscle.instance
from libmuscle import mmp_client
from libmuscle.mcp import type_registry
from libmuscle.mpp_message import Milestone, MPPMessage

from manyscale.hosting.transport import account, layers, wire
from manyscale.hosting.transport.account import Account, Way
from manyscale.hosting.transport.budget import budget
from manyscale.hosting.transport.client import LocalClient
from manyscale.hosting.transport.lean import LeanCommunicator
from manyscale.hosting.transport.lean_profiler import Encoding, LeanProfiler
from manyscale.hosting.transport.local_socket import Location
from manyscale.hosting.transport.server import Dispatch, LocalServer

_OVER_MEMORY = frozenset(("payload", "ring"))
_DESCRIPTORS = 2**16
_logger = logging.getLogger(__name__)


class FastPath:
    """How one instance exchanges messages with peers on its host; `folder` is the instance's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ways: list[Way] = []
        self.layers, self.why_not = layers.possible(layers.asked())
        for layer, why in self.why_not.items():
            _logger.warning("Messages: the layer %s is off: %s.", layer, why)
        self.dispatch = Dispatch(self.layers, budget())

    def install(self) -> None:
        """Let the next instance of this process use the layers that are on."""
        if self.layers & _OVER_MEMORY:
            _allow_descriptors()
            server = _with(LocalServer, dispatch=self.dispatch)
            client = _with(LocalClient, layers=self.layers)
            type_registry.transport_server_types.append(server)
            type_registry.transport_client_types.insert(0, client)
        if "payload" in self.layers:
            _carry_arrays(self.dispatch)
        if "lean" in self.layers:
            lean = _with(LeanCommunicator, dispatch=self.dispatch)
            libmuscle.instance.Communicator = lean  # type: ignore[attr-defined]
            libmuscle.instance.Profiler = LeanProfiler  # type: ignore[attr-defined]
            mmp_client.encode_profile_event = Encoding()

    def meet(self, instance: Any) -> None:
        """Find the receivers on this host that understand this."""
        communicator = instance._communicator
        for port in communicator._port_manager._ports.values():
            if port.operator.allows_sending() and port.is_connected():
                self._meet_receivers(communicator, port)
        self.tell()

    def tell(self) -> None:
        """Leave an account of how messages travel."""
        pool = self.dispatch.pool
        for way in self._ways:
            sent = self.dispatch.sent_to(way.receiver)
            way.messages = sum(to.messages for to in sent)
            way.shared = sum(to.shared for to in sent)
            if any(to.stock is not None for to in sent):
                way.way, way.why = account.STOCK, "its receiver could not connect in memory"
        told = Account(tuple(self._ways), pool.budget, pool.most, pool.refused)
        account.write(self._folder, told)

    def _meet_receivers(self, communicator: Any, port: Any) -> None:
        info = communicator._peer_info
        resized = port.is_resizable()  # has no slots yet
        count = 1 if resized else port.get_length() if port.is_vector() else None
        for slot in [None] if count is None else range(count):
            mine = communicator._get_endpoints(port, slot)[0]
            for end in info.get_peer_endpoints(port.name, slot):
                sender, receiver = (str(one).removesuffix("[0]" * resized) for one in (mine, end))
                way = Way(sender, receiver, account.STOCK)
                self._ways.append(way)
                self._meet(way, info.get_peer_locations(end.instance()), resized)

    def _meet(self, way: Way, locations: list[str], resized: bool) -> None:
        """Send to a receiver in memory if it and this instance can."""
        places = [place for place in map(Location.parsed, locations) if place is not None]
        here = next((place for place in places if place.here), None)
        if not self.layers & _OVER_MEMORY:
            way.why = self._reason(_OVER_MEMORY)
        elif not places:
            way.why = "its receiver does not offer more"
        elif here is None:
            way.why = "its receiver is on another host"
        else:
            theirs = frozenset(here.layers.split(","))
            both = self.layers & theirs
            if resized:
                self.dispatch.meet_slots(way.receiver, "payload" in both)
            else:
                self.dispatch.meet(way.receiver).carries = "payload" in both
            way.way = account.RING if "ring" in both else account.SOCKET
            way.why = "" if both >= _OVER_MEMORY else self._reason(_OVER_MEMORY - both)

    def _reason(self, layers: frozenset[str]) -> str:
        """Return why some layers are not used."""
        told = [self.why_not[layer] for layer in sorted(layers) if layer in self.why_not]
        return told[0] if told else f"{' and '.join(sorted(layers))} switched off"


def _allow_descriptors() -> None:
    """Take as many descriptors as this process may: every segment and lane has some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _with(kind: type, **what: Any) -> Any:
    """Return a class that libmuscle can make without knowing what it needs."""
    return type(kind.__name__, (kind,), what)


def _carry_arrays(dispatch: Dispatch) -> None:
    stock = MPPMessage.encoded

    def encoded(self: MPPMessage) -> Any:
        known = dispatch.to(str(self.receiver)) is not None
        plain = known and not isinstance(self.data, Milestone)
        return dispatch.encoded(wire.plain(self)) if plain else stock(self)

    MPPMessage.encoded = encoded  # type: ignore[method-assign]
    MPPMessage.from_bytes = staticmethod(wire.from_bytes)  # type: ignore[method-assign,assignment]
