"""How a receiver waits: it looks for a little while if messages use to come soon, then sleeps."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import perf_counter_ns

_LONGEST = 300_000  # ns to look for a message
_SHARE = 0.125  # of a new wait in the average
_PROBE = 64  # waits; in one of so many it looks although waits are long


class Patience:
    """Decides for one port whether looking pays, by how long it has waited lately."""

    def __init__(self, *, looks: bool) -> None:
        self._looks = looks
        self._average = 0.0
        self._waits = 0

    def wait(self, ready: Callable[[], bool], sleep: Callable[[], None]) -> None:
        """Return when something is there; `sleep` waits for a bell."""
        begun = perf_counter_ns()
        if not ready() and not (self._pays() and _look(ready, begun + _LONGEST)):
            sleep()
        wait = min(perf_counter_ns() - begun, 4 * _LONGEST)
        self._average += _SHARE * (wait - self._average)

    def _pays(self) -> bool:
        self._waits += 1
        return self._looks and (self._average <= _LONGEST or self._waits % _PROBE == 0)


def _look(ready: Callable[[], bool], give_up: int) -> bool:
    while perf_counter_ns() < give_up:
        os.sched_yield()  # whoever is to send may need this core
        if ready():
            return True
    return False
