"""
Agreement of two slabs by relaxation
====================================

One slab takes the temperature of the interface and gives the flux, the other takes the flux and
gives the temperature. The better the first one conducts, the worse a plain iteration does: its
error is multiplied by :math:`g = -(k_1/L_1)/(k_2/L_2)` each time. Every curve is one window of a
coupled run in this process, with a steady problem.
"""  # noqa: D205, D400

# %%
# The accelerator owns the loop; both slabs are called once per iteration.
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from manyscale.hosting import in_process

HERE = Path.cwd()  # anywhere in a checkout
SPECS = next(p for p in (HERE, *HERE.parents) if (p / "coupling_specs").is_dir()) / "coupling_specs"
FILES = [SPECS / f"heat_slabs/{part}.ymmsl" for part in ("model", "settings")]
STEADY = {"dt": 1e12, "cells": 20, "interface.windows": 1, "interface.rtol": 1e-9}
SHOWN = {"interface.max_iter": 12, "interface.on_failure": "accept_with_warning",
         "interface.max_growth": 1e300}  # fmt: skip


def residuals(g: float, method: str) -> np.ndarray:
    """Return the residual of every evaluation for slabs with this factor."""
    slabs = {"steel.length": 1.0, "rubber.length": 1.0, "rubber.conductivity": 1.0}
    how = {"steel.conductivity": -g, "interface.method": method}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 12 evaluations are too few for some
        run = in_process.run(FILES, {**STEADY, **SHOWN, **slabs, **how})
    return np.maximum(run.states["interface"].history, 1e-16)


# %%
# With g = -0.5 all of them arrive. With g = -2 a factor of 0.5 still does, since the best one is
# 1/(1 - g). With g = -100 only those arrive that learn from what they have seen.
figure, panels = plt.subplots(1, 3, figsize=(9, 3.4), sharey=True, layout="constrained")
for g, ax in zip((-0.5, -2.0, -100.0), panels, strict=True):
    for method, style in {"fixed": "s-", "aitken": "o-", "iqn_ils": "x--"}.items():
        found = residuals(g, method)
        ax.semilogy(np.arange(1, len(found) + 1), found, style, ms=5, label=method)
    ax.set(title=f"g = {g:g}", xlabel="evaluation", xticks=range(1, 13, 2))
panels[0].set_ylabel("norm(r) / norm(G(x))")
panels[0].legend()
