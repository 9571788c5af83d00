"""
Small eddies in the shear of large ones
=======================================

Two turbulences in one plasma: eddies as large as ion orbits, and eddies as large as electron orbits
inside them. `plasma_always_on` simulates both and lets each feel the other. Here it runs in this
process, without MUSCLE3, for a few exchanges.
"""  # noqa: D205, D400

# %%
# Electrons are 25 times lighter than ions here, so their box, 32 of their orbits wide, is 6.4 of
# those of the ions: the square in the first map.
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from manyscale.hosting import in_process

HERE = Path.cwd()  # anywhere in a checkout
SPECS = next(p for p in (HERE, *HERE.parents) if (p / "coupling_specs").is_dir()) / "coupling_specs"
SETTINGS = {
    "a_over_lt": 2.0, "dispersion.nk": 32, "ion_scale.exchanges": 8, "ion_scale.run_length": 6e-6,
    "electron_scale.run_length": 2.5e-6, "electron_scale.settle": 0.0,
}  # fmt: skip
ROWS = ("ion_scale", "electron_scale")
WANTED = [f"{row}.{port}" for row in ROWS for port in ("map_out", "history_out")]
out = in_process.run(SPECS / "plasma_always_on", SETTINGS, record=[*WANTED, "index.index_out"])

# %%
# Potential of both: ions at the end of some exchanges, electrons of the call that came before it.
# Streamers grow, larger ones of the ions later; these break into zonal flows, the upright bands at
# the end, whose shear tilts the electron eddies and takes their strength.
SHOWN = (1, 3, 4, 5, 8)
figure, panels = plt.subplots(2, 5, figsize=(10, 4.4), layout="constrained")
for row, panel_row in zip(ROWS, panels, strict=True):
    # the ions show a map at every exchange and at the end, the electrons two for every call
    maps = out.recorded[f"{row}.map_out"]
    step, skipped = (1, 0) if row == "ion_scale" else (2, 1)
    chosen = [maps[step * n - skipped] for n in SHOWN]
    size = max(np.abs(one.messages[0]["phi"]).max() for one in chosen)
    for panel, one in zip(panel_row, chosen, strict=True):
        fields = one.messages[0]
        edge = 1e3 * (fields["x"][-1] + fields["x"][1])
        image = panel.imshow(
            fields["phi"].T, origin="lower", extent=(0, edge, 0, edge), cmap="RdBu_r", vmin=-size,
            vmax=size, interpolation="bicubic",
        )  # fmt: skip
        panel.set_title(f"{1e6 * one.time:.1f} µs", fontsize=9)
        panel.set_xlabel("x [mm]", fontsize=8)
        panel.tick_params(labelsize=7)
    panel_row[0].set_ylabel(f"{'ions' if row == 'ion_scale' else 'electrons'}\ny [mm]", fontsize=9)
    figure.colorbar(image, ax=panel_row, label="potential [V]", shrink=0.85)
panels[0, 0].add_patch(Rectangle((1.0, 1.0), edge, edge, fill=False, color="k", lw=1.2))

# %%
# Heat fluxes of both, and the shear of the ions in growth rates of the fastest electron mode. The
# flux of the electrons falls as it comes near 1.
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for row, name, colour in (("ion_scale", "q_i", "C0"), ("electron_scale", "q_e", "C3")):
    for call, one in enumerate(out.recorded[f"{row}.history_out"]):
        fields = one.messages[0]
        label = {"q_i": "ions", "q_e": "electrons"}[name] if call == 0 else None
        left.semilogy(1e6 * fields["t"], 1e-3 * fields[name], color=colour, lw=1.0, label=label)
left.set(xlabel="t [µs]", ylabel="heat flux [kW/m²]", ylim=(5.0, None))
left.legend(fontsize=8)
said = out.recorded["index.index_out"]
t = [1e6 * one.time for one in said]
right.plot(
    t, [one.messages[0]["p_ie"] for one in said], "o-", ms=4, label="shear / electron growth"
)
right.plot(t, [one.messages[0]["i"] for one in said], "s-", ms=4, label="index of both scales")
right.axhline(1.0, color="0.6", lw=0.8)
right.set(xlabel="t [µs]", ylabel="ratio", ylim=(0.0, 1.3))
right.legend(fontsize=8)
