"""The mail of one instance in this process: queues, iterations, milestones, filters, overlays.

Follows libmuscle's communicator: a message carries the iteration of the timeline it was sent
on, a milestone says that an iteration ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manyscale.contract.model import ScaleModel
from manyscale.contract.refusal import Refused
from manyscale.coupling.graph import SETTINGS_IN
from manyscale.hosting.door import Wire
from manyscale.hosting.effects import Send
from manyscale.hosting.plug import Ended, ended_early

Iteration = tuple[int, ...]
Key = tuple[str, int | None]
Address = tuple[str, str, int | None]


@dataclass
class Item:
    """A message under way; `wire` None is a milestone: the iteration has ended."""

    iteration: Iteration
    wire: Wire | None
    overlay: Mapping[str, Any] = field(default_factory=dict)


Queues = dict[Address, deque[Item]]


class Mailbox:
    """Receives and sends for one instance, and counts the iterations it is in."""

    def __init__(self, name: str, model: ScaleModel, queues: Queues) -> None:
        self.name, self.model, self._queues = name, model, queues
        self.receivers: dict[Key, list[tuple[Address, list[str]]]] = {}
        self.repeats: dict[str, list[str]] = {}
        self.before_a_pass: list[Key] = []
        """F_INIT and repeated S ports: received before a pass begins."""
        self.overlay: Mapping[str, Any] = {}
        """Settings that came with the messages of this pass."""
        self._cache: dict[Key, Item] = {}
        self._reduced: dict[Address, Item] = {}
        self._iteration: Iteration = ()
        self._ended: Iteration | None = None
        self._turns: dict[str, Iteration] = {}
        self._took_part: dict[str, set[Key]] = {}
        self._universe: dict[int | None, Mapping[str, Any]] = {}
        self._last_time: dict[str, float] = {}

    def begin(self) -> bool | None:
        """Receive before a pass: True to begin, False when all is over, None to wait."""
        ended, self._ended = self._ended, None
        only_o_i = True
        while True:
            if ended is not None:
                self._announce(ended, only_o_i and ended != ())
                self._cache = {k: i for k, i in self._cache.items() if i.iteration != ended}
                if ended == ():
                    return False
            if not self._fill_cache():
                return None
            milestones = [item.iteration for item in self._cache.values() if item.wire is None]
            if not milestones:
                break
            ended, only_o_i = max(milestones, key=len), False
        iterations = [self._cache[key].iteration for key in self.before_a_pass]
        self._iteration = max(iterations, key=len, default=())
        self.overlay = self._received_overlay()
        for (port, _), item in self._cache.items():
            if port != SETTINGS_IN and self.model.ports[port].operator == "f_init":
                self._refuse_other_universe(port, item)
        return True

    def _refuse_other_universe(self, port: str, item: Item) -> None:
        if dict(item.overlay) != dict(self.overlay):
            raise Refused(
                f"{self.name}.{port}: a message made with the settings {dict(item.overlay)} arrived"
                f" in a pass with {dict(self.overlay)}; let one sampler feed all ports."
            )

    def end(self) -> None:
        """Note that the pass is over."""
        self._ended = self._iteration
        self._turns, self._took_part = {}, {}

    def receive(self, port: str, slot: int | None) -> Wire | None:
        """Return the next message of a port, None if it is not there yet."""
        declared = self.model.ports[port]
        if declared.operator == "f_init" or port in self.repeats:
            inner = declared.operator == "s"
            iteration = self._turn(declared.timeline, (port, slot)) if inner else self._iteration
            wire = self._cache[port, slot].wire
            assert wire is not None
            return wire._replace(data=None) if self._padded(port, iteration) else wire
        queue = self._queues[self.name, port, slot]
        while queue:
            item = queue.popleft()
            if item.wire is not None:
                self._turns.setdefault(self.model.ports[port].timeline, item.iteration)
                self._last_time[port] = item.wire.time
                return item.wire
            if item.iteration == ():
                raise Ended(ended_early(self.name, port, self._last_time.get(port)))
        return None

    def send(self, effect: Send) -> None:
        """Post a message to every receiver of its port."""
        port, slot = self.model.ports[effect.port], effect.slot
        iteration = self._iteration
        if port.operator == "o_i":
            iteration = self._turn(port.timeline, (effect.port, slot))
        overlay = self.overlay
        if port.overlay:
            self._universe[slot] = {**self.overlay, **effect.wire.data}
        elif self._universe:
            overlay = self._universe.get(slot, self.overlay)
        wire = effect.wire._replace(data=_read_only(effect.wire.data))
        self._post((effect.port, slot), Item(iteration, wire, overlay))

    def _fill_cache(self) -> bool:
        for key in self.before_a_pass:
            if key not in self._cache:
                queue = self._queues[(self.name, *key)]
                if not queue:
                    return False
                self._cache[key] = queue.popleft()
        return True

    def _received_overlay(self) -> Mapping[str, Any]:
        given = self._cache.get((SETTINGS_IN, None))
        if given is not None and given.wire is not None:
            return {**given.overlay, **given.wire.data}
        return next((item.overlay for item in self._cache.values() if item.overlay), {})

    def _padded(self, port: str, iteration: Iteration) -> bool:
        """Return whether a `pad` filter empties the message in this iteration."""
        filters = self.repeats.get(port, [])
        return any(
            word == "pad" and iteration[place - len(filters)] > 0
            for place, word in enumerate(filters)
        )

    def _turn(self, timeline: str, key: Key) -> Iteration:
        """Return the iteration of the sub-timeline that this O_I message belongs to."""
        part = self._took_part.setdefault(timeline, set())
        if timeline not in self._turns:
            self._turns[timeline] = (*self._iteration, 0)
        elif key in part:
            self._turns[timeline] = (*self._iteration, self._turns[timeline][-1] + 1)
            part.clear()
        part.add(key)
        return self._turns[timeline]

    def _announce(self, iteration: Iteration, only_o_i: bool) -> None:
        """Tell the receivers that an iteration has ended."""
        for key in self.receivers:
            if not only_o_i or self.model.ports[key[0]].operator == "o_i":
                self._post(key, Item(iteration, None))

    def _post(self, key: Key, item: Item) -> None:
        inner = self.model.ports[key[0]].operator == "o_i"
        for address, filters in self.receivers.get(key, []):
            lasts = filters.count("last")
            if lasts:
                self._post_last(address, item, len(self._iteration) + inner - lasts)
            else:
                self._queues[address].append(item)

    def _post_last(self, address: Address, item: Item, depth: int) -> None:
        """Keep the newest message until the iteration it is reduced to has ended."""
        if item.wire is not None:
            self._reduced[address] = Item(item.iteration[:depth], item.wire, item.overlay)
        elif len(item.iteration) == depth:
            nothing = Item(item.iteration, Wire(float("-inf"), None, None))
            self._queues[address].append(self._reduced.pop(address, nothing))
        elif len(item.iteration) < depth:
            self._queues[address].append(item)


def _read_only(value: Any) -> Any:
    """Return a message with read-only views of its arrays, as a receiver elsewhere has."""
    if isinstance(value, np.ndarray):
        view = value.view()
        view.setflags(write=False)
        return view
    if isinstance(value, dict):
        return {key: _read_only(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_read_only(item) for item in value]
    return value
