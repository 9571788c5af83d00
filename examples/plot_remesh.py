"""
Conservative hand-over between two triangulations
=================================================

A cell field goes from one triangulation to another and back, many times. The overlap areas keep
its integral to rounding; taking the value of the nearest cell changes it by a percent at once.
"""  # noqa: D205, D400

# %%
# Two random triangulations of the unit square and a front across it.
import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import Delaunay

from manyscale.bridges.regrid import points, polygons
from manyscale.bridges.remesh import kernel


def mesh(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return triangles of random points in the square and a row of them along each side."""
    inside = np.random.default_rng(seed).random((count, 2))
    side, low = np.linspace(0.0, 1.0, 10), np.zeros(10)
    border = [np.c_[side, low], np.c_[side, low + 1.0], np.c_[low, side], np.c_[low + 1.0, side]]
    corners = np.unique(np.concatenate([inside, *border]), axis=0)
    return corners, Delaunay(corners).simplices.astype(np.int64)


one, other = mesh(150, 1), mesh(100, 2)
middle, other_middle = (corners[cells].mean(axis=1) for corners, cells in (one, other))
first = np.tanh(8.0 * (middle @ np.array([0.8, 0.6]) - 0.5)) + 1.2

# %%
# Thirty times there and back, by overlap and by nearest cell.
TIMES = 30
area = polygons.areas(*one)
there, back = kernel.weigh(one, other), kernel.weigh(other, one)
near, near_back = points.nearest_map(middle, other_middle), points.nearest_map(other_middle, middle)
overlap, nearest, totals = first, first, [(area @ first, area @ first)]
for _ in range(TIMES):
    no_mask = np.zeros(len(there.source), dtype=bool)
    handed = kernel.remap(there, overlap, no_mask, False, "fracarea")
    overlap = kernel.remap(back, handed, np.zeros(len(handed), dtype=bool), False, "fracarea")
    nearest = near_back @ (near @ nearest)
    totals.append((area @ overlap, area @ nearest))
kept = np.array(totals) / totals[0][0] - 1.0

# %%
# The price of first order: the front spreads.
figure, axes = plt.subplots(1, 3, layout="constrained", figsize=(11.0, 3.4))
for ax, values, title in zip(axes, (first, overlap), ("before", "after 30 times"), strict=False):
    shown = ax.tripcolor(*one[0].T, one[1], values, vmin=0.2, vmax=2.2, edgecolors="0.7", lw=0.2)
    ax.set(aspect="equal", title=title, xticks=[0, 1], yticks=[0, 1], xlabel="x / m")
axes[0].set(ylabel="y / m")
figure.colorbar(shown, ax=axes[1], label="cell mean")
axes[2].plot(abs(kept), label=["overlap areas", "nearest cell"])
axes[2].set(xlabel="times there and back", ylabel="relative error of the integral")
axes[2].set_yscale("symlog", linthresh=1e-16, linscale=0.3)
axes[2].set_yticks([0.0, *10.0 ** np.arange(-14, 0, 4)])
axes[2].set_ylim(bottom=0.0)
axes[2].legend()
