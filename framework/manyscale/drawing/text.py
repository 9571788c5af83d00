"""The diagram of a coupling as text: Graphviz dot, and Mermaid for README files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from manyscale.drawing.parts import Box, Conduit, Parts
from manyscale.drawing.patterns import COLOURS, SYMBOLS, UNKNOWN

_HEADS = {"f_init": "odiamond", "o_i": "dot", "s": "odot", "o_f": "diamond", "": "none"}


def dot(parts: Parts) -> str:
    """Return the diagram for Graphviz; the ends of edges are the symbols of the operators."""
    lines = [f"digraph {json.dumps(parts.name)} {{", "  rankdir=LR;"]
    lines += ["  node [shape=box, style=rounded, fontname=Helvetica];"]
    lines += ["  edge [dir=both, fontname=Helvetica, fontsize=9];"]
    lines += _clusters(parts.boxes, "", "  ")
    lines += [_dot_edge(conduit) for conduit in parts.conduits]
    return "\n".join([*lines, "}", ""])


def _clusters(boxes: Sequence[Box], path: str, margin: str) -> Iterator[str]:
    """Yield the boxes of a model, each nested model in a cluster of its own."""
    for inner, members in _models(boxes, path).items():
        if inner in {box.name for box in members}:
            yield margin + _dot_node(members[0])
        else:
            yield f"{margin}subgraph {json.dumps('cluster_' + inner)} {{"
            yield f"{margin}  label={_quoted(inner.rpartition('.')[2])};"
            yield from _clusters(members, f"{inner}.", margin + "  ")
            yield margin + "}"


def _models(boxes: Sequence[Box], path: str) -> dict[str, list[Box]]:
    found: dict[str, list[Box]] = {}
    for box in boxes:
        head = box.name.removeprefix(path).partition(".")[0]
        found.setdefault(path + head, []).append(box)
    return found


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _title(box: Box) -> str:
    return f"{box.title} {box.times}".rstrip()


def _dot_node(box: Box) -> str:
    label = "\n".join(filter(None, (_title(box), box.program)))
    more = ", peripheries=2" * box.folded + ', style="rounded,dashed"' * _doubtful(box)
    return f"{_quoted(box.name)} [label={_quoted(label)}{more}];"


def _doubtful(box: Box) -> bool:
    return not (box.known or box.folded)


def _dot_edge(conduit: Conduit) -> str:
    sender, receiver = conduit.sender, conduit.receiver
    ends = sender.ports.get(conduit.out, ""), receiver.ports.get(conduit.into, "")
    attributes = {
        "arrowtail": _HEADS[ends[0]],
        "arrowhead": _HEADS[ends[1]],
        "taillabel": _port(conduit.out, conduit.slots[0]),
        "headlabel": _port(conduit.into, conduit.slots[1]),
        "label": " ".join(conduit.filters),
        "color": COLOURS.get(conduit.pattern, UNKNOWN),
    }
    text = ", ".join(f"{key}={_quoted(value)}" for key, value in attributes.items() if value)
    return f"  {_quoted(sender.name)} -> {_quoted(receiver.name)} [{text}];"


def _port(name: str, slots: str) -> str:
    return f"{name} [{slots}]" if slots else name


def mermaid(parts: Parts) -> str:
    """Return the diagram for Mermaid; every edge names its two ports with their symbols."""
    ids = {box.name: f"c{number}" for number, box in enumerate(parts.boxes)}
    lines = ["%% ◇ F_INIT  ● O_I  ○ S  ◆ O_F", "flowchart LR"]
    lines += _subgraphs(parts.boxes, "", "  ", ids)
    for number, conduit in enumerate(parts.conduits):
        lines.append(_mermaid_edge(conduit, ids))
        colour = COLOURS.get(conduit.pattern, UNKNOWN)
        lines.append(f"  linkStyle {number} stroke:{colour}")
    return "\n".join([*lines, ""])


def _subgraphs(boxes: Sequence[Box], path: str, margin: str, ids: dict[str, str]) -> Iterator[str]:
    for inner, members in _models(boxes, path).items():
        if inner in ids:
            box = members[0]
            label = "<br/>".join(filter(None, (f"<b>{_title(box)}</b>", box.program)))
            brackets = ("[[", "]]") if box.folded else ("(", ")")
            yield f'{margin}{ids[inner]}{brackets[0]}"{label}"{brackets[1]}'
        else:
            yield f'{margin}subgraph m{ids[members[0].name]}_{inner.count(".")}["{inner}"]'
            yield from _subgraphs(members, f"{inner}.", margin + "  ", ids)
            yield f"{margin}end"


def _mermaid_edge(conduit: Conduit, ids: dict[str, str]) -> str:
    sender, receiver = conduit.sender, conduit.receiver
    out = f"{_symbol(sender, conduit.out)} {_port(conduit.out, conduit.slots[0])}"
    into = f"{_symbol(receiver, conduit.into)} {_port(conduit.into, conduit.slots[1])}"
    words = " ".join([out, "→", *conduit.filters, into])
    return f'  {ids[sender.name]} -->|"{words}"| {ids[receiver.name]}'


def _symbol(box: Box, port: str) -> str:
    return SYMBOLS.get(box.ports.get(port, ""), "□")
