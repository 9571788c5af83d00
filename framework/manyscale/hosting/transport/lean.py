"""libmuscle with what it would work out again for every message worked out once for each port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from libmuscle.communicator import Communicator
from libmuscle.endpoint import Endpoint
from libmuscle.port import Port
from ymmsl.v0_2 import Reference

_Ends = tuple[Endpoint, list[Endpoint]]


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


class LeanCommunicator(Communicator):
    """Sends and receives as libmuscle's own does."""

    def _get_endpoints(self, port: Port, slot: int | None) -> _Ends:
        known = self.__dict__.setdefault("_known_ends", {})
        if (port.name, slot) not in known:
            mine, peers = super()._get_endpoints(port, slot)
            known[port.name, slot] = _Known(mine), [_Known(peer) for peer in peers]
        ends: _Ends = known[port.name, slot]
        return ends


def port_names(encode: Callable[[Any], list[str]]) -> Callable[[Any], list[str]]:
    """Return what names the port of a profile event: in place of `mmp_client.encode_port`."""
    known: dict[int, tuple[Any, list[str]]] = {}

    def encoded(port: Any) -> list[str]:
        found = known.get(id(port))
        if found is None:
            found = known[id(port)] = port, encode(port)  # kept, so that its id stays its own
        return found[1]

    return encoded
