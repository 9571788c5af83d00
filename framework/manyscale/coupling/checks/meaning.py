"""MS310: what the numbers of a field mean beside their unit."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.fields import Field
from manyscale.coupling.graph import Graph, matched


@check("MS310")
def meaning(graph: Graph) -> Iterator[Finding]:
    """A field means different numbers at the two ends of a conduit.

    Quantity, unit and axes may agree and the numbers still differ:

    - extensive or intensive: the heat of a cell is no heat per volume;
    - the order of a tensor's components: `full`, `voigt` or `mandel`;
    - the factor of its shear components: engineering strain has 2, the tensor 1;
    - the frame: stresses along the crystal's axes are not those along the sample's.

    Nothing at run time would notice. Put a bridge between that computes the one from the
    other, or correct the declaration that is wrong. A receiver that names no frame takes any.
    """
    for link, name, sent, wanted in matched(graph):
        if sent.quantity != wanted.quantity:
            continue
        have, want = _difference(sent, wanted)
        if have:
            yield Finding(
                link.at,
                f"{link.sender.name}.{link.out} sends {name} {have},"
                f" {link.receiver.name}.{link.into} expects it {want}.",
            )


def _difference(sent: Field, wanted: Field) -> tuple[str, str]:
    """Return in words what differs first, empty if nothing does."""
    if sent.extensive != wanted.extensive:
        amount, density = "as an amount (extensive)", "as a density (intensive)"
        return (amount, density) if sent.extensive else (density, amount)
    if sent.tensor != wanted.tensor:
        return f"as {_tensor(sent)}", f"as {_tensor(wanted)}"
    if sent.tensor and sent.shear_factor != wanted.shear_factor:
        factors = f"with shear factor {sent.shear_factor:g}", f"with {wanted.shear_factor:g}"
        return factors
    if wanted.frame and sent.frame != wanted.frame:
        return (f"in the frame {sent.frame}" if sent.frame else "in no named frame",
                f"in the frame {wanted.frame}")  # fmt: skip
    return "", ""


def _tensor(field: Field) -> str:
    return f"a tensor ({field.tensor})" if field.tensor else "no tensor"
