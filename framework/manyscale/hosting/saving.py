"""When an instance saves: at moments its spec or its supervisor names, together with the others.

Whoever steps through time decides by its own clock and marks what it sends from then on; who
is called by others saves when the first message with a newer mark has come, before it looks at
it. So a set is consistent however often a window is repeated and whatever stamps travel.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from libmuscle.checkpoint_triggers import AtCheckpointTrigger
from ymmsl.v0_2 import CheckpointAtRule

from manyscale.hosting.checkpoint import REQUEST
from manyscale.hosting.door import ENVELOPE

MARK = "saved"  # key of the envelope: the moment up to which the sender has saved
_PERIOD = 0.2  # s between two looks for a request


class Saving:
    """Decides when one instance saves a snapshot.

    `instance` is libmuscle's; `called_by` are its connected F_INIT ports whose messages have
    an envelope.
    """

    def __init__(self, instance: Any, called_by: Collection[str], run: Path) -> None:
        self._instance, self._called_by, self._run = instance, called_by, run
        self._mark: float | None = None
        self._looked, self._heard = 0.0, ""
        self._triggers = instance._trigger_manager
        self._by_rules = self._triggers.should_save_final_snapshot
        self._elapsed = self._triggers.elapsed_walltime
        # asked by libmuscle right before it decides, after what a pass begins with has come
        self._triggers.elapsed_walltime = self._elapsed_and_heard
        self._triggers.should_save_final_snapshot = self._due_between_passes

    def due(self, now: float, *, final: bool) -> bool:
        """Return whether to save; between passes this waits for what begins the next one."""
        if final:
            return bool(self._instance.should_save_final_snapshot())
        moment = self._triggers._nextsim if self._triggers._has_checkpoints else None
        due = bool(self._instance.should_save_snapshot(now))
        if due:
            self._mark = self._newer(now if moment is None or moment > now else moment)
        return due

    def _newer(self, moment: float) -> float:
        """Return a mark that others take for newer, also where no simulated time passes."""
        if self._mark is None or moment > self._mark:
            return moment
        return math.nextafter(self._mark, math.inf)

    def marked(self, data: Any) -> Any:
        """Return data for the wire with the mark of the last snapshot, if there is one."""
        if self._mark is None or not isinstance(data, dict):
            return data
        return {**data, ENVELOPE: {**data.get(ENVELOPE, {}), MARK: self._mark}}

    def _due_between_passes(self, do_reuse: bool, newest: float | None) -> bool:
        called = do_reuse and self._called_by and self._triggers._has_checkpoints
        if not called:
            return bool(self._by_rules(do_reuse, newest))
        marks = [mark for mark in map(_mark_of, self._messages()) if mark is not None]
        if not marks or (self._mark is not None and max(marks) <= self._mark):
            return False
        self._mark = max(marks)
        self._triggers._last_triggers = [f"others saved at {self._mark:g} s"]
        return True

    def _messages(self) -> list[Any]:
        cache = self._instance._f_init_cache
        return [message for (port, _), message in cache.items() if str(port) in self._called_by]

    def _elapsed_and_heard(self) -> float:
        if self._triggers._has_checkpoints and time.monotonic() > self._looked + _PERIOD:
            self._looked = time.monotonic()
            with contextlib.suppress(OSError, ValueError):
                self._hear((self._run / REQUEST).read_text())
        return float(self._elapsed())

    def _hear(self, told: str) -> None:
        """Add the moment that a supervisor names to those of the spec."""
        if told == self._heard:
            return
        self._heard, moment, triggers = told, float(told), self._triggers
        triggers._sim._triggers.append(AtCheckpointTrigger([CheckpointAtRule([moment])]))
        soonest = moment if triggers._nextsim is None else min(moment, triggers._nextsim)
        triggers._nextsim = soonest


def _mark_of(message: Any) -> float | None:
    data = message.data
    outside = data.get(ENVELOPE) if isinstance(data, dict) else None
    return outside.get(MARK) if isinstance(outside, dict) else None
