"""What can be said of ion and electron eddies before a run."""

from collections.abc import Iterator

import manyscale as ms
from manyscale_plugins.drift_turbulence import DriftTurbulence

WRONG = {"eddy_out": ("ion", "electron"), "shear_out": ("electron", "ion")}
"""By port that says what an instance is for: the scale it must not have, and the right one."""


@ms.check("TURB01")
def place_and_scale(graph: ms.Graph) -> Iterator[ms.Finding]:
    """An instance of drift_turbulence does the work of the other scale.

    `shear_out` says how ion eddies shear the electrons, `eddy_out` what electron eddies do to the
    ions. Which of them an instance simulates is its setting `scale`, ion unless it is set; with the
    wrong one the run would end well with fluxes of the wrong size.

        electron_scale.scale: electron

    Set `scale` of the instance whose `eddy_out` is connected to `electron`.
    """
    for instance, node in graph.instances.items():
        model = graph.model(instance)
        if not isinstance(model, DriftTurbulence):
            continue
        for port, (wrong, right) in WRONG.items():
            links = graph.out_of(node, port)
            if links and model.scale == wrong:
                key, _ = graph.values(instance).get("scale", ("", None))
                yield ms.Finding(
                    ("settings", key) if key else links[0].at,
                    f"{instance}.{port} is connected, which is for {right} eddies, and its scale is"
                    f" {wrong}; set {node.name}.scale: {right}.",
                )
