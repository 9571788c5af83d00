"""An agent holds a lease on its node: it and all it started end when the manager is silent.

They also end when the agent ends for any other reason.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from manyscale_guard import processes, refusals, settings
from manyscale_guard.children import adopt_orphans, tell

_PERIOD = 0.5  # s
_GRACE = 3.0  # s between asking instances to end and ending them
_PATIENCE = 5.0  # s until what does not end is left to whoever watches the node
_EXPIRED = 70  # exit code


class Lease:
    """Calls `expired` when it was not renewed for so many seconds."""

    def __init__(self, seconds: float, expired: Callable[[], None]) -> None:
        self._seconds = seconds
        self._expired = expired
        self._waited = 0.0

    def start(self) -> None:
        """Watch from now on."""
        threading.Thread(target=self._watch, name="lease", daemon=True).start()

    def renew(self) -> None:
        """Note that the manager has answered."""
        self._waited = 0.0

    def look(self, passed: float) -> bool:
        """Count the time that passed since the last look; return whether the lease is over."""
        # a node that was itself stopped has not waited for its manager
        self._waited += min(passed, 2 * _PERIOD)
        return self._waited > self._seconds

    def _watch(self) -> None:
        before = time.monotonic()
        while True:
            time.sleep(_PERIOD)
            now = time.monotonic()
            if self.look(now - before):
                self._expired()
                return
            before = now


def guard_agent(module: Any) -> None:
    """Give the agent its lease."""
    client = module.MAPClient
    begin, call = client.__init__, client._call_agent_manager
    lease = Lease(settings.LEASE, _expire)

    def begin_leased(self: Any, node_name: str, location: str) -> None:
        adopt_orphans()
        atexit.register(end_all)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _unwind)
        lease.start()
        begin(self, node_name, location)

    def call_and_renew(self: Any, request: Any) -> Any:
        response = call(self, request)
        lease.renew()
        return response

    client.__init__ = begin_leased
    client._call_agent_manager = call_and_renew


def end_all() -> None:
    """End every process below this one, politely first."""
    for number, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, _PATIENCE)):
        deadline = time.monotonic() + patience
        told: set[int] = set()
        while time.monotonic() < deadline:
            alive = processes.descendants(os.getpid())
            if not alive:
                return
            for pid in alive - told:  # some may be born meanwhile
                tell(pid, number)
                tell(pid, signal.SIGCONT)  # a stopped process hears nothing else
            told |= alive
            time.sleep(0.02)


def _expire() -> None:
    refusals.note("lease", f"the manager was silent for {settings.LEASE:g} s")
    end_all()
    os._exit(_EXPIRED)


def _unwind(number: int, frame: object) -> None:
    sys.exit(128 + number)  # through atexit
