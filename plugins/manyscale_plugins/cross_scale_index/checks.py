"""What can be said of two scales before a run."""

from collections.abc import Iterator

import manyscale as ms
from manyscale_plugins.cross_scale_index import CrossScaleIndex
from manyscale_plugins.gyrokinetic_dispersion import GyrokineticDispersion


@ms.check("XSCL01")
def both_sides_of_the_split(graph: ms.Graph) -> Iterator[ms.Finding]:
    """A spectrum has no wave number on one side of the split.

    `cross_scale_index` compares what grows up to k_y rho_i = `split` with what grows above it, and
    refuses a spectrum that lies on one side. `ky_min` and `ky_max` of the dispersion count in
    rho_s; rho_i = rho_s sqrt(t_i/t_e).

        dispersion.ky_max: 0.5
        index.split: 0.8               # nothing is left for the electron scale

    Take a larger `ky_max`: electrons grow fastest near k_y rho_e = 1, which is sqrt(mass_ratio).
    """
    for instance, node in graph.instances.items():
        index = graph.model(instance)
        if not isinstance(index, CrossScaleIndex):
            continue
        for link in graph.into(node, "spectra_in"):
            profiled = graph.into(link.sender, "profile_in")
            models = [] if profiled else [graph.model(name) for name in link.sender.instances]
            for name, model in zip(link.sender.instances, models, strict=False):
                if isinstance(model, GyrokineticDispersion):
                    yield from _outside(graph, name, model, index)


def _outside(
    graph: ms.Graph, name: str, model: GyrokineticDispersion, index: CrossScaleIndex
) -> Iterator[ms.Finding]:
    ratio = (model.t_i / model.t_e) ** 0.5
    low, high = model.ky_min * ratio, model.ky_max * ratio
    if low <= index.split < high:
        return
    setting, side = ("ky_max", "above") if high <= index.split else ("ky_min", "up to")
    key, _ = graph.values(name).get(setting, ("", None))
    yield ms.Finding(
        ("settings", key) if key else graph.instances[name].at,
        f"{name} looks at k_y rho_i from {low:.4g} to {high:.4g}, nothing {side} the split of"
        f" {index.split:g}; give it a {'larger' if setting == 'ky_max' else 'smaller'} {setting}.",
    )
