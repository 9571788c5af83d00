"""How two components of a coupling meet: one calls the other, or both interact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from manyscale.contract.model import ScaleModel
from manyscale.contract.refusal import Refused
from manyscale.contract.scales import Scale
from manyscale.coupling.addressed import is_another
from manyscale.coupling.graph import Graph, Link, Node


@dataclass(frozen=True)
class Meeting:
    """Two components with conduits both ways, and one conduit of each."""

    first: Node
    """The caller, or one of two that interact."""
    second: Node
    there: Link
    back: Link

    @property
    def paced(self) -> bool:
        """Whether they meet on a timeline of its own, or not at every turn."""
        links = (self.there, self.back)
        endings = [
            ending
            for link in links
            for ending in (link.sender.ports.get(link.out), link.receiver.ports.get(link.into))
        ]
        return any(link.filters for link in links) or any(e and e.timeline for e in endings)


def calls(graph: Graph) -> Iterator[Meeting]:
    """Yield every micro that is called within a step: O_I to F_INIT, and O_F back to S."""
    yield from _meetings(graph, ("o_i", "f_init"), ("o_f", "s"))


def interactions(graph: Graph) -> Iterator[Meeting]:
    """Yield every two components that exchange in each step, O_I to S both ways, once."""
    for one in _meetings(graph, ("o_i", "s"), ("o_i", "s")):
        if one.first.name < one.second.name:
            yield one


def _meetings(graph: Graph, there: tuple[str, str], back: tuple[str, str]) -> Iterator[Meeting]:
    backs = {
        (link.sender.name, link.receiver.name): link
        for link in graph.links
        if _operators(link) == back
    }
    seen = set()
    for link in graph.links:
        pair = (link.sender.name, link.receiver.name)
        other = backs.get(pair[::-1])
        if other is not None and pair not in seen and _operators(link) == there:
            seen.add(pair)
            yield Meeting(link.sender, link.receiver, link, other)


def _operators(link: Link) -> tuple[str, str]:
    sender, receiver = link.sender.ports.get(link.out), link.receiver.ports.get(link.into)
    return (sender.operator if sender else "", receiver.operator if receiver else "")


def times(graph: Graph, node: Node) -> dict[str, Scale]:
    """Return the time scale of every instance that has one, with a grain and an extent."""
    found: dict[str, Scale] = {}
    for name in () if is_another(node) else node.instances:
        model = graph.model(name)
        scale = _time(model) if model is not None else None
        if scale is not None and scale.extent > 0.0:
            found[name] = scale
    return found


def _time(model: ScaleModel) -> Scale | None:
    try:
        return model.scales().time
    except (Refused, ValueError):
        return None  # the settings do not fit together, which is said elsewhere
