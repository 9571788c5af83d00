"""The submodel execution loop, once for all hosts: a generator of effects.

It calls the pure operators and yields what must be done in the world: begin a pass, receive,
send, record, mark. Hosts only perform these effects, so every host behaves the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from manyscale.contract.engine import Engine
from manyscale.contract.messages import Clock, Contact, Received, Start
from manyscale.contract.model import ScaleModel
from manyscale.contract.ports import OPERATORS, Port
from manyscale.contract.ranks import ALONE, Ranks
from manyscale.contract.refusal import Refused
from manyscale.contract.state import freeze
from manyscale.hosting.door import Door, Envelope, GeometryStore, Wire


class Spread:
    """How messages are shared among the ranks of an instance: here there is only one."""

    view: Ranks = ALONE

    @property
    def root(self) -> bool:
        """Whether this rank receives and sends."""
        return self.view.root

    def tell(self, word: Any) -> Any:
        """Return what the root tells all ranks."""
        return word

    def sealed(self, checksum: str) -> list[str]:
        """Return the checksums of all ranks on the root, an empty list elsewhere."""
        return [checksum]

    def abort(self) -> None:
        """End all ranks of the instance."""

    def spread(self, port: Port, contacts: list[Contact | None]) -> list[Contact | None]:
        """Return this rank's share of what the root received on a port."""
        return contacts

    def collect(self, port: Port, parts: list[Any]) -> list[Any] | None:
        """Return the messages of all ranks joined, on the root; None elsewhere."""
        return parts


ONE_RANK = Spread()


@dataclass
class Plug:
    """How an instance stands in its coupling, and what it is doing (for messages)."""

    instance: str
    lengths: Mapping[str, int | None]
    """Connected ports; None for a scalar port, else the number of slots."""
    run_seed: int = 0
    recorded: frozenset[str] = frozenset()
    read_only: bool = False
    turns: bool = False
    """Whether this model goes through turns of a loop, not only through passes."""
    doing: str = "starting"
    at: float | None = None
    geometry: dict[str, GeometryStore] = field(default_factory=dict)
    """What the doors of each port have shown and know: outlives a change of settings."""
    ranks: Spread = ONE_RANK
    engine: Engine | None = None
    """The engine that is open, for snapshots."""
    resumed: Progress | None = None
    """Where to go on, set by the host before it answers the first Begin."""

    heard: Callable[[str, float | None], None] | None = None
    """Told whenever the instance does something else: a watcher outside sees it."""

    def does(self, doing: str, at: float | None) -> None:
        """Note what the instance is doing from now on, and at which simulated time."""
        self.doing, self.at = doing, at
        if self.heard is not None:
            self.heard(doing, at)

    def position(self) -> str:
        """Return what the instance is doing, and at which simulated time."""
        return self.doing if self.at is None else f"{self.doing} at t = {self.at:g} s"


@dataclass(slots=True)
class Begin:
    """Effect: begin a pass. Answered by the model with this pass's settings, or None."""


@dataclass(slots=True)
class Receive:
    """Effect: receive one message. Answered by a Wire."""

    port: str
    slot: int | None


@dataclass(slots=True)
class Send:
    """Effect: send one message."""

    port: str
    slot: int | None
    wire: Wire


@dataclass(slots=True)
class Record:
    """Effect: keep what a port shows; one mapping of values per slot."""

    port: str
    time: float
    messages: list[dict[str, Any]]


@dataclass(slots=True)
class Mark:
    """Effect: the State is whole: after every s, and (final) after O_F."""

    now: float
    state: Any
    final: bool
    progress: Progress


class Ended(Refused):
    """A neighbour was gone too early: rarely the first cause of a failure."""


def ended_early(instance: str, port: str, last_time: float | None) -> str:
    """Return the sentence for a port that was closed while a turn was wanted."""
    when = "before it sent anything" if last_time is None else f"after t = {last_time:g} s"
    return (
        f"{instance}.{port}: the sender ended {when} and this model goes on;"
        " let both end at the same time, or put a time bridge between."
    )


