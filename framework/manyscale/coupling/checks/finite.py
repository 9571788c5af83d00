"""MS313: numbers that may not be finite."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.graph import Graph, matched


@check("MS313")
def finite(graph: Graph) -> Iterator[Finding]:
    """The sender may send NaN or infinity where finite numbers are needed.

    A field declared `finite=False` may have values that are no numbers, such as a temperature
    outside the body. The receiver expects finite ones and refuses the first message with
    another.

    Fill the gaps in the sender, and send the mask as a field of `bool` beside it; or declare
    `finite=False` in the receiver if it knows what a NaN means.
    """
    for link, name, sent, wanted in matched(graph):
        real = sent.dtype[0] == wanted.dtype[0] == "f"
        if real and wanted.finite and not sent.finite:
            yield Finding(
                link.at,
                f"{link.sender.name}.{link.out} may send {name} with NaN or infinity,"
                f" {link.receiver.name}.{link.into} expects finite numbers.",
            )
