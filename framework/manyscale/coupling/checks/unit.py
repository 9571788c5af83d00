"""MS303: units that cannot be converted."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.fields import Field
from manyscale.contract.refusal import Refused
from manyscale.coupling.graph import Graph, matched


@check("MS303")
def unit(graph: Graph) -> Iterator[Finding]:
    """The units of a field at the two ends of a conduit cannot be converted.

    The two ends may use different units of one kind: `nm` becomes `m`, `degC` becomes `K`, on
    arrival. That needs units of one dimension that are related by a straight line. `mol/m3` and
    `kg/m3` count and weigh; decibels and pH are logarithms. Only real numbers are converted,
    whole numbers keep the unit they have.

    The message would be refused when the first one arrives. Put a bridge between that knows
    what is missing (here a molar mass), or declare a unit of the right dimension in the model.
    """
    for link, name, sent, wanted in matched(graph):
        if sent.unit == wanted.unit or sent.quantity != wanted.quantity:
            continue  # which quantity is meant is another question
        if any(port is not None and port.plain for port in link.ends):
            continue
        why = _why(sent, wanted)
        if why:
            yield Finding(
                link.at,
                f"{link.sender.name}.{link.out} sends {name} in {sent.unit},"
                f" {link.receiver.name}.{link.into} expects {wanted.unit}; {why}",
            )


def _why(sent: Field, wanted: Field) -> str:
    if wanted.dtype[0] != "f":
        same = sent.dtype == wanted.dtype
        return f"{wanted.dtype} is not converted, only real numbers are." if same else ""
    try:
        wanted.line_from(sent.unit)
    except Refused as exc:
        return _first_word_small(str(exc))
    return ""


def _first_word_small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