@dataclass(slots=True)
class Progress:
    """All that is needed to go on from a mark, besides the geometry in the plug."""

    state: Any
    """State inside a pass; None between passes."""
    now: float
    memory: Memory
    envelope: Envelope
    """What came with the messages of this pass."""
    tries: Envelope
    """The window this instance tried last and how often, if it owns an iteration."""
    engine: Path | None = None
    """The file its engine was saved to."""


Effect = Begin | Receive | Send | Record | Mark
Loop = Generator[Effect, Any, None]
_BEGIN = Begin()
_NO_WINDOW = Envelope()


def seed_of(*parts: Any) -> int:
    """Return a seed below 2**63 that depends on all parts and on nothing else."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()) >> 1


@dataclass
class Memory:
    """What an instance keeps between passes: a committed and a trial State.

    A growing window commits the trial. A new iteration of a window begins from the committed
    State again; a further pass of the same iteration (a model called several times within
    one) goes on from the trial.
    """

    committed: Any = None
    trial: Any = None
    envelope: Envelope = field(default_factory=Envelope)

    def repeats(self, envelope: Envelope) -> bool:
        """Return whether a pass with this envelope tries a window once more."""
        before = self.envelope
        again = envelope.window is not None and envelope.window == before.window
        return again and envelope.iteration != before.iteration

    def kept(self, envelope: Envelope, instance: str) -> Any:
        """Return the State a pass with this envelope begins with."""
        before, window = self.envelope.window, envelope.window
        self_again = envelope == self.envelope
        self.envelope = envelope
        if window is None or before is None or window > before:
            self.committed = self.trial
        elif window < before:
            raise Refused(f"{instance}: window {window} was asked for after window {before}.")
        elif self_again:
            return self.trial
        return self.committed


class _Tries:
    """Counts how often a window was tried, for owners that do not count themselves."""

    def __init__(self, last: Envelope) -> None:
        self.last = last

    def next(self, clock: Clock) -> Envelope:
        """Return what the messages of this turn carry."""
        count = self.last.iteration + 1 if clock.window == self.last.window else 0
        self.last = Envelope(clock.window, count)
        return Envelope(clock.window, count if clock.iteration is None else clock.iteration)


class _Instance:
    """A model in its plug, with the doors of its ports."""

    def __init__(self, model: ScaleModel, plug: Plug) -> None:
        object.__setattr__(model, "ranks", plug.ranks.view)
        self.engine = None if model.Engine is None else model.Engine()
        if self.engine is not None:
            plug.does("opening its engine", None)
            object.__setattr__(model, "engine", self.engine)
            self.engine.open(model)
        plug.engine = self.engine
        self.model, self.plug = model, plug
        self.doors = {
            n: Door(model, p, f"{plug.instance}.{n}", plug.geometry.setdefault(n, GeometryStore()))
            for n, p in model.ports.items()
        }
        self.seed = seed_of(plug.run_seed, plug.instance)
        self.by_operator: dict[str, list[Port]] = {
            operator: [p for p in model.ports.values() if p.operator == operator]
            for operator in OPERATORS
        }
        self._due: dict[tuple[str, str], list[Port]] = {}

    def load(self, path: Path | None) -> None:
        """Give the engine the state it was saved with."""
        if self.engine is not None and path is not None:
            self.engine.load(path)

    def close(self) -> None:
        """Release the engine."""
        if self.engine is not None:
            self.engine.close()

    def slots(self, port: str) -> list[int | None]:
        length = self.plug.lengths[port]
        return [None] if length is None else list(range(length))

    def due(self, operator: str, timeline: str) -> list[Port]:
        """Return the ports whose turn it is."""
        known = self._due.get((operator, timeline))
        if known is None:
            ports = self.by_operator[operator]
            known = [p for p in ports if p.timeline == timeline or operator in ("f_init", "o_f")]
            known.sort(key=lambda port: not port.overlay)  # settings before what they tag
            self._due[operator, timeline] = known
        return known

    def receive(self, operator: str, timeline: str = "") -> Generator[Effect, Any, Received]:
        got: dict[str, Any] = {}
        for port in self.due(operator, timeline):
            name = port.name
            if name not in self.plug.lengths:
                if not port.optional:
                    raise Refused(
                        f"{self.plug.instance}.{name} is not connected and not optional;"
                        " add a conduit to it."
                    )
                got[name] = None
                continue
            contacts = (yield from self._contacts(port)) if self.plug.ranks.root else []
            contacts = self.plug.ranks.spread(port, contacts)
            got[name] = contacts if port.slots else contacts[0]
        return Received(got)

    def _contacts(self, port: Port) -> Generator[Effect, Any, list[Contact | None]]:
        door = self.doors[port.name]
        contacts = []
        for slot in self.slots(port.name):
            wire = yield Receive(port.name, slot)
            try:
                contacts.append(door.from_wire(wire))
            except Refused as exc:
                raise exc if slot is None else Refused(f"{exc} (slot {slot})") from None
        return contacts

    def send(
        self,
        operator: str,
        messages: Mapping[str, Any],
        clock: Clock,
        envelope: Envelope,
        state: Any,
    ) -> Generator[Effect, Any, None]:
        ports = self.due(operator, clock.timeline)
        if len(messages) != len(ports) or any(p.name not in messages for p in ports):
            raise Refused(
                f"{self.plug.instance}: {operator} gave messages for {sorted(messages)},"
                f" expected {sorted(p.name for p in ports)}."
            )
        next_time = clock.next if operator == "o_i" else None
        shown = any(f.mesh for port in ports for f in port.fields.values())
        geometry = self.model.geometries(state) if shown else {}
        for port in ports:
            name = port.name
            connected, recorded = name in self.plug.lengths, name in self.plug.recorded
            if not (connected or recorded):
                continue
            door = self.doors[name]
            values = self.checked(port, messages[name], clock.now)
            if values is None:
                continue
            if recorded:
                yield Record(name, clock.now, values)
            if connected:
                for slot, one in zip(self.slots(name), values, strict=True):
                    data = door.to_wire(one, envelope, geometry, slot)
                    yield Send(name, slot, Wire(float(clock.now), next_time, data))

    def checked(self, port: Port, message: Any, now: float) -> list[dict[str, Any]] | None:
        """Return the checked values of every slot on the root rank, None on the others."""
        parts = self.plug.ranks.collect(port, self._parts(port, message))
        door = self.doors[port.name]
        return None if parts is None else [door.checked(part, now) for part in parts]

    def _parts(self, port: Port, message: Any) -> list[Any]:
        if not port.slots:
            return [message]
        parts = list(message)
        wanted = self.plug.lengths.get(port.name, len(parts))
        if len(parts) != wanted:
            raise Refused(
                f"{self.plug.instance}.{port.name}: {len(parts)} messages for {wanted} slots."
            )
        return parts


def drive(plug: Plug) -> Loop:
    """Run the reuse loop; the host answers every yielded effect."""
    memory = Memory()
    unit: _Instance | None = None
    try:
        while (model := (yield _BEGIN)) is not None:
            if unit is None or unit.model is not model:
                if unit is not None:
                    unit.close()
                unit = _Instance(model, plug)
            progress, plug.resumed = plug.resumed, None
            if progress is not None:
                memory = progress.memory
                unit.load(progress.engine)
            if progress is None or progress.state is None:
                progress = yield from _first_state(unit, memory)
            yield from _turns(unit, progress)
    finally:
        if unit is not None:
            unit.close()


def _first_state(unit: _Instance, memory: Memory) -> Generator[Effect, Any, Progress]:
    """Receive what a pass begins with and initialise."""
    model, plug = unit.model, unit.plug
    keep = freeze if plug.read_only else _as_it_is
    plug.does("receiving on F_INIT", None)
    received = yield from unit.receive("f_init")
    time, envelope = _newest(received)
    slots = {n: k for n, k in plug.lengths.items() if k is not None}
    if not model.capabilities.rewind and memory.repeats(envelope):
        raise Refused(
            f"{plug.instance}: window {envelope.window} was asked for again, and {model.name}"
            " cannot go back (capabilities: rewind=False); couple it without iteration."
        )
    kept = memory.kept(envelope, plug.instance) if model.keeps_state else None
    plug.does("f_init", time)
    state = keep(model.f_init(Start(time, unit.seed, slots, kept), received))
    return Progress(state, time, memory, envelope, _NO_WINDOW)


def _turns(unit: _Instance, begun: Progress) -> Loop:
    """Go through the turns of a pass from where it stands, and answer."""
    model, plug, memory, envelope = unit.model, unit.plug, begun.memory, begun.envelope
    keep = freeze if plug.read_only else _as_it_is
    state, tries = begun.state, _Tries(begun.tries)
    while (clock := model.clock(state)).to is not None:
        clock.resolvable(plug.instance)
        turn = envelope if clock.window is None else tries.next(clock)
        plug.turns = True
        plug.does("o_i", clock.now)
        yield from unit.send("o_i", model.o_i(state), clock, turn, state)
        received = yield from unit.receive("s", clock.timeline)
        _refuse_out_of_step(plug.instance, clock, received)
        plug.does("s", clock.now)
        state = keep(model.s(state, received))
        now = model.clock(state).now
        if now != clock.to and not clock.open:
            raise Refused(f"{plug.instance}: s landed at {now!r} s, promised {clock.to!r} s.")
        yield Mark(now, state, False, Progress(state, now, memory, envelope, tries.last))
    plug.does("o_f", clock.now)
    yield from _last_record(unit, state, clock)
    yield from unit.send("o_f", model.o_f(state), clock, envelope, state)
    memory.trial = state if model.keeps_state else None
    between = Progress(None, clock.now, memory, envelope, _NO_WINDOW)
    yield Mark(clock.now, state, True, between)


def _as_it_is(state: Any) -> Any:
    return state


def _last_record(unit: _Instance, state: Any, clock: Clock) -> Loop:
    """Let recorders see the final State too: one more o_i, not sent."""
    wanted = [p for p in unit.by_operator["o_i"] if p.name in unit.plug.recorded]
    if not wanted:
        return
    messages = unit.model.o_i(state)
    for port in wanted:
        if port.name in messages:
            values = unit.checked(port, messages[port.name], clock.now)
            if values is not None:
                yield Record(port.name, clock.now, values)


def _newest(received: Received) -> tuple[float, Envelope]:
    """Return the newest time stamp and window that arrived; what never came does not count."""
    time, envelope = float("-inf"), _NO_WINDOW
    for contact in _contacts(received):
        time = max(time, contact.time)
        if contact.window is not None:
            window = Envelope(contact.window, contact.iteration)
            envelope = window if envelope.window is None else max(envelope, window)
    return (0.0 if time == float("-inf") else time), envelope


def _contacts(received: Received) -> Iterator[Contact]:
    for value in received.ports.values():
        if isinstance(value, list):
            yield from (c for c in value if c is not None)
        elif value is not None:
            yield value


def _refuse_out_of_step(instance: str, clock: Clock, received: Received) -> None:
    """Refuse an S message not valid at this turn; open clocks and turns of no length take all."""
    if clock.to is None or clock.open or clock.to == clock.now:
        return
    slack = max(1e-9 * (clock.to - clock.now), 8.0 * 2.0**-52 * abs(clock.to))
    for name, value in received.ports.items():
        for message in value if isinstance(value, list) else [value]:
            if message is None:
                continue
            ends = message.next_time
            # from O_I: valid on [time, next); the last O_I and every O_F have no next
            late = message.time > (clock.to if ends is None else clock.now) + slack
            stale = ends is not None and message.time < ends <= clock.now + slack
            if late or stale:
                valid = "from" if ends is None else f"on [{message.time:g}, {ends:g}) s, not at"
                raise Refused(
                    f"{instance}.{name}: a message valid {valid} t = "
                    f"{(message.time if ends is None else clock.now):g} s arrived in the step from"
                    f" {clock.now:g} s to {clock.to:g} s; put a time bridge between."
                )
