"""MS305: axes that do not fit."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.fields import Axis, Field
from manyscale.coupling.graph import Graph, matched


@check("MS305")
def axes(graph: Graph) -> Iterator[Finding]:
    """The axes of a field differ at the two ends of a conduit.

    A field is a scalar or an array on named axes. Both ends need the same number of them, in
    the same order, and of the same length where that is fixed. Another number or length is
    refused when the first message arrives. Axes in another order would not be noticed on
    a square grid: the field would be mirrored.

        c: "x y z"  to  c: "x y"          # one axis is missing
        c: "x y"    to  c: "y x"          # transposed
        b: "xyz=3"  to  b: "xyz=2"        # three components to two

    Put a bridge between that takes a slice, a mean, or turns the array.
    """
    for link, name, sent, wanted in matched(graph):
        why = _why(sent, wanted)
        if why:
            yield Finding(
                link.at,
                f"{link.sender.name}.{link.out} sends {name} as {_shape(sent)},"
                f" {link.receiver.name}.{link.into} expects {_shape(wanted)}; {why}",
            )


def _why(sent: Field, wanted: Field) -> str:
    have, want = sent.shape, wanted.shape
    if have is None or want is None:
        return ""
    if len(have) != len(want):
        return "the number of axes differs."
    if transposed(have, want):
        return "the axes stand in another order."
    pairs = zip(have, want, strict=True)
    if any(a.length != b.length and a.length and b.length for a, b in pairs):
        return "the lengths differ."
    return ""


def transposed(have: tuple[Axis, ...], want: tuple[Axis, ...]) -> bool:
    """Whether the same axes stand in another order."""
    names, others = [a.name for a in have], [a.name for a in want]
    return names != others and sorted(names) == sorted(others)


def _shape(field: Field) -> str:
    return f"an array ({field.axes})" if field.axes else "a scalar"
