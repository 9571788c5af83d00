"""How the models of a spec stand in each other: what one sees of those inside and around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from ymmsl.v0_2 import (
    Component,
    Conduit,
    Configuration,
    Identifier,
    Model,
    Operator,
    Port,
    Reference,
    Timeline,
)

from manyscale.contract.diagnostics import At
from manyscale.contract.model import ScaleModel


class Surroundings(Protocol):
    """What the wiring of one model has to know of the spec around it."""

    @property
    def config(self) -> Configuration:
        """All models and programs."""

    @property
    def receivers(self) -> Mapping[At, list[str]]:
        """Ends of conduits that were left out of the files, by model."""

    @property
    def lost(self) -> set[At]:
        """Places that were left out of the files."""

    @property
    def circles(self) -> list[tuple[list[Model], Component]]:
        """Components that are implemented by a model around them, with those models."""

    def at(self, model: Model) -> At:
        """Return where a model is written."""

    def conduits(self, model: Model) -> list[tuple[Conduit, At]]:
        """Return a model's conduits with their places."""

    def program(self, component: Component) -> Any:
        """Return the ymmsl Program of a component, None if a model implements it."""

    def nested(self, component: Component) -> Model | None:
        """Return the model that implements a component, None if a program does."""

    def contract(self, component: Component) -> type[ScaleModel] | None:
        """Return what is known of a component."""

    def is_lost(self, at: At) -> bool:
        """Whether something at a place, in it or around it was left out of the files."""


def promised(spec: Surroundings, component: Component) -> Mapping[str, Port] | None:
    """Return the ports a component's implementation has, None if they are not known."""
    nested = spec.nested(component)
    if any(closing is component for _, closing in spec.circles):
        return None
    if nested is not None:
        return {str(n): port for n, port in nested.ports.items()}
    program = spec.program(component)
    listed = {} if program is None else {str(n): port for n, port in program.ports.items()}
    contract = as_written(spec.contract(component))
    if contract is None:
        return listed or None
    return {**listed, **contract}  # a check of programs compares the two


def as_written(contract: Any) -> dict[str, Port] | None:
    """Return the ports of a contract as yMMSL has them."""
    if contract is None:
        return None
    return {
        name: Port(Identifier(name), Operator[port.operator.upper()], Timeline(port.timeline))
        for name, port in contract.ports.items()
    }


def downstream(
    spec: Surroundings, model: Model, receiver: Reference, seen: frozenset[str] = frozenset()
) -> Iterator[tuple[At, str]]:
    """Yield the component and port a conduit to a receiver leads to, through nested models."""
    name, port = parts(receiver)
    here = f"{model.name}/{receiver}"
    if here in seen:
        return
    seen |= {here}
    if not name:
        for outer in spec.config.models.values():
            for component in outer.components.values():
                if component.implementation == model.name:
                    sender = component.name + Reference(port)
                    yield from leaving(spec, outer, sender, seen)
        return
    yield (*spec.at(model), "components", str(name)), port
    nested = spec.nested(model.components[name])
    if nested is not None:
        yield from leaving(spec, nested, Reference(port), seen)


def leaving(
    spec: Surroundings, model: Model, sender: Reference, seen: frozenset[str] = frozenset()
) -> Iterator[tuple[At, str]]:
    """Yield the component and port that what leaves a sender comes to."""
    for conduit in model.conduits:
        name = conduit.receiving_component()
        if conduit.sender == sender and (not name or name in model.components):
            yield from downstream(spec, model, conduit.receiver, seen)


def circles(
    spec: Surroundings, model: Model, path: list[Model], done: set[Reference]
) -> Iterator[tuple[list[Model], Component]]:
    """Yield the components implemented by a model around them, with those models, once each."""
    if model.name in done:
        return
    for component in model.components.values():
        nested = spec.nested(component)
        if nested is not None and nested in path:
            yield path[path.index(nested) :], component
        elif nested is not None:
            yield from circles(spec, nested, [*path, nested], done)
    done.add(model.name)


def parts(reference: Reference) -> tuple[Reference, str]:
    """Return component and port of a conduit's end; no component for a port of the model."""
    return Reference(list(reference)[:-1]), str(reference[-1])
