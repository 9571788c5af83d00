"""Peers for a model under test: scale models that play the other end of its ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from manyscale.contract.meshes import Geometry, Mesh
from manyscale.contract.messages import Clock, Messages, Received, Start
from manyscale.contract.model import ScaleModel
from manyscale.contract.ports import F_INIT, O_F, O_I, Port, S
from manyscale.contract.state import State
from manyscale.testing.example import example_message, example_of

CALLS = 3  # how often a caller calls the model under test


def ports_of(model: type[ScaleModel], operator: str, *, slots: bool) -> list[Port]:
    """Return the ports of one operator, with or without slots, that a peer can be at.

    Not those that the model's example does without, nor those that send settings.
    """
    without = example_of(model).unconnected
    used = [p for p in model.ports.values() if p.name not in without and not p.overlay]
    return [p for p in used if p.operator == operator and p.slots is slots]


def caller(model: type[ScaleModel]) -> type[ScaleModel]:
    """Return a model that calls `model` on its F_INIT ports and takes its O_F messages."""
    down = {p.name: O_I(**_sent(model, p)) for p in ports_of(model, "f_init", slots=False)}
    up = {p.name: S(**_heard(p)) for p in ports_of(model, "o_f", slots=False)}
    return _made(f"{model.__name__}Caller", (_Caller,), model, {**down, **up})


def caller_of_both(model: type[ScaleModel]) -> type[ScaleModel]:
    """Return the same for a model that begins with messages of one sender and with slots.

    Those with slots go through a `relay` to each.
    """
    plain = ports_of(model, "f_init", slots=False)
    several = ports_of(model, "f_init", slots=True)
    down = {p.name: O_I(slots=p.slots, **_sent(model, p)) for p in (*plain, *several)}
    up = {p.name: S(**_heard(p)) for p in ports_of(model, "o_f", slots=False)}
    return _made(f"{model.__name__}CallerOfBoth", (_Caller,), model, {**down, **up})


def relay(model: type[ScaleModel]) -> type[ScaleModel]:
    """Return a model that is called on `<port>_asked` and gives an example on `<port>`."""
    ports = ports_of(model, "f_init", slots=True)
    up = {f"{p.name}_asked": F_INIT(**_sent(model, p)) for p in ports}
    down = {p.name: O_F(**_sent(model, p)) for p in ports}
    return _made(f"{model.__name__}Relay", (_Callee,), model, {**up, **down})


def caller_of_slots(model: type[ScaleModel]) -> type[ScaleModel]:
    """Return the same for the ports with slots, to be instantiated once per slot."""
    down = {p.name: O_I(**_sent(model, p)) for p in ports_of(model, "f_init", slots=True)}
    up = {p.name: S(**_heard(p)) for p in ports_of(model, "o_f", slots=True)}
    return _made(f"{model.__name__}SlotCaller", (_Caller,), model, {**down, **up})


def listener_of_slots(model: type[ScaleModel]) -> type[ScaleModel]:
    """Return a model that takes what a slot of `model` answers to a caller of its own."""
    up = {p.name: F_INIT(**_heard(p)) for p in ports_of(model, "o_f", slots=True)}
    return _made(f"{model.__name__}SlotListener", (_Callee,), model, up)


def callee(model: type[ScaleModel]) -> type[ScaleModel]:
    """Return a model that `model` calls at its turns: O_I ports lead here, S come from here."""
    return _callee(model, slots=False)


def callee_of_slots(model: type[ScaleModel]) -> type[ScaleModel]:
    """Return the same for the ports with slots, to be instantiated once per slot."""
    return _callee(model, slots=True)


def _callee(model: type[ScaleModel], *, slots: bool) -> type[ScaleModel]:
    sent = ports_of(model, "o_i", slots=slots)
    several = len({p.timeline for p in sent}) > 1  # then each instance of it plays one timeline
    up = {p.name: F_INIT(optional=several, **_heard(p)) for p in sent}
    down = {p.name: O_F(**_sent(model, p)) for p in ports_of(model, "s", slots=slots)}
    return _made(f"{model.__name__}Callee", (_Callee,), model, {**up, **down})


def _sent(model: type[ScaleModel], port: Port) -> dict[str, Any]:
    """Return the fields a peer sends to a port of the model."""
    return dict(example_of(model).fields[port.name] if port.like else port.fields)


def _heard(port: Port) -> dict[str, Any]:
    """Return what a peer declares to hear from a port of the model."""
    return {"like": "*"} if port.like else dict(port.fields)


def _made(
    name: str, bases: tuple[type, ...], model: type[ScaleModel], ports: Mapping[str, Port]
) -> type[ScaleModel]:
    sizes = {n: s for n, s in model.settings().items() if s.type is int}
    body: dict[str, Any] = {
        "__doc__": f"Plays the other end of {model.__name__}.",
        "__module__": model.__module__,
        "__annotations__": {n: Annotated[int, s.unit, s.text] for n, s in sizes.items()},
        "tested": model,
        **_meshes(model),
        **dict(ports),
        **{n: s.default for n, s in sizes.items() if not s.required},
    }
    return type(name, bases, body)


def _meshes(model: type[ScaleModel]) -> dict[str, Mesh]:
    """Return the meshes of the model, and those its example has a geometry of."""
    shapes = example_of(model).geometries
    made = {
        n: Mesh("unstructured" if g.kind == "unstructured" else "rectilinear", crs=g.crs)
        for n, g in shapes.items()
    }
    return {**made, **model.meshes}


class _Answers(ScaleModel):
    """What callers and callees share: an example message for every port they send on."""

    tested: ClassVar[type[ScaleModel]]

    def _messages(self, operator: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for port in self.ports.values():
            if port.operator == operator:
                message = example_message(self.tested, self.tested.ports[port.name])
                several = [message] * example_of(self.tested).slots
                found[port.name] = several if port.slots else message
        return found

    def geometries(self, state: Any) -> Mapping[str, Geometry]:
        """Return the meshes of the example."""
        return example_of(self.tested).geometries


class _Caller(_Answers):
    """Calls the model under test a few times, one second apart."""

    class State(State):
        step: int

    def f_init(self, start: Start, received: Received) -> State:
        """Begin before the first call."""
        return self.State(step=0)

    def clock(self, state: Any) -> Clock:
        """Count the calls."""
        return Clock.steps(state.step, CALLS, 1.0)

    def o_i(self, state: Any) -> Messages:
        """Send example messages."""
        return self._messages("o_i")

    def s(self, state: Any, received: Received) -> Any:
        """Count a call."""
        return self.State(step=state.step + 1)


class _Callee(_Answers):
    """Answers every call with example messages."""

    class State(State):
        time: float

    def f_init(self, start: Start, received: Received) -> State:
        """Take the question."""
        return self.State(time=start.time)

    def clock(self, state: Any) -> Clock:
        """Stamp the answer with the time of the question."""
        return Clock(state.time)

    def o_f(self, state: Any) -> Messages:
        """Send example messages."""
        return self._messages("o_f")
