"""MS308: types of numbers."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.fields import Field
from manyscale.coupling.graph import Graph, matched

_OF_SCALARS = {"f": "float64", "i": "int64", "b": "bool", "s": "str"}


@check("MS308")
def dtype(graph: Graph) -> Iterator[Finding]:
    """The numbers of a field have other types at the two ends of a conduit.

    An array travels as it is, in `float64`, `float32`, `int64`, `int32` or `bool`, and no digit
    is dropped or made up on the way: another type is refused when the first message arrives.
    A scalar has one kind of real and one of whole number, and a whole number may arrive where
    a real one is expected.

    Declare the same `dtype` in both models, usually `float64`, and convert inside the one that
    works with another.
    """
    for link, name, sent, wanted in matched(graph):
        ranks = {len(f.shape) for f in (sent, wanted) if f.shape is not None}
        if len(ranks) < 2 and not _accepted(sent, wanted):
            yield Finding(
                link.at,
                f"{link.sender.name}.{link.out} sends {name} as {sent.dtype},"
                f" {link.receiver.name}.{link.into} expects {wanted.dtype}.",
            )


def _accepted(sent: Field, wanted: Field) -> bool:
    have = _OF_SCALARS[sent.dtype[0]] if sent.shape == () else sent.dtype
    if wanted.shape != ():
        return have == wanted.dtype or (sent.shape is None and wanted.dtype == sent.dtype)
    return have[0] == wanted.dtype[0] or (have[0] == "i" and wanted.dtype[0] == "f")
