"""Quantities of interest: numbers of a run, read from what its ports sent last.

    bulk.field_out: mass                    a field
    depth = bulk.field_out: sum(c) / max(c)   arithmetic on the fields of a port

Of a component with several instances there is one number for each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from manyscale.bridges.event_trigger import expression
from manyscale.contract.recording import ports_to_record
from manyscale.contract.refusal import Refused, nearest
from manyscale.coupling.graph import Graph, Node
from manyscale.coupling.settings import lookup
from manyscale.results.record import STORE, open_record

_SPELLING = "COMPONENT.PORT: EXPRESSION, as in 'bulk.field_out: mean(c)'"


@dataclass(frozen=True)
class Interest:
    """One number of a run: an expression of the fields of a port of one instance."""

    name: str
    instance: str
    port: str
    text: str
    unit: str = ""

    @property
    def source(self) -> str:
        """`instance.port`."""
        return f"{self.instance}.{self.port}"

    def of(self, fields: Mapping[str, Any]) -> float:
        """Return the number; raises ValueError if the fields do not give one."""
        values = {
            name: np.asarray(value, dtype=float)[None]
            for name, value in fields.items()
            if not isinstance(value, str)
        }
        try:
            return float(expression.parse(self.text)(values)[0])
        except KeyError as exc:
            known = ", ".join(values)
            raise ValueError(
                f"{self.source} sent no {exc.args[0]!r} for {self.name}, but {known}"
            ) from None


def of_messages(wanted: Sequence[Interest], recorded: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the numbers (q,) of a run in this process; `recorded` as in its `Outcome`."""
    last = {}
    for source in {one.source for one in wanted}:
        if not recorded.get(source):
            raise ValueError(f"{source} sent nothing")
        last[source] = _fields(recorded[source][-1].messages)
    return tuple(one.of(last[one.source]) for one in wanted)


def _fields(messages: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the fields of a message, those of several slots along an axis of slots."""
    if len(messages) == 1:
        return messages[0]
    return {name: np.stack([one[name] for one in messages]) for name in messages[0]}


def of_stores(
    wanted: Sequence[Interest], folder: Path, named: Mapping[str, str]
) -> tuple[float, ...]:
    """Return the numbers (q,) of a finished run; `named`: its instances by those of the spec."""
    last = {}
    for source in {one.source: one for one in wanted}.values():
        path = folder / "instances" / named[source.instance] / "workdir" / STORE
        try:
            last[source.source] = _last(open_record(path, source.port))
        except (OSError, IndexError):
            raise ValueError(f"{source.source} sent nothing") from None
    return tuple(one.of(last[one.source]) for one in wanted)


def _last(data: Any) -> dict[str, Any]:
    """Return the newest fields of a record; of one slot as if there were none."""
    end = data.isel(time=-1)
    if end.sizes.get("slot") == 1:
        end = end.isel(slot=0)
    found = {str(name): end[name].values for name in [*end.coords, *end.data_vars]}
    moved = {n.removesuffix("_moved"): v for n, v in found.items() if n.endswith("_moved")}
    return found | moved


def interests(graph: Graph, texts: Sequence[str]) -> list[Interest]:
    """Return what a study looks at: what is asked for, else every number that is recorded.

    Raises `Refused` for what the coupling does not send.
    """
    found = [one for text in texts for one in _asked(graph, text)] if texts else _default(graph)
    names = [one.name for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Refused(f"--qoi: {twice} is asked for twice; give it once.")
    if not found:
        raise Refused(
            "Nothing to look at: no port that is recorded sends a single number; name one with"
            f" --qoi {_SPELLING}."
        )
    return found


def _asked(graph: Graph, text: str) -> list[Interest]:
    where, colon, formula = text.partition(":")
    label, equals, place = where.rpartition("=")
    owner, dot, port = place.strip().rpartition(".")
    if not (colon and dot and formula.strip()):
        raise Refused(f"--qoi {text}: expected {_SPELLING}.")
    try:
        parsed = expression.parse(formula.strip())
    except ValueError as exc:
        raise Refused(f"--qoi {text}: {exc}") from None
    component = re.sub(r"\[.*", "", owner)
    node = graph.nodes.get(component)
    if node is None:
        raise Refused(
            f"--qoi {text}: {graph.name} has no component {component!r}."
            f"{nearest(component, graph.nodes)}"
        )
    instances = [name for name in node.instances if owner in (component, name)]
    if not instances:
        raise Refused(f"--qoi {text}: there is no {owner}.{nearest(owner, node.instances)}")
    _refuse_silent(graph, node, port, parsed.names, text)
    name = label.strip() if equals else ""
    fields = graph.fields(node, port) or {}
    one = formula.strip()
    unit = fields[one].unit if one in fields else ""
    return [
        Interest(_name(name, instance, port, one, len(instances)), instance, port, one, unit)
        for instance in instances
    ]


def _name(label: str, instance: str, port: str, formula: str, instances: int) -> str:
    if label:
        index = instance[instance.index("[") :] if instances > 1 else ""
        return f"{label}{index}"
    return f"{instance}.{port}.{formula}"


def _refuse_silent(graph: Graph, node: Node, port: str, names: Sequence[str], text: str) -> None:
    declared = node.port(port)
    sending = [n for n, p in (node.contract.ports if node.contract else {}).items() if p.sends]
    if declared is None or not declared.sends or declared.overlay:
        raise Refused(
            f"--qoi {text}: {node.name} has no sending port {port!r}.{nearest(port, sending)}"
        )
    known = graph.fields(node, port)
    for name in names:
        if known is not None and name not in known:
            raise Refused(
                f"--qoi {text}: {node.name}.{port} sends no {name!r}.{nearest(name, known)}"
            )


def _default(graph: Graph) -> list[Interest]:
    """Return every single number of every port that the spec records."""
    found = []
    for node in graph.nodes.values():
        for instance in node.instances if node.contract is not None and node.hosted else ():
            for port in sorted(_recorded(graph, node, instance)):
                fields = graph.fields(node, port) or {}
                found += [
                    Interest(f"{instance}.{port}.{name}", instance, port, name, field.unit)
                    for name, field in fields.items()
                    if field.shape == () and field.dtype.startswith("float")
                ]
    return found


def _recorded(graph: Graph, node: Node, instance: str) -> frozenset[str]:
    given = lookup(graph.settings, instance, ["record"]).get("record", ("", ""))[1]
    assert node.contract is not None
    return ports_to_record(node.contract, str(given), instance)
