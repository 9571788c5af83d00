"""How the instances of two connected components meet, by their multiplicities."""

from __future__ import annotations

from manyscale.contract.ports import Port
from manyscale.coupling.graph import SETTINGS_IN, Link, Node


def misfit(link: Link) -> str:
    """Return why the instances of a conduit's two ends cannot be connected, empty if they can."""
    sent, wanted = link.ends
    ends = (
        (link.sender, link.out, sent, link.receiver, wanted),
        (link.receiver, link.into, wanted, link.sender, sent),
    )
    common = min(len(link.sender.sizes), len(link.receiver.sizes))
    if link.sender.sizes[:common] != link.receiver.sizes[:common]:
        return (
            f"{_many(link.sender)} and {_many(link.receiver)}: instances meet one by one, so both"
            " need the same multiplicity."
        )
    for node, name, port, peer, other in ends:
        why = _misfit(node, name, port, peer, other)
        if why:
            return why
    return ""


def _misfit(node: Node, name: str, port: Port | None, peer: Node, other: Port | None) -> str:
    more = len(peer.sizes) - len(node.sizes)
    said = f"{node.name}.{name}"
    if more > 1:
        return (
            f"{_many(node)}, {_many(peer)}: a port reaches at most one dimension more than its"
            f" own, so put a component between that has {_times(peer.sizes[:-1])} instances."
        )
    if name == SETTINGS_IN:
        return f"{said} takes settings from one sender, and {_many(peer)}." if more == 1 else ""
    if port is None:
        return ""
    if port.slots and more < 1 and (node.hosted or (other is not None and not other.slots)):
        hint = f" set multiplicity at {peer.name}" if more == 0 else f" {_fewer(node, peer)}"
        return (
            f"{said} has a message for every member of what it is connected to, and"
            f" {_many(peer)} for each {node.name};{hint}."
        )
    if more == 1 and not port.slots:
        return (
            f"{said} has one message, and {_many(peer)}; use a port with slots ({name}[] in"
            f" `manyscale show`), or let {node.name} have that multiplicity as well."
        )
    return ""


def _fewer(node: Node, peer: Node) -> str:
    return f"let {node.name} have fewer dimensions than {peer.name}"


def _many(node: Node) -> str:
    number = _times(node.sizes)
    return f"{node.name} is {number} instance{'' if number == 'one' else 's'}"


def _times(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes)) if sizes else "one"
