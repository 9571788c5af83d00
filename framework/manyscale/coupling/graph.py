"""The coupling as a graph: components with their contracts, conduits, settings and places.

This is what the checks of third parties are given as well, as `ms.Graph`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from manyscale.contract.diagnostics import At
from manyscale.contract.fields import Field
from manyscale.contract.model import ScaleModel
from manyscale.contract.ports import Port
from manyscale.contract.refusal import Refused
from manyscale.contract.settings import Setting
from manyscale.coupling.settings import lookup

SETTINGS_IN = "muscle_settings_in"


@dataclass(frozen=True)
class Ending:
    """A port as the spec declares it: its operator in small letters, and its timeline."""

    name: str
    operator: str
    timeline: str = ""

    @property
    def sends(self) -> bool:
        """Whether messages leave here."""
        return self.operator in ("o_i", "o_f")


@dataclass(eq=False)
class Node:
    """One component that runs a program."""

    name: str
    """Path from the root model: `bulk`, or `farm.pipe` inside a nested model."""
    at: At
    program: str
    ports: Mapping[str, Ending]
    sizes: tuple[int, ...] = ()
    contract: type[ScaleModel] | None = None
    """What it promises; None if nothing is known of it."""
    hosted: bool = False
    """Whether a host of this framework runs it; else the contract comes from a sidecar."""
    model: str = ""
    """The yMMSL model it stands in."""

    @cached_property
    def instances(self) -> list[str]:
        """Instance names: `pipe[0]`, `pipe[1]`, or `bulk`."""
        names = [self.name]
        for size in self.sizes:
            names = [f"{name}[{i}]" for name in names for i in range(size)]
        return names

    def port(self, name: str) -> Port | None:
        """Return the port of the contract, None if it has none or there is no contract."""
        return None if self.contract is None else self.contract.ports.get(name)

    def setting(self, name: str) -> Setting | None:
        """Return the declared setting, None if there is none."""
        return None if self.contract is None else self.contract.settings().get(name)


@dataclass(eq=False)
class Link:
    """One conduit from component to component, through whatever nested models."""

    sender: Node
    out: str
    receiver: Node
    into: str
    filters: tuple[str, ...]
    at: At

    def __str__(self) -> str:
        return f"{self.sender.name}.{self.out} to {self.receiver.name}.{self.into}"

    @property
    def ends(self) -> tuple[Port | None, Port | None]:
        """Both ports as their contracts declare them."""
        return self.sender.port(self.out), self.receiver.port(self.into)


@dataclass(eq=False)
class Graph:
    """A resolved coupling, flat, with a contract at every component that has one."""

    name: str
    nodes: Mapping[str, Node]
    links: Sequence[Link]
    settings: dict[str, Any]
    programs: Mapping[str, Any] = field(default_factory=dict)
    """ymmsl Programs by name."""
    resources: Mapping[str, Any] = field(default_factory=dict)
    """ymmsl ResourceRequirements by component path."""
    checkpoints: Any = None
    files: Sequence[Any] = ()
    """Paths of the spec's files."""
    unsure: Set[tuple[At, str]] = frozenset()
    """Places of components, and their ports, that only seem unconnected: a mistake was found in
    the conduit."""
    left_out: frozenset[str] = frozenset()
    """Components that are named in the files and not here: their mistake was told already."""
    doubtful: set[str] = field(default_factory=set)
    """Components that a misspelled or misplaced setting was meant for: it did not reach them."""

    def is_unsure(self, node: Node, port: str) -> bool:
        """Whether a port only seems unconnected, because of another mistake."""
        places = ((node.at, port), (node.at, ""), (node.at[:2], ""), (node.at[:1], ""))
        return any(place in self.unsure for place in places)

    def into(self, node: Node, port: str) -> list[Link]:
        """Return the conduits that end at a port."""
        return [k for k in self._into.get(node.name, ()) if k.into == port]

    def out_of(self, node: Node, port: str) -> list[Link]:
        """Return the conduits that begin at a port."""
        return [k for k in self._out_of.get(node.name, ()) if k.out == port]

    @cached_property
    def _into(self) -> dict[str, list[Link]]:
        found: dict[str, list[Link]] = {}
        for link in self.links:
            found.setdefault(link.receiver.name, []).append(link)
        return found

    @cached_property
    def _out_of(self) -> dict[str, list[Link]]:
        found: dict[str, list[Link]] = {}
        for link in self.links:
            found.setdefault(link.sender.name, []).append(link)
        return found

    @cached_property
    def instances(self) -> dict[str, Node]:
        """The component of every instance, by instance name."""
        return {name: node for node in self.nodes.values() for name in node.instances}

    def fields(self, node: Node, name: str) -> Mapping[str, Field] | None:
        """Return the fields of a port, those of a generic one found along the conduits.

        None if nothing is known of them: no contract, or a generic port in a circle.
        """
        return self._fields(node, name, ())

    def _fields(
        self, node: Node, name: str, seen: tuple[tuple[str, str], ...]
    ) -> Mapping[str, Field] | None:
        port = node.port(name)
        if port is None or (node.name, name) in seen:
            return None
        if not port.like:
            return port.fields
        seen = (*seen, (node.name, name))
        if port.like != "*":
            origin = self._fields(node, port.like, seen)
        else:
            senders = [self._fields(k.sender, k.out, seen) for k in self.into(node, name)]
            origin = senders[0] if senders else None
        return None if origin is None else port.followed(origin)

    def values(self, instance: str) -> dict[str, tuple[str, Any]]:
        """Return (key in the spec, value) of every setting an instance is given, by name."""
        node = self.instances[instance]
        return lookup(self.settings, instance, node.contract.settings() if node.contract else ())

    def length(self, node: Node, field: Field, axis: str) -> int | None:
        """Return how long an axis is in every instance of a component, None if not known."""
        for one in field.shape or ():
            if one.name == axis and one.length is not None:
                return one.length
            if one.name == axis and one.setting:
                models = [self.model(name) for name in node.instances]
                found = {getattr(model, one.setting) for model in models if model is not None}
                return int(found.pop()) if len(found) == 1 and None not in models else None
        return None

    def model(self, instance: str) -> ScaleModel | None:
        """Return an instance's model with its settings, None if they do not fit or are doubtful."""
        if self.instances[instance].name in self.doubtful:
            return None
        try:
            return self.settled(instance)
        except (Refused, ValueError):
            return None

    def settled(self, instance: str) -> ScaleModel | None:
        """Return an instance's model with its settings, None without a contract.

        Raises `Refused` or `ValueError` if they do not fit.
        """
        contract = self.instances[instance].contract
        if contract is None:
            return None
        values = {name: value for name, (_, value) in self.values(instance).items()}
        key = (contract, repr(sorted(values.items())))
        if key not in self._models:
            self._models[key] = contract.with_settings(values)
        return self._models[key]

    @cached_property
    def _models(self) -> dict[Any, ScaleModel]:
        return {}

    def concerned(self, key: str) -> list[tuple[Node, Setting | None]]:
        """Return the components a setting of the spec speaks to, and what they declare of it."""
        owner, _, name = key.rpartition(".")
        path = re.sub(r"\[.*", "", owner)
        return [(node, node.setting(name)) for node in self._under.get(path, ())]

    @cached_property
    def _under(self) -> dict[str, list[Node]]:
        """The components at or below every path; all of them below the empty one."""
        found: dict[str, list[Node]] = {"": []}
        for node in self.nodes.values():
            path = ""
            found[path].append(node)
            for part in node.name.split("."):
                path = f"{path}.{part}" if path else part
                found.setdefault(path, []).append(node)
        return found


def matched(graph: Graph) -> Iterator[tuple[Link, str, Field, Field]]:
    """Yield every field that both ends of a conduit know: conduit, name, sent and wanted.

    The one field of two plain ports travels without its name, so the names may differ.
    """
    for link in graph.links:
        sent = graph.fields(link.sender, link.out) or {}
        wanted = graph.fields(link.receiver, link.into) or {}
        if all(port is not None and port.plain for port in link.ends):
            (name, field), (other,) = *sent.items(), wanted.values()
            yield link, name, field, other
            continue
        for name in wanted:
            if name in sent:
                yield link, name, sent[name], wanted[name]
