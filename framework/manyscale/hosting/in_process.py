"""Runs a whole coupling spec in this process, for notebooks and tests: no MUSCLE3 is started.

The same loop, the same doors and the same order of messages as under MUSCLE3, so the same
results bit for bit.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manyscale.contract.model import ScaleModel
from manyscale.contract.recording import ports_to_record
from manyscale.contract.refusal import Refused, nearest
from manyscale.coupling.graph import SETTINGS_IN
from manyscale.coupling.load import Coupling
from manyscale.coupling.prove import prove
from manyscale.coupling.settings import lookup
from manyscale.hosting.door import Wire
from manyscale.hosting.effects import Effect, Mark, Receive, Record, Send
from manyscale.hosting.loop import drive
from manyscale.hosting.mailbox import Mailbox, Queues
from manyscale.hosting.plug import Plug
from manyscale.registry.catalog import FRAMEWORK_SETTINGS
from manyscale.results.record import STORE, Recorder


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
    """Number of turns of every instance; of passes, where the model has no loop."""


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
    return Network(prove(paths, settings), record, folder).run()


class _Node:
    """One instance: its model, its loop, and the effect it waits to be performed."""

    def __init__(self, name: str, component: str, model: ScaleModel, queues: Queues) -> None:
        self.name, self.component = name, component
        self.model = model
        self.plug = Plug(name, {}, read_only=True)
        self.mailbox = Mailbox(name, model, queues)
        self.loop = drive(self.plug)
        self.effect: Effect | None = next(self.loop)
        self.overlay: Mapping[str, Any] = {}
        self.state: Any = None
        self.turns = 0
        self.recorder: Recorder | None = None

    @property
    def done(self) -> bool:
        return self.effect is None

    @property
    def index(self) -> tuple[int, ...]:
        return tuple(map(int, re.findall(r"\[(\d+)\]", self.name)))


class Network:
    """All instances of one coupling, run by one thread until nothing moves."""

    def __init__(self, coupling: Coupling, record: Sequence[str], folder: Path | None) -> None:
        self._coupling = coupling
        self._queues: Queues = {}
        self._recorded: dict[str, list[Shown]] = {}
        self._members: dict[str, list[_Node]] = {}
        for component in coupling.graph.nodes.values():
            if not component.hosted or component.contract is None:
                raise Refused(
                    f"Component {component.name} runs the program {component.program}, which is no"
                    " scale model of this framework; start the coupling with muscle_manager."
                )
            if component.contract.run is not None:
                raise Refused(
                    f"Component {component.name} owns its loop (`run`) and needs MUSCLE3; start the"
                    " coupling with `manyscale run`."
                )
            self._members[component.name] = [
                _Node(name, component.name, coupling.models[name], self._queues)
                for name in component.instances
            ]
        for name in record:
            owner = name.rpartition(".")[0]
            known = {n.name for some in self._members.values() for n in some} | set(self._members)
            if owner not in known:
                raise Refused(
                    f"{coupling.name} has no component {owner!r} to record.{nearest(owner, known)}"
                )
        self._nodes = [node for some in self._members.values() for node in some]
        self._connect()
        self._record, self._folder = record, folder

    def run(self) -> Outcome:
        """Go round the instances until all are done; refuse a deadlock."""
        try:
            for node in self._nodes:
                self._plan_recording(node)
            while sum([self._advance(node) for node in self._nodes]):
                pass
            stuck = [f"{n.name} is {n.plug.position()}" for n in self._nodes if not n.done]
            if stuck:
                raise Refused(f"Deadlock in {self._coupling.name}: {'; '.join(stuck)}.")
        finally:
            for node in self._nodes:
                node.loop.close()
                if node.recorder is not None:
                    node.recorder.close()
        return Outcome(
            {n.name: n.state for n in self._nodes},
            self._recorded,
            {n.name: n.turns for n in self._nodes},
        )

    def _advance(self, node: _Node) -> bool:
        """Run one instance as far as it goes; return whether it moved."""
        moved = False
        while node.effect is not None:
            answer: Any = None
            effect = node.effect
            if isinstance(effect, Receive):
                node.plug.does(f"receiving {effect.port}", node.plug.at)
                answer = self._receive(node, effect)
                if answer is None:
                    return moved
            elif isinstance(effect, Send):
                node.mailbox.send(effect)
            elif isinstance(effect, Record):
                self._keep(node, effect)
            elif isinstance(effect, Mark):
                _mark(node, effect)
            else:
                node.plug.does("waiting to begin", None)
                begun = node.mailbox.begin()
                if begun is None:
                    return moved
                answer = self._configured(node) if begun else None
            moved = True
            self._step(node, answer)
        return moved

    def _receive(self, node: _Node, effect: Receive) -> Wire | None:
        try:
            return node.mailbox.receive(effect.port, effect.slot)
        except Refused as exc:
            raise Refused(self._place(node, exc)) from None

    def _step(self, node: _Node, answer: Any) -> None:
        try:
            node.effect = node.loop.send(answer)
        except StopIteration:
            node.effect = None
        except Refused as exc:
            raise Refused(self._place(node, exc)) from None
        except ValueError as exc:  # what a kernel says of numbers it cannot work with
            raise Refused(self._place(node, exc)) from exc
        except Exception as exc:
            exc.add_note(f"{self._coupling.name}: {node.name} ({node.plug.position()})")
            raise

    def _place(self, node: _Node, exc: Exception) -> str:
        return f"{self._coupling.name}: {node.name} ({node.plug.position()}): {exc}"

    def _configured(self, node: _Node) -> ScaleModel:
        """Return the node's model with the settings of this pass."""
        if node.mailbox.overlay != node.overlay:
            node.overlay = node.mailbox.overlay
            values = self._settings(node, node.model.settings(), node.overlay)
            node.model = type(node.model).with_settings(values)
        return node.model

    def _settings(
        self, node: _Node, names: Iterable[str], overlay: Mapping[str, Any]
    ) -> dict[str, Any]:
        given = lookup({**self._coupling.settings, **overlay}, node.name, names)
        return {name: value for name, (_, value) in given.items()}

    def _keep(self, node: _Node, effect: Record) -> None:
        self._recorded[f"{node.name}.{effect.port}"].append(Shown(effect.time, effect.messages))
        if node.recorder is not None and effect.port in node.recorder.ports:
            node.recorder.take(effect.port, effect.time, effect.messages, effect.fields)

    def _plan_recording(self, node: _Node) -> None:
        own = self._settings(node, FRAMEWORK_SETTINGS, {})
        node.plug.run_seed = own.get("run_seed", 0)
        node.plug.seed_name = own.get("seed_name", "")
        model = type(node.model)
        named = [name.rpartition(".") for name in self._record]
        mine = ";".join(port for owner, _, port in named if owner in (node.name, node.component))
        to_store = ports_to_record(model, own.get("record", ""), node.name)
        node.plug.recorded = to_store | ports_to_record(model, mine, node.name)
        for port in node.plug.recorded:
            self._recorded[f"{node.name}.{port}"] = []
        if to_store and self._folder is not None:
            place = self._folder / node.name
            place.mkdir(parents=True, exist_ok=True)
            node.recorder = Recorder(place / STORE, model, node.name, to_store)

    def _connect(self) -> None:
        for link in self._coupling.graph.links:
            for a in self._members[link.sender.name]:
                for b in self._members[link.receiver.name]:
                    self._join(a, b, (link.out, link.into), [*link.filters])

    def _join(self, a: _Node, b: _Node, ends: tuple[str, str], filters: list[str]) -> None:
        """Connect two instances, as members of equal sets or through slots."""
        out, into = ends
        shared = min(len(a.index), len(b.index))
        if a.index[:shared] != b.index[:shared]:
            return
        out_slot, in_slot = _slot(b.index[shared:]), _slot(a.index[shared:])
        address = (b.name, into, in_slot)
        a.mailbox.receivers.setdefault((out, out_slot), []).append((address, filters))
        a.plug.lengths = {**a.plug.lengths, out: self._length(b, out_slot)}
        if into != SETTINGS_IN:
            b.plug.lengths = {**b.plug.lengths, into: self._length(a, in_slot)}
        repeats = [word for word in filters if word in ("repeat", "pad")]
        if repeats:
            b.mailbox.repeats[into] = repeats
        if into == SETTINGS_IN or b.model.ports[into].operator == "f_init" or repeats:
            b.mailbox.before_a_pass.append((into, in_slot))
        self._queues[address] = deque()

    def _length(self, peer: _Node, slot: int | None) -> int | None:
        if slot is None:
            return None
        return self._coupling.graph.nodes[peer.component].sizes[-1]


def _slot(rest: tuple[int, ...]) -> int | None:
    """Return the slot that is left of an instance's index when the shared part is taken off."""
    if len(rest) > 1:
        raise Refused(f"A port has one dimension of slots, its conduit would need {len(rest)}.")
    return rest[0] if rest else None


def _mark(node: _Node, mark: Mark) -> None:
    node.turns += not (mark.final and node.plug.turns)
    node.state = mark.state
    if mark.final:
        node.mailbox.end()
