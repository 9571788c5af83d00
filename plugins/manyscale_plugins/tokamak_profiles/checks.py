"""What can be said of radii before a run."""

from collections.abc import Iterator
from math import prod

import manyscale as ms
from manyscale_plugins.gyrokinetic_dispersion import RadialDispersion
from manyscale_plugins.tokamak_profiles import TokamakProfiles


@ms.check("TOKA01")
def as_many_as_radii(graph: ms.Graph) -> Iterator[ms.Finding]:
    """The number of receivers differs from the number of radii.

    `tokamak_profiles` gives `count` radii, and every receiver of `profile_out`, or of what
    `radial_dispersion` makes of `profiles_out`, is one radius. Both refuse to start when the
    numbers differ.

        profiles.count: 16             # the receivers have multiplicity: 16

    Make `count` equal to the multiplicity of the receivers.
    """
    for instance, node in graph.instances.items():
        model = graph.model(instance)
        if not isinstance(model, TokamakProfiles):
            continue
        links = list(graph.out_of(node, "profile_out"))
        for link in graph.out_of(node, "profiles_out"):
            if isinstance(graph.model(link.receiver.instances[0]), RadialDispersion):
                links += graph.out_of(link.receiver, "spectrum_out")
        for link in links:
            receivers = prod(link.receiver.sizes[len(link.sender.sizes) :])
            fed = len(link.receiver.sizes) > len(link.sender.sizes)
            if fed and receivers != model.count:
                key, _ = graph.values(instance).get("count", ("", None))
                yield ms.Finding(
                    ("settings", key) if key else link.at,
                    f"{instance} gives {model.count} radii, and {receivers} of"
                    f" {link.receiver.name} are connected to {link.sender.name}.{link.out}; make"
                    f" {instance}.count equal to the multiplicity of {link.receiver.name}.",
                )
                break
