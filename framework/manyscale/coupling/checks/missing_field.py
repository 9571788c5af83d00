"""MS301: fields that only one end of a conduit knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.fields import Field
from manyscale.contract.ports import Port
from manyscale.coupling.addressed import is_another
from manyscale.coupling.graph import Graph, Link, Node
from manyscale.coupling.members import misfit


@check("MS301")
def missing_field(graph: Graph) -> Iterator[Finding]:
    """The two ends of a conduit do not know the same fields.

    A message has named fields. The receiver refuses one in which a field is missing that it
    needs, and one with a field it does not know, so that nothing is lost unseen. Both would
    happen at the first message of the run.

        bulk_out     sends    diffusivity
        properties_in expects diffusivity, diffusivity_pipe     # refused: one is missing

    Usually the conduit begins or ends at the wrong port; where another port of the same
    component fits, it is named. Else put a bridge between, a small model that makes the
    fields of the one into those of the other.
    """
    for link in graph.links:
        sent, wanted = _fields(graph, link)
        if sent is None or wanted is None:
            continue
        lacking = [n for n, field in wanted.items() if n not in sent and not field.optional]
        extra = [name for name in sent if name not in wanted]
        if lacking or extra:
            other = _other_port(graph, link, sent, wanted)
            if misfit(link) and (other is not None or not sent.keys() & wanted.keys()):
                continue  # it is the wrong port, which the number of messages has shown
            if other is not None and other[1].slots not in {p.slots for p in link.ends if p}:
                other = None
            yield Finding(
                link.at,
                f"{link.sender.name}.{link.out} sends {', '.join(sent)};"
                f" {link.receiver.name}.{link.into} {_said(lacking, extra, sent, wanted)}",
                write=other[0] if other else "",
            )


def _fields(
    graph: Graph, link: Link
) -> tuple[Mapping[str, Field] | None, Mapping[str, Field] | None]:
    if any(port is None or port.plain or port.overlay for port in link.ends):
        return None, None
    if is_another(link.sender) or is_another(link.receiver):
        return None, None  # the program is the mistake
    return graph.fields(link.sender, link.out), graph.fields(link.receiver, link.into)


def _said(
    lacking: list[str], extra: list[str], sent: Iterable[str], wanted: Mapping[str, Field]
) -> str:
    needs = ", ".join(f"{n} ({wanted[n].quantity} [{wanted[n].unit}])" for n in lacking)
    parts = [f"also needs {needs}" if set(wanted) & set(sent) else f"needs {needs}"] * bool(lacking)
    parts += [f"does not know {', '.join(extra)}"] * bool(extra)
    near = next((m for n in lacking for m in difflib.get_close_matches(n, extra, 1, 0.5)), "")
    return " and ".join(parts) + "." + (f" Is {near!r} meant?" if near else "")


def _other_port(
    graph: Graph, link: Link, sent: Mapping[str, Field], wanted: Mapping[str, Field]
) -> tuple[str, Port] | None:
    """Return the conduit from or to a port of the same components that fits, and that port."""
    filters = "".join(f"{name} " for name in link.filters)
    sender, receiver = (node.name.rpartition(".")[2] for node in (link.sender, link.receiver))
    for name, port in _others(link.sender, link.ends[0]):
        if _fits(graph.fields(link.sender, name), wanted):
            return f"{sender}.{name}: {filters}{receiver}.{link.into}", port
    for name, port in _others(link.receiver, link.ends[1]):
        if _fits(sent, graph.fields(link.receiver, name)):
            return f"{sender}.{link.out}: {filters}{receiver}.{name}", port
    return None


def _others(node: Node, port: Port | None) -> Iterator[tuple[str, Port]]:
    """Yield the other ports of the same operator."""
    for name, other in (node.contract.ports if node.contract else {}).items():
        if port is not None and other is not port and other.operator == port.operator:
            yield name, other


def _fits(sent: Mapping[str, Field] | None, wanted: Mapping[str, Field] | None) -> bool:
    if not sent or not wanted:
        return False
    needed = {name for name, field in wanted.items() if not field.optional}
    known = needed <= sent.keys() <= wanted.keys()
    return known and all(sent[name].quantity == wanted[name].quantity for name in sent)
