"""MS306: axes of other names."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.checks.axes import transposed
from manyscale.coupling.graph import Graph, matched


@check("MS306", "warning")
def axis_names(graph: Graph) -> Iterator[Finding]:
    """The axes of a field have other names at the two ends of a conduit.

    The number of axes is the same, their names are not: a profile along `r` is sent where one
    along `z` is expected. The run works, since only lengths can be compared. It may be what
    is meant, two authors with two names for one thing, or a field on the wrong axis.

    Give the axes of both models one name where they mean one thing. Where they do not, put
    a bridge between.
    """
    for link, name, sent, wanted in matched(graph):
        if sent.shape is None or wanted.shape is None or len(sent.shape) != len(wanted.shape):
            continue
        have, want = ([axis.name for axis in f.shape or ()] for f in (sent, wanted))
        if have != want and not transposed(sent.shape, wanted.shape):
            yield Finding(
                link.at,
                f"{link.sender.name}.{link.out} sends {name} along {' '.join(have)},"
                f" {link.receiver.name}.{link.into} expects it along {' '.join(want)}.",
            )
