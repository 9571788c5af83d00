"""Runs a whole coupling spec in this process, for notebooks and tests: no MUSCLE3 is started.

The same loop, the same doors and the same order of messages as under MUSCLE3, so the same
results bit for bit. Iteration counts and milestones follow libmuscle's communicator: a message
carries the iteration of the timeline it was sent on, a milestone says that an iteration ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from manyscale.contract.model import ScaleModel
from manyscale.contract.refusal import Refused
from manyscale.coupling.load import Coupling, load
from manyscale.coupling.settings import checked_models, instances, settings_of
from manyscale.hosting.door import Wire
from manyscale.hosting.loop import Effect, Loop, Mark, Plug, Receive, Record, Send, drive
from manyscale.registry.catalog import FRAMEWORK_SETTINGS
from manyscale.results.record import STORE, Recorder, ports_to_record

Iteration = tuple[int, ...]
Key = tuple[str, int | None]
SETTINGS_IN = "muscle_settings_in"


@dataclass
class Item:
    """A message under way; `wire` None is a milestone: the iteration has ended."""

    iteration: Iteration
    wire: Wire | None
    overlay: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Shown:
    """One recorded message: simulated time in s and the values of every slot."""

    time: float
    messages: list[dict[str, Any]]


@dataclass
class Outcome:
    """What a finished run in this process leaves."""

    states: dict[str, Any]
    """Final State of every instance (None if it never ran)."""
    recorded: dict[str, list[Shown]]
    """By `instance.port`."""
    turns: dict[str, int]


def run(
    spec: Path | Sequence[Path] | str,
    settings: Mapping[str, Any] | None = None,
    *,
    record: Sequence[str] = (),
    folder: Path | None = None,
) -> Outcome:
    """Run a spec in this process.

    Parameters
    ----------
    spec
        A folder or yMMSL files.
    settings
        Laid over those of the spec, `{"bulk.dt": 0.1}`.
    record
        `component.port` names to keep, besides those of the setting `record`.
    folder
        Where to write the stores of the setting `record`; None: they stay in memory.

    Raises
    ------
    Refused
        For anything that is wrong in the spec or in a message, in one sentence.
    """
    paths = [Path(spec)] if isinstance(spec, (str, Path)) else [Path(p) for p in spec]
    return Network(load(paths, settings), record, folder).run()


class _Node:
    """One instance: its loop and its side of the iteration bookkeeping."""

    def __init__(self, name: str, component: str, model: ScaleModel) -> None:
        self.name, self.component, self.model = name, component, model
        self.plug = Plug(name, {}, read_only=True)
        self.receivers: dict[Key, list[tuple[tuple[str, str, int | None], list[str]]]] = {}
        self.repeats: dict[str, list[str]] = {}
        self.waiting: list[Key] = []  # F_INIT and repeated S ports, received before a pass
        self.cache: dict[Key, Item] = {}
        self.reduced: dict[Any, Item] = {}
        self.iteration: Iteration | None = None
        self.ended: Iteration | None = None
        self.turns_of: dict[str, Iteration] = {}
        self.took_part: dict[str, set[Key]] = {}
        self.overlay: dict[str, Any] = {}
        self.universe: dict[int | None, dict[str, Any]] = {}
        self.last_time: dict[str, float] = {}
        self.state: Any = None
        self.turns = 0
        self.done = False
        self.recorder: Recorder | None = None
        self.loop: Loop
        self.effect: Effect | None = None


class Network:
    """All instances of one coupling, run by one thread until nothing moves."""

    def __init__(self, coupling: Coupling, record: Sequence[str], folder: Path | None) -> None:
        self.coupling = coupling
        self.nodes: dict[str, _Node] = {}
        self.queues: dict[tuple[str, str, int | None], deque[Item]] = {}
        self.recorded: dict[str, list[Shown]] = {}
        models = checked_models(coupling)
        for component in coupling.components:
            coupling.contract(component)
            for name in instances(coupling, component):
                self.nodes[name] = _Node(name, component, models[name])
        self._connect()
        for node in self.nodes.values():
            self._record(node, record, folder)
            node.loop = drive(node.plug)
            node.effect = next(node.loop)

    def run(self) -> Outcome:
        """Go round the instances until all are done; refuse a deadlock."""
        try:
            while any(self._advance(node) for node in self.nodes.values()):
                pass
            stuck = [n for n in self.nodes.values() if not n.done]
            if stuck:
                raise Refused(
                    f"Deadlock in {self.coupling.name}: "
                    + "; ".join(f"{n.name} is {n.plug.doing}" for n in stuck)
                    + "."
                )
        finally:
            for node in self.nodes.values():
                if node.recorder is not None:
                    node.recorder.close()
        return Outcome(
            {n.name: n.state for n in self.nodes.values()},
            self.recorded,
            {n.name: n.turns for n in self.nodes.values()},
        )

    def _record(self, node: _Node, record: Sequence[str], folder: Path | None) -> None:
        own = settings_of(self.coupling, node.name, FRAMEWORK_SETTINGS)
        node.plug.run_seed = own.get("run_seed", 0)
        model = type(node.model)
        named = [r.rpartition(".") for r in record]
        mine = ";".join(port for owner, _, port in named if owner in (node.name, node.component))
        to_store = ports_to_record(model, own.get("record", ""), node.name)
        node.plug.recorded = to_store | ports_to_record(model, mine, node.name)
        for port in node.plug.recorded:
            self.recorded[f"{node.name}.{port}"] = []
        if to_store and folder is not None:
            place = folder / node.name
            place.mkdir(parents=True, exist_ok=True)
            node.recorder = Recorder(place / STORE, model, node.name)

    def _connect(self) -> None:
        members = {c: [n for n in self.nodes.values() if n.component == c]
                   for c in self.coupling.components}  # fmt: skip
        for conduit in self.coupling.model.conduits:
            sender, receiver = str(conduit.sending_component()), str(conduit.receiving_component())
            out, into = str(conduit.sending_port()), str(conduit.receiving_port())
            filters = [f.value for f in conduit.filters]
            for a in members[sender]:
                for b in members[receiver]:
                    self._join(a, out, b, into, filters, members)

    def _join(
        self,
        a: _Node,
        out: str,
        b: _Node,
        into: str,
        filters: list[str],
        members: Mapping[str, list[_Node]],
    ) -> None:
        ia, ib = _index(a), _index(b)
        if ia is not None and ib is not None:
            if ia != ib:
                return
            out_slot = in_slot = None
        else:
            out_slot, in_slot = ib, ia
        self._refuse_slots(a, out, out_slot)
        self._refuse_slots(b, into, in_slot)
        a.receivers.setdefault((out, out_slot), []).append(((b.name, into, in_slot), filters))
        lengths_a, lengths_b = dict(a.plug.lengths), dict(b.plug.lengths)
        lengths_a[out] = None if out_slot is None else len(members[b.component])
        if into != SETTINGS_IN:
            lengths_b[into] = None if in_slot is None else len(members[a.component])
        a.plug.lengths, b.plug.lengths = lengths_a, lengths_b
        repeats = [f for f in filters if f in ("repeat", "pad")]
        if repeats:
            b.repeats[into] = repeats
        if into == SETTINGS_IN or b.model.ports[into].operator == "f_init" or repeats:
            b.waiting.append((into, in_slot))
        self.queues[b.name, into, in_slot] = deque()

    def _refuse_slots(self, node: _Node, port: str, slot: int | None) -> None:
        if port == SETTINGS_IN:
            return
        if node.model.ports[port].slots != (slot is not None):
            kind = "has slots" if node.model.ports[port].slots else "has no slots"
            peer = "one instance" if slot is None else "several instances"
            raise Refused(f"{node.name}.{port} {kind}, but its conduit leads to {peer}.")

    def _advance(self, node: _Node) -> bool:
        """Run one instance as far as it goes; return whether it moved."""
        moved = False
        while not node.done:
            effect = node.effect
            answer: Any = None
            if isinstance(effect, Receive):
                answer = self._receive(node, effect.port, effect.slot)
                if answer is None:
                    return moved
            elif isinstance(effect, Send):
                self._send(node, effect)
            elif isinstance(effect, Record):
                self._keep(node, effect)
            elif isinstance(effect, Mark):
                self._mark(node, effect)
            else:
                begun = self._begin(node)
                if begun is None:
                    return moved
                answer = node.model if begun else None
            moved = True
            node.effect = self._step(node, answer)
        return moved

    def _step(self, node: _Node, answer: Any) -> Effect | None:
        try:
            return node.loop.send(answer)
        except StopIteration:
            node.done = True
            return None
        except Refused as exc:
            sentence = f"{self.coupling.name}: {node.name} ({node.plug.doing}): {exc}"
            raise Refused(sentence) from None

    def _mark(self, node: _Node, mark: Mark) -> None:
        node.turns += 1
        node.state = mark.state
        if mark.final:
            node.ended = node.iteration
            node.turns_of, node.took_part = {}, {}

    def _keep(self, node: _Node, effect: Record) -> None:
        self.recorded[f"{node.name}.{effect.port}"].append(Shown(effect.time, effect.messages))
        if node.recorder is not None:
            node.recorder.take(effect.port, effect.time, effect.messages)

    def _begin(self, node: _Node) -> bool | None:
        """Receive before a pass: True to begin, False when all is over, None to wait."""
        node.plug.doing = "waiting for " + (", ".join(p for p, _ in node.waiting) or "nothing")
        ended, node.ended = node.ended, None
        only_o_i = True
        while True:
            if ended is not None:
                self._announce(node, ended, only_o_i and ended != ())
                node.cache = {k: i for k, i in node.cache.items() if i.iteration != ended}
                if ended == ():
                    return False
            for key in node.waiting:
                if key not in node.cache:
                    queue = self.queues[(node.name, *key)]
                    if not queue:
                        node.ended = None
                        return None
                    node.cache[key] = queue.popleft()
            milestones = [item.iteration for item in node.cache.values() if item.wire is None]
            if not milestones:
                break
            ended, only_o_i = max(milestones, key=len), False
        node.iteration = max((node.cache[k].iteration for k in node.waiting), key=len, default=())
        self._apply_overlay(node)
        return True

    def _apply_overlay(self, node: _Node) -> None:
        overlay: dict[str, Any] = {}
        given = node.cache.get((SETTINGS_IN, None))
        if given is not None and given.wire is not None:
            overlay = {**given.overlay, **given.wire.data}
        else:
            overlay = next((dict(i.overlay) for i in node.cache.values() if i.overlay), {})
        if overlay != node.overlay:
            node.overlay = overlay
            model = type(node.model)
            base = self.coupling.settings
            merged = {**base, **overlay}
            values = _layered(node.name, model.settings(), base, overlay, merged)
            node.model = model.with_settings(values)

    def _receive(self, node: _Node, port: str, slot: int | None) -> Wire | None:
        node.plug.doing = f"waiting for {port}"
        if node.model.ports[port].operator == "f_init" or port in node.repeats:
            wire = node.cache[port, slot].wire
            assert wire is not None
            padded = any(
                f == "pad" and (node.iteration or ())[i - len(node.repeats[port])] > 0
                for i, f in enumerate(node.repeats.get(port, ()))
            )
            return wire._replace(data=None) if padded else wire
        queue = self.queues[node.name, port, slot]
        while queue:
            item = queue.popleft()
            if item.wire is not None:
                timeline = node.model.ports[port].timeline
                node.turns_of.setdefault(timeline, item.iteration)
                node.last_time[port] = item.wire.time
                return item.wire
            if item.iteration == ():
                last = node.last_time.get(port)
                when = "before it sent anything" if last is None else f"after t = {last:g} s"
                raise Refused(
                    f"{node.name}.{port}: the sender ended {when} and this model goes on;"
                    " let both end at the same time, or put a time bridge between."
                )
        return None

    def _send(self, node: _Node, effect: Send) -> None:
        port = node.model.ports[effect.port]
        iteration = node.iteration or ()
        if port.operator == "o_i":
            iteration = self._turn(node, effect.port, effect.slot, iteration)
        overlay: Mapping[str, Any] = node.overlay
        if port.overlay:
            node.universe[effect.slot] = effect.wire.data
        elif node.universe:
            overlay = node.universe.get(effect.slot, {})
        self._post(node, (effect.port, effect.slot), Item(iteration, _frozen(effect.wire), overlay))

    def _turn(self, node: _Node, port: str, slot: int | None, outer: Iteration) -> Iteration:
        """Return the iteration of the sub-timeline that this O_I message belongs to."""
        timeline = node.model.ports[port].timeline
        part = node.took_part.setdefault(timeline, set())
        if timeline not in node.turns_of:
            node.turns_of[timeline] = (*outer, 0)
        elif (port, slot) in part:
            node.turns_of[timeline] = (*outer, node.turns_of[timeline][-1] + 1)
            part.clear()
        part.add((port, slot))
        return node.turns_of[timeline]

    def _announce(self, node: _Node, iteration: Iteration, only_o_i: bool) -> None:
        for key in node.receivers:
            if node.model.ports[key[0]].operator == "o_i" or not only_o_i:
                self._post(node, key, Item(iteration, None))

    def _post(self, node: _Node, key: Key, item: Item) -> None:
        operator = node.model.ports[key[0]].operator
        for target, filters in node.receivers.get(key, []):
            lasts = filters.count("last")
            if not lasts:
                self.queues[target].append(item)
                continue
            depth = len(node.iteration or ()) + (operator == "o_i") - lasts
            if item.wire is not None:
                kept = Item(item.iteration[:depth], item.wire, item.overlay)
                node.reduced[target] = kept
            elif len(item.iteration) == depth:
                nothing = Item(item.iteration, Wire(float("-inf"), None, None))
                self.queues[target].append(node.reduced.pop(target, nothing))
            elif len(item.iteration) < depth:
                self.queues[target].append(item)


def _index(node: _Node) -> int | None:
    _, bracket, rest = node.name.rpartition("[")
    return int(rest[:-1]) if bracket else None


def _layered(
    instance: str,
    names: Mapping[str, Any],
    base: Mapping[str, Any],
    overlay: Mapping[str, Any],
    merged: Mapping[str, Any],
) -> dict[str, Any]:
    """Return settings most specific first, at each level the overlay before the spec."""
    found = {}
    for name in names:
        place = instance
        while True:
            key = f"{place}.{name}" if place else name
            if key in merged:
                found[name] = overlay.get(key, base.get(key))
                break
            if not place:
                break
            cut = max(place.rfind("."), place.rfind("["))
            place = place[:cut] if cut > 0 else ""
    return found


def _frozen(wire: Wire) -> Wire:
    """Return the message with read-only views of its arrays, as a receiver elsewhere has."""
    return wire._replace(data=_read_only(wire.data))


def _read_only(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        view = value.view()
        view.setflags(write=False)
        return view
    if isinstance(value, dict):
        return {key: _read_only(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_read_only(item) for item in value]
    return value
