"""The wiring of one yMMSL model: which conduits are at fault, and whether its timelines match."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ymmsl.v0_2 import (
    Component,
    Conduit,
    Model,
    Operator,
    Port,
    Ports,
    Reference,
    Timeline,
)

from manyscale.contract.diagnostics import At
from manyscale.contract.refusal import close_to
from manyscale.coupling.graph import SETTINGS_IN
from manyscale.coupling.nesting import Surroundings, downstream, leaving, parts, promised
from manyscale.coupling.timelines import Mismatch, mismatches

SENDING = (Operator.O_I, Operator.O_F)
End = Literal["sender", "receiver"]
ENDS: tuple[End, End] = ("sender", "receiver")


@dataclass(frozen=True)
class Fault:
    """One end of a conduit that cannot be connected.

    `kind` is `component` or `port` for what is not there, `direction` for a port of the other
    direction, `second` for a receiving port that another conduit ends at.
    """

    kind: Literal["component", "port", "direction", "second"]
    conduit: Conduit
    at: At
    end: End
    told: bool = True
    """Whether it is this conduit's mistake; else something it names was left out before."""
    other: At = ()
    """The conduit that came first."""

    @property
    def reference(self) -> Reference:
        """The end as it is written."""
        found: Reference = getattr(self.conduit, self.end)
        return found


