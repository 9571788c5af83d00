"""The submodel execution loop, once for all hosts: a generator of effects.

It calls the pure operators and yields what must be done in the world: begin a pass, receive,
send, record, mark. Hosts only perform these effects, so every host behaves the same.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from manyscale.contract.fields import Field
from manyscale.contract.messages import Clock, Contact, Received, Start
from manyscale.contract.model import ScaleModel
from manyscale.contract.ports import OPERATORS, Port
from manyscale.contract.refusal import Refused
from manyscale.contract.state import freeze
from manyscale.hosting.door import Door, Envelope, GeometryStore, Wire
from manyscale.hosting.effects import Begin, Effect, Loop, Mark, Receive, Record, Send
from manyscale.hosting.generic_door import GenericDoor
from manyscale.hosting.memory import NO_WINDOW, Memory, Progress, Tries
from manyscale.hosting.plug import Plug, seed_of

_BEGIN = Begin()


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
        self.doors = {name: self._door(port) for name, port in model.ports.items()}
        self.seed = seed_of(plug.run_seed, plug.seed_name or plug.instance)
        self.by_operator: dict[str, list[Port]] = {
            operator: [p for p in model.ports.values() if p.operator == operator]
            for operator in OPERATORS
        }
        self._due: dict[tuple[str, str], list[Port]] = {}

    def _door(self, port: Port) -> Door:
        where = f"{self.plug.instance}.{port.name}"
        store = self.plug.geometry.setdefault(port.name, GeometryStore())
        if port.like:
            return GenericDoor(self.model, port, where, store, self.plug.carried)
        return Door(self.model, port, where, store)

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
            if self.plug.ranks.root:
                contacts = yield from self._contacts(port)
            else:
                self.plug.does(f"receiving {name}", self.plug.at)
                contacts = []
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
        shown = any(p.like or any(f.mesh for f in p.fields.values()) for p in ports)
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
                yield Record(name, clock.now, values, self.described(port, values))
            if connected:
                for slot, one in zip(self.slots(name), values, strict=True):
                    data = door.to_wire(one, envelope, geometry, slot)
                    yield Send(name, slot, Wire(float(clock.now), next_time, data))

    def checked(self, port: Port, message: Any, now: float) -> list[dict[str, Any]] | None:
        """Return the checked values of every slot on the root rank, None on the others."""
        parts = self.plug.ranks.collect(port, self._parts(port, message))
        door = self.doors[port.name]
        return None if parts is None else [door.checked(part, now) for part in parts]

    def described(self, port: Port, values: list[dict[str, Any]]) -> Mapping[str, Field]:
        """Return what is known of the fields of a port: declared, or as they came."""
        door = self.doors[port.name]
        if isinstance(door, GenericDoor) and values:
            return door.declared(values[0])
        return port.fields

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
                    closed, unit = unit, None
                    closed.close()
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
    kept = _kept(unit, memory, envelope)
    plug.does("f_init", time)
    state = keep(model.f_init(Start(time, unit.seed, slots, kept), received))
    return Progress(state, time, memory, envelope, NO_WINDOW)


def _kept(unit: _Instance, memory: Memory, envelope: Envelope) -> Any:
    if not unit.model.keeps_state:
        return None
    if unit.model.owns_windows:
        return memory.last(envelope)
    return memory.kept(envelope, unit.plug.instance)


def _turns(unit: _Instance, begun: Progress) -> Loop:
    """Go through the turns of a pass from where it stands, and answer."""
    model, plug, memory, envelope = unit.model, unit.plug, begun.memory, begun.envelope
    keep = freeze if plug.read_only else _as_it_is
    state, tries = begun.state, Tries(begun.tries)
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
    between = Progress(None, clock.now, memory, envelope, NO_WINDOW)
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
                yield Record(port.name, clock.now, values, unit.described(port, values))


def _newest(received: Received) -> tuple[float, Envelope]:
    """Return the newest time stamp and window that arrived; what never came does not count."""
    time, envelope = float("-inf"), NO_WINDOW
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
