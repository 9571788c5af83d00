"""
Silicon films, and which phonons they stop
==========================================

A film conducts less than the crystal because phonons with long mean free paths reach its walls. The
coupled system `phonon_film_first_principles` runs here in this process, without starting MUSCLE3;
every point is one solution of the Boltzmann equation with the modes of a first-principles file.
"""  # noqa: D205, D400

# %%
# Eleven films at two temperatures: across them, and along them between rough faces.
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from manyscale.hosting import in_process
from manyscale_plugins.phonon_modes import PhononModes
from manyscale_plugins.phonon_modes.kernel import accumulated

HERE = Path.cwd()  # anywhere in a checkout
SPECS = next(p for p in (HERE, *HERE.parents) if (p / "coupling_specs").is_dir()) / "coupling_specs"
SPEC = SPECS / "phonon_film_first_principles"
FILMS = {
    "films.thicknesses": list(np.geomspace(1e-8, 1e-3, 11)), "films.temperatures": [100.0, 300.0],
    "bte.ncell": 100, "bte.n_mu": 8,
}  # fmt: skip


def films(direction: str) -> dict[str, np.ndarray]:
    """Return thicknesses [m] and conductivities (thickness, temperature) [W/(m K)]."""
    settings = {**FILMS, "bte.direction": direction}
    run = in_process.run(SPEC, settings, record=["films.all_out"])
    return run.recorded["films.all_out"][-1].messages[0]


# %%
# Beside them, the part of the heat in the crystal that phonons with mean free paths shorter than
# the thickness carry. It is no model of a film, but says where it begins to matter.
figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
found = {direction: films(direction) for direction in ("cross_plane", "in_plane")}
for column, (T, ax) in enumerate(zip((100.0, 300.0), panels, strict=True)):
    modes = PhononModes(table_file="silicon_pbesol").modes(T)
    for (direction, shown), style in zip(found.items(), ("o-", "s-"), strict=True):
        part = shown["conductivity"][:, column] / modes.conductivity
        label = "across the film" if direction == "cross_plane" else "along it, rough faces"
        ax.semilogx(1e6 * shown["thickness"], part, style, ms=4, label=label)
    free_path, part = accumulated(modes)
    ax.semilogx(1e6 * free_path, part / part[-1], "k:", drawstyle="steps-post",
                label="in the crystal, by shorter mean free paths")  # fmt: skip
    ax.set(title=f"{T:g} K", xlabel="thickness or mean free path [µm]", xlim=(0.9e-2, 1.1e3))
panels[0].set_ylabel("k / k of the crystal")
panels[0].set_ylim(0.0, 1.02)
panels[1].legend(fontsize=8, loc="lower right")
