"""libmuscle's profiler, with events that cost less: the same ones reach the manager."""

from __future__ import annotations

import threading
import time
from typing import Any

from libmuscle import mmp_client
from libmuscle.profiler import Profiler
from libmuscle.profiling import ProfileEvent, ProfileTimestamp

_MANY = 2000  # events that are worth a call of the manager
_TOO_MANY = 50 * _MANY
_INTERVAL = 10.0  # s without an event, after which what there is goes to the manager
_stock_port = mmp_client.encode_port


class LeanProfiler(Profiler):
    """Lets its own thread wait for the manager, not the one that exchanges messages."""

    def __init__(self, manager: Any) -> None:
        self._one_sends = threading.Lock()
        super().__init__(manager)

    def record_event(self, event: ProfileEvent) -> None:
        """Record an event; stop it if it is running."""
        if event.stop_time is None:
            event.stop_time = ProfileTimestamp()
        if not self._enabled:
            return
        self._events.append(event)  # one step, so that no lock is needed
        self._next_send = time.monotonic() + _INTERVAL
        count = len(self._events)
        if count % _MANY == 0:
            with self._mutex:
                self._done_cv.notify_all()
        if count >= _TOO_MANY:  # the manager cannot keep up
            self._send()

    def _communicate(self) -> None:
        while not self._done:
            with self._mutex:
                if not self._done and len(self._events) < _MANY:
                    self._done_cv.wait(_INTERVAL)
            if len(self._events) >= _MANY or time.monotonic() >= self._next_send:
                self._send()

    def _flush(self) -> None:
        self._send()

    def _send(self) -> None:
        """Send what there is; what is recorded meanwhile stays."""
        with self._one_sends:
            events = self._events[:]
            if events:
                del self._events[: len(events)]
                self._manager.submit_profile_events(events)


class Encoding:
    """Makes events what travels to the manager: in place of `mmp_client.encode_profile_event`."""

    def __init__(self) -> None:
        self._ports: dict[int, tuple[Any, list[str]]] = {}

    def __call__(self, event: ProfileEvent) -> list[Any]:
        """Return an event as libmuscle itself encodes it."""
        begun, ended = event.start_time, event.stop_time
        if begun is None or ended is None:
            raise RuntimeError("An event was recorded that had not begun.")
        return [
            event.event_type._value_,
            begun.nanoseconds,
            ended.nanoseconds,
            None if event.port is None else self._port(event.port),
            event.port_length,
            event.slot,
            event.message_number,
            event.message_size,
            event.message_timestamp,
        ]

    def _port(self, port: Any) -> list[str]:
        known = self._ports.get(id(port))
        if known is None:
            known = self._ports[id(port)] = port, _stock_port(port)  # kept: its id stays its own
        return known[1]
