"""What a diagram shows: boxes with ports, and conduits between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from manyscale.coupling.graph import Graph, Link, Node
from manyscale.drawing.patterns import operator, pattern


@dataclass(eq=False)
class Box:
    """A component, or a nested model drawn as one."""

    name: str
    """Path from the root model, with dots."""
    program: str
    sizes: tuple[int, ...] = ()
    known: bool = True
    """Whether there is a contract."""
    folded: bool = False
    """Whether it stands for a whole model."""
    ports: dict[str, str] = field(default_factory=dict)
    """Operators by port."""

    @property
    def title(self) -> str:
        """Name within its model."""
        return self.name.rpartition(".")[2]

    @property
    def times(self) -> str:
        """Number of instances, as in `×4`; empty if there is one."""
        return "".join(f"×{size}" for size in self.sizes)


@dataclass(eq=False)
class Conduit:
    """A line from a port of one box to a port of another."""

    sender: Box
    out: str
    receiver: Box
    into: str
    pattern: str
    filters: tuple[str, ...] = ()
    slots: tuple[str, str] = ("", "")
    """Which slots the port at either end has, as in `1..4`."""


@dataclass(frozen=True)
class Parts:
    """Everything in a diagram."""

    name: str
    boxes: Sequence[Box]
    conduits: Sequence[Conduit]


def parts(graph: Graph, folded: bool = False) -> Parts:
    """Return boxes and conduits of a coupling; `folded` makes a nested model one box."""
    boxes: dict[str, Box] = {}
    of: dict[str, Box] = {}
    for node in graph.nodes.values():
        top = node.name.partition(".")[0] if folded else node.name
        if top == node.name:
            boxes[top] = _component(node)
        elif top not in boxes:
            boxes[top] = _nested(top, [n for n in graph.nodes.values() if _inside(n, top)])
        of[node.name] = boxes[top]
    conduits = [_conduit(link, of) for link in graph.links]
    outer = [c for c in conduits if not (c.sender.folded and c.sender is c.receiver)]
    for link, conduit in zip(graph.links, conduits, strict=True):
        conduit.sender.ports.setdefault(conduit.out, operator(link.sender, link.out))
        conduit.receiver.ports.setdefault(conduit.into, operator(link.receiver, link.into))
    _keep_outer_ports(outer)
    return Parts(graph.name, list(boxes.values()), outer)


def _component(node: Node) -> Box:
    ports = {name: ending.operator for name, ending in node.ports.items()}
    program = node.contract.name if node.contract else node.program.rpartition(".")[2]
    return Box(node.name, program, node.sizes, node.contract is not None, ports=ports)


def _nested(name: str, members: Sequence[Node]) -> Box:
    models = {n.model.rpartition(".")[2] for n in members if n.name.count(".") == 1}
    shared = [sizes[0] for sizes in zip(*(n.sizes for n in members)) if len(set(sizes)) == 1]  # noqa: B905
    return Box(name, models.pop() if len(models) == 1 else "", tuple(shared), folded=True)


def _inside(node: Node, model: str) -> bool:
    return node.name.startswith(model + ".")


def _conduit(link: Link, of: Mapping[str, Box]) -> Conduit:
    sender, receiver = of[link.sender.name], of[link.receiver.name]
    out = _outer(sender, link.sender, link.out)
    into = _outer(receiver, link.receiver, link.into)
    return Conduit(sender, out, receiver, into, pattern(link), link.filters, _slots(link))


def _outer(box: Box, node: Node, port: str) -> str:
    return f"{node.name.removeprefix(box.name + '.')}.{port}" if box.folded else port


def _slots(link: Link) -> tuple[str, str]:
    """Return the slots at either end: a port has one for every instance of a longer peer."""
    here, there = link.sender.sizes, link.receiver.sizes
    return _range(there[len(here) :]), _range(here[len(there) :])


def _range(sizes: Sequence[int]) -> str:
    return f"1..{prod(sizes)}" if sizes else ""


def _keep_outer_ports(conduits: Sequence[Conduit]) -> None:
    """Leave a folded model only the ports that lead out of it."""
    used = {(c.sender, c.out) for c in conduits} | {(c.receiver, c.into) for c in conduits}
    for box in {b for b, _ in used if b.folded}:
        box.ports = {name: op for name, op in box.ports.items() if (box, name) in used}
