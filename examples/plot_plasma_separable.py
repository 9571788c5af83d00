"""
Can two turbulences be simulated apart?
=======================================

Ions and electrons in one box are the truth here. Three ways do without that box: ions alone, ions
and electrons that feel each other in every exchange, and a switch between the two. The table comes
from `benchmarks/plasma_study.py`, half an hour of computing with electrons that are only 25 times
lighter than ions.
"""  # noqa: D205, D400

# %%
# Heat fluxes over the gradient of temperature that drives them, with standard errors, and the mean
# of the index by which the switch decides.
import csv
from pathlib import Path

import matplotlib.pyplot as plt

STUDY = "coupling_specs/plasma_cross_scale/reference/study.csv"
HERE = Path.cwd()
path = next(p / STUDY for p in (HERE, *HERE.parents) if (p / STUDY).is_file())
with path.open() as file:
    lines = list(csv.DictReader(line for line in file if not line.startswith("#")))
cells = {(one["way"], float(one["a_over_lt"])): one for one in lines}
gradients = sorted({gradient for _, gradient in cells})
WAYS = {
    "direct": ("one box", "k", "s"),
    "coupled": ("electrons in every exchange", "C3", "o"),
    "switched": ("electrons where the index asks", "C1", "^"),
    "alone": ("ions alone", "C0", "v"),
}
figure, (ions, electrons, index) = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
for n, (way, (label, colour, marker)) in enumerate(WAYS.items()):
    shown = [cells[way, gradient] for gradient in gradients]
    aside = [gradient * (1.0 + 0.012 * (n - 1.5)) for gradient in gradients]
    style = {"color": colour, "marker": marker, "ms": 5, "lw": 0.9, "capsize": 2, "label": label}
    for axes, name in ((ions, "q_i"), (electrons, "q_e")):
        if name == "q_e" and way not in ("direct", "coupled"):
            continue  # nothing, or what one early call found and is held
        flux = [1e-3 * float(one[name]) for one in shown]
        error = [1e-3 * float(one[f"{name}_error"]) for one in shown]
        axes.errorbar(aside, flux, error, **style)
    if shown[0]["index"]:
        index.plot(
            aside, [float(one["index"]) for one in shown], f"{marker}-", color=colour, lw=0.9
        )
for axes, whose in ((ions, "ions"), (electrons, "electrons")):
    axes.set(xlabel="a/L$_T$", ylabel=f"heat flux of {whose} [kW/m²]", yscale="log")
ions.legend(fontsize=8)
for level, word in ((1.2, "on above"), (0.8, "off below")):
    index.axhline(level, color="0.5", ls="--", lw=0.8)
    index.text(2.2, level + 0.02, word, fontsize=8, color="0.4")
index.text(1.35, 1.0, "estimated", fontsize=8, color="C0")
index.set(xlabel="a/L$_T$", ylabel="mean index", ylim=(0.0, None))
