"""The merged configuration of a spec, and what was left out of its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ymmsl.v0_2 import Component, Conduit, Configuration, Model, Reference

from manyscale.contract.diagnostics import At
from manyscale.contract.model import ScaleModel
from manyscale.coupling.nesting import circles
from manyscale.coupling.source import Source, Sources
from manyscale.coupling.wiring import Wiring
from manyscale.registry import registry

NOTHING = "nothing"
"""Stands for the implementation of a component that has none."""


@dataclass
class Spec:
    """The merged configuration of a spec, nested as it was written, with places."""

    config: Configuration
    sources: Sources
    registry: registry.Registry
    contracts: dict[str, type[ScaleModel] | None]
    """By program name."""
    hosted: frozenset[str]
    """Names of programs a host of this framework runs."""
    trusted: bool = False
    """Whether models that are not registered were imported."""
    machine: str = ""
    """Name of the machine's overlay if its facts are checked later, else empty."""
    dropped: set[str] = field(default_factory=set)
    """Names of implementations that could not be imported; nothing more is said of them."""
    lost: set[At] = field(default_factory=set)
    """Places that were left out of the files; nothing more is said of what they held."""
    receivers: Mapping[At, list[str]] = field(default_factory=dict)
    """Ends of conduits that were left out of the files, by model."""
    unsure: set[tuple[At, str]] = field(default_factory=set)
    """Components and their ports whose conduits are at fault, so that they seem unconnected."""

    def at(self, model: Model) -> At:
        """Return where a model is written."""
        name, copied, _ = str(model.name).partition("__customised_for__")
        return ("models", self._joined.get(name, name) if copied else name)

    @cached_property
    def _joined(self) -> dict[str, str]:
        """The names of models by what their copies begin with: there, dots are underscores."""
        models = ((s, name) for s in self.sources.files for name in s.names("models"))
        full = [f"{source.module}.{name}".lstrip(".") for source, name in models]
        return {name.replace(".", "_"): name for name in full}

    def conduits(self, model: Model) -> list[tuple[Conduit, At]]:
        """Return a model's conduits with their places."""
        counts: dict[str, int] = {}
        found = []
        for conduit in model.conduits:
            sender = str(conduit.sender)
            at: At = (*self.at(model), "conduits", sender)
            number = counts[sender] = counts.get(sender, -1) + 1
            several: At = (*at, number)
            found.append((conduit, several if self.sources.holders(several) else at))
        return found

    def program(self, component: Component) -> Any:
        """Return the ymmsl Program of a component, None if a model implements it."""
        name = component.implementation
        return None if name is None else self.config.programs.get(name)

    def nested(self, component: Component) -> Model | None:
        """Return the model that implements a component, None if a program does."""
        name = component.implementation
        return None if name is None else self.config.models.get(name)

    def contract(self, component: Component) -> type[ScaleModel] | None:
        """Return what is known of a component."""
        return self.contracts.get(str(component.implementation))

    @cached_property
    def wirings(self) -> list[Wiring]:
        """Every model's conduits and ports, and what is wrong with them."""
        return [Wiring(self, model) for model in self.config.models.values()]

    @cached_property
    def circles(self) -> list[tuple[list[Model], Component]]:
        """Components that are implemented by a model around them, with those models."""
        done: set[Reference] = set()
        models = self.config.models.values()
        return [one for model in models for one in circles(self, model, [model], done)]

    def is_lost(self, at: At) -> bool:
        """Whether something at a place, in it or around it was left out of the files."""
        return any(at[: len(one)] == one[: len(at)] for one in self.lost)

    def drop_faults(self) -> None:
        """Leave out the conduits that cannot be connected, and note what they led to."""
        self.unsure = {(at[:4], "") for at in self.lost if at[0] == "models"}
        for wiring in self.wirings:
            self.unsure |= {*wiring.unsure()}
        for wiring in self.wirings:
            wrong = {id(fault.conduit) for fault in wiring.faults}
            wiring.model.conduits = [c for c in wiring.model.conduits if id(c) not in wrong]

    def roots(self) -> list[Model]:
        """Return the models that no component is implemented by, as they are written."""
        used = {
            c.implementation for m in self.config.models.values() for c in m.components.values()
        }
        return [model for name, model in self.config.models.items() if name not in used]

    def keep_root(self) -> Model | None:
        """Leave out the models that the first root does not need; return it, None if none is."""
        root = next(iter(self.roots()), None)
        needed = set() if root is None else {root.name, *self._within(root)}
        for name in set(self.config.models) - needed:
            del self.config.models[name]
        return root

    def _within(self, model: Model) -> Iterator[Reference]:
        for component in model.components.values():
            nested = self.nested(component)
            if nested is not None:
                yield nested.name
                yield from self._within(nested)

    def drop(self, at: At) -> None:
        """Leave out what stands at a place."""
        match at:
            case ("models", str(name)):
                self.config.models.pop(Reference(name), None)
            case ("models", str(name), "components", str(component), "implementation"):
                model = self.config.models[Reference(name)]
                model.components[Reference(component)].implementation = Reference(NOTHING)
            case ("settings", str(key)):
                del self.config.settings[key]
            case ("resources", str(name)):
                self.config.resources.pop(Reference(name), None)
            case ("models", str(name), "components", str(component)):
                model = self.config.models[Reference(name)]
                model.components.pop(Reference(component), None)
                model.conduits = [
                    c
                    for c in model.conduits
                    if component not in (str(c.sending_component()), str(c.receiving_component()))
                ]
            case ("models", str(name), "matching_timelines", *_):
                self.config.models[Reference(name)].matching_timelines = None
            case ("models", str(name), "conduits", *_):
                model = self.config.models[Reference(name)]
                model.conduits = [c for c, place in self.conduits(model) if place != at]


@dataclass
class Lost:
    """What was left out of the files of a spec, in the words of the configuration."""

    places: set[At] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    """Names of implementations."""
    receivers: dict[At, list[str]] = field(default_factory=dict)
    """Receivers of conduits as they were written, by the place of the model."""

    @classmethod
    def of(cls, sources: Sources, dropped: Iterable[At]) -> Lost:
        """Return what goes when these places are left out; they are still there."""
        lost = cls()
        named = {str(source.file): [source] for source in sources.own()}
        for at in dropped:
            for source in named.get(str(at[0]) if at else "", sources.own()):
                inner = at[1:] if at and str(at[0]) in named else at
                lost._note(source, inner)
        return lost

    def _note(self, source: Source, at: At) -> None:
        if at:
            self.places.add(at)
        whole: dict[At, None] = {at: None}
        if len(at) < 2:
            whole = dict.fromkeys(
                one for one in source.nodes if len(one) == 2 and one[: len(at)] == at
            )
        for one in whole:
            match one:
                case ("imports", int()):
                    self.names |= {*str(source.data(one)).split()}
                case ("models" | "programs", str(name)):
                    self.names.add(name)
        match at:
            case ("models", str(name), "conduits", _, *_):
                value = source.data(at)
                lines = value if isinstance(value, list) else [value]
                words = [line.split()[-1] for line in map(str, lines) if line.split()]
                self.receivers.setdefault(("models", name), []).extend([*words, str(at[3])])
