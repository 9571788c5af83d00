"""Which components get settings at run time, by overlays that travel with messages."""

from __future__ import annotations

from manyscale.coupling.graph import SETTINGS_IN, Graph, Link


def overlaid(graph: Graph) -> frozenset[str]:
    """Return the components whose settings may be laid over at run time.

    They are told on `muscle_settings_in`, or called by messages that carry such settings on.
    """
    sampling = {link.sender.name for link in graph.links if _tells(link)}
    found = {link.receiver.name for link in graph.links if link.into == SETTINGS_IN}
    called: dict[str, list[str]] = {}
    for link in graph.links:
        if _calls(link):
            called.setdefault(link.sender.name, []).append(link.receiver.name)
    todo = [name for one in sampling for name in called.get(one, ())] + sorted(found)
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += called.get(name, ())
    return frozenset(seen)


def _tells(link: Link) -> bool:
    port = link.ends[0]
    return link.into == SETTINGS_IN or (port is not None and port.overlay)


def _calls(link: Link) -> bool:
    ending = link.receiver.ports.get(link.into)
    return ending is not None and ending.operator == "f_init"