class Wiring:
    """A model's components and conduits, with their places."""

    def __init__(self, spec: Surroundings, model: Model) -> None:
        self.spec, self.model = spec, model
        self.at = spec.at(model)
        self.conduits = spec.conduits(model)

    def place(self, component: Component) -> At:
        """Return where a component is written."""
        return (*self.at, "components", str(component.name))

    @cached_property
    def faults(self) -> list[Fault]:
        """What is wrong with the ends of conduits."""
        found: list[Fault] = []
        first: dict[Reference, At] = {}
        for conduit, at in self.conduits:
            mine = [f for end in ENDS for f in self._at_end(conduit, at, end)]
            other = first.setdefault(conduit.receiver, at) if self._runs(conduit) else at
            if not mine and other != at:
                mine = [Fault("second", conduit, at, "receiver", other=other)]
            found += mine
        return found

    def _runs(self, conduit: Conduit) -> bool:
        """Whether both components have an implementation; else MUSCLE3 leaves a conduit out."""
        ends = (conduit.sending_component(), conduit.receiving_component())
        return all(
            c.implementation is not None
            for c in map(self.model.components.get, ends)
            if c is not None
        )

    def _at_end(self, conduit: Conduit, at: At, end: End) -> Iterator[Fault]:
        name, port = parts(getattr(conduit, end))
        if not name:
            # seen from inside, a port by which the model receives is one that sends
            yield from self._at_port(conduit, at, end, self.model.ports, port, end == "receiver")
        elif name not in self.model.components:
            told = not self.spec.is_lost((*self.at, "components", str(name)))
            yield Fault("component", conduit, at, end, told)
        elif not (end == "receiver" and port == SETTINGS_IN):
            component = self.model.components[name]
            told = not self.spec.is_lost(self.place(component))
            sends = end == "sender"
            yield from self._at_port(conduit, at, end, component.ports, port, sends, told)

    def _at_port(
        self,
        conduit: Conduit,
        at: At,
        end: End,
        ports: Ports,
        port: str,
        sends: bool,
        told: bool = True,
    ) -> Iterator[Fault]:
        if port not in ports:
            yield Fault("port", conduit, at, end, told)
        elif (ports[port].operator in SENDING) != sends:
            yield Fault("direction", conduit, at, end, told)

    def promised(self, component: Component) -> Mapping[str, Port] | None:
        """Return the ports a component's implementation has, None if they are not known."""
        return promised(self.spec, component)

    def sound(self) -> Model:
        """Return the model with what is right in it: for questions about its timelines."""
        model = copy(self.model)
        model.components = {n: self._mended(c) for n, c in self.model.components.items()}
        model.conduits = [copy(c) for c, _ in self.clear]
        model.matching_timelines = [
            copy(m)
            for m in self.model.matching_timelines or []
            if all(self.has_timeline(t) for t in m.matches)
        ]
        return model

    @cached_property
    def clear(self) -> list[tuple[Conduit, At]]:
        """The conduits between components of which it is known by what they are called."""
        wrong = {id(fault.conduit) for fault in self.faults}
        right = [(c, at) for c, at in self.conduits if id(c) not in wrong]
        unclear = self._miscalled([c for c, _ in right])
        grown = True
        while grown:
            called = {
                c.receiving_component()
                for c, _ in right
                if c.sending_component() in unclear and self._starts(c.receiver)
            }
            grown = not called <= unclear
            unclear |= called
        return [
            (c, at)
            for c, at in right
            if not unclear & {c.sending_component(), c.receiving_component()}
        ]

    def _miscalled(self, right: list[Conduit]) -> set[Reference]:
        """Return the components that miss what they wait for at their start."""
        lost = [Reference(w) for w in self.spec.receivers.get(self.at, []) if _is_reference(w)]
        faulty = [ref for f in self.faults for ref in (f.conduit.sender, f.conduit.receiver)
                  if f.kind != "second"]  # fmt: skip
        meant = {ref for one in [*faulty, *lost] for ref in self._meant(one)}
        found = {parts(ref)[0] for ref in meant if self._starts(ref)} - {Reference([])}
        heard = {c.receiver for c in right}
        for name, component in self.model.components.items():
            contract = self.spec.contract(component)
            if contract is None or any(str(p) not in contract.ports for p in component.ports):
                continue  # a port that the component calls otherwise is told at its ports
            for port in contract.ports.values():
                needed = port.operator == "f_init" and not port.optional
                if needed and name + Reference(port.name) not in heard:
                    found.add(name)
        return found

    def _starts(self, receiver: Reference) -> bool:
        """Whether a reference names an F_INIT port of a component."""
        name, port = parts(receiver)
        component = self.model.components.get(name)
        if component is None:
            return False
        if port == SETTINGS_IN:
            return True
        known = {
            **{str(n): p for n, p in component.ports.items()},
            **(self.promised(component) or {}),
        }
        return port in known and known[port].operator is Operator.F_INIT

    @cached_property
    def unknown_timelines(self) -> list[tuple[str, Reference]]:
        """Names in `matching_timelines` that are not there, with the entry they stand in."""
        return [
            (str(matching.head), part)
            for matching in self.model.matching_timelines or []
            for timeline in sorted(matching.matches)
            for part in timeline
            if self.unknown_in(part)
        ]

    def _mended(self, component: Component) -> Component:
        """Return a component with the operators and timelines of its implementation."""
        known = self.promised(component) or {}
        if all(known.get(str(name), port) == port for name, port in component.ports.items()):
            return component
        mended = copy(component)
        mended.ports = Ports([known.get(str(n), port) for n, port in component.ports.items()])
        return mended

    def has_timeline(self, timeline: Timeline) -> bool:
        """Whether every part of a timeline is a component, or one and a timeline it has."""
        return all(not self.unknown_in(part) for part in timeline)

    def unknown_in(self, part: Reference) -> str:
        """Return the word of a timeline's part that names nothing, empty if all do."""
        component = self.model.components.get(Reference([part[0]]))
        if component is None:
            return str(part[0])
        if len(part) == 1:
            return ""
        own = {str(port.timeline) for port in component.ports.values()}
        return "" if str(part[1]) in own else str(part[1])

    @cached_property
    def mismatches(self) -> list[Mismatch]:
        """What is wrong with the timelines of the conduits that can be connected."""
        return list(mismatches(self.sound(), [at for _, at in self.clear]))

    def unsure(self) -> Iterator[tuple[At, str]]:
        """Yield the ports that may seem unconnected because a conduit is at fault."""
        ends = [ref for f in self.faults for ref in (f.conduit.sender, f.conduit.receiver)]
        ends += [Reference(w) for w in self.spec.receivers.get(self.at, []) if _is_reference(w)]
        for meant in {one for reference in ends for one in self._meant(reference)}:
            yield from downstream(self.spec, self.model, meant)
        for one in self.mismatches:
            if one.component:
                yield (*self.at, "components", one.component), ""
        for component in self.model.components.values():
            nested = self.spec.nested(component)
            if nested is not None and any(p not in nested.ports for p in component.ports):
                for port in nested.ports:
                    yield from leaving(self.spec, nested, Reference(str(port)))

    def _meant(self, reference: Reference) -> list[Reference]:
        """Return the ports that a reference may have meant."""
        name, port = parts(reference)
        components = self.model.components
        if not name:
            if reference in components:
                return [reference + Reference(str(p)) for p in components[reference].ports]
            return [Reference(str(n)) for n, p in self.model.ports.items() if p.operator in SENDING]
        if name in components:
            own = components[name].ports
            if port in own:
                return [reference]
            return [name + Reference(str(p)) for p in own]
        near = close_to(str(name), map(str, components))
        if near:
            return self._meant(Reference(near) + Reference(port))
        return [c.name + Reference(port) for c in components.values() if port in c.ports]


def _is_reference(word: str) -> bool:
    try:
        Reference(word)
    except ValueError:
        return False
    return True
