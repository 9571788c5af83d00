"""What can be said of the lines before a run."""

from collections.abc import Iterator
from math import prod

import manyscale as ms
from manyscale_plugins.mass_diffusion import MassDiffusion


@ms.check("DIFF01")
def lines_and_places(graph: ms.Graph) -> Iterator[ms.Finding]:
    """The number of lines differs from the number of their places.

    `line_xy` has one row x, y for each line that runs through the box, and every line is one
    instance of the component that `sample_out` feeds. The box refuses to start when the two
    numbers differ. `[[]]`, the default, is one line nearest the centre.

        bulk.line_xy:
        - [1.5625e-07, 1.5625e-07]
        - [4.5625e-07, 4.5625e-07]     # two places: the lines have multiplicity: 2

    Make the multiplicity of the lines equal to the rows of `line_xy`.
    """
    for instance, node in graph.instances.items():
        model = graph.model(instance)
        if not isinstance(model, MassDiffusion):
            continue
        places = sum(bool(row) for row in model.line_xy) or 1
        for link in graph.out_of(node, "sample_out"):
            lines = prod(link.receiver.sizes[len(node.sizes) :])
            fed = len(link.receiver.sizes) > len(node.sizes)
            if fed and lines != places:
                key, _ = graph.values(instance).get("line_xy", ("", None))
                yield ms.Finding(
                    ("settings", key) if key else link.at,
                    f"{instance}.line_xy places {_counted(places, 'line')}, and {lines} of"
                    f" {link.receiver.name} are connected to sample_out; make the multiplicity"
                    f" of {link.receiver.name} equal to the rows of line_xy.",
                )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
