"""
Apparent stiffness and the size of the cell
===========================================

Stiff squares in a soft matrix: how stiff a cell looks depends on what its boundary does. A uniform
traction gives a lower, a linear displacement an upper value; the longer the cell is against the
squares, the nearer they come to the periodic one, which is that of the material.
"""  # noqa: D205, D400

# %%
# Cells of one, four, nine ... squares.
import matplotlib.pyplot as plt
import numpy as np

from manyscale.bridges.homogenise import kernel

YOUNG, POISSON, FINE = np.array([1e9, 2e10]), np.array([0.35, 0.25]), 3
square = np.zeros((4, 4), dtype=int)
square[1:3, 1:3] = 1
COUNTS = [1, 2, 3, 4, 6, 8]


def cell(count: int) -> kernel.Cell:
    """Return a cell of count times count squares."""
    phases = np.tile(square, (count, count)).repeat(FINE, axis=0).repeat(FINE, axis=1)
    edges = np.linspace(0.0, count, len(phases) + 1)
    return kernel.Cell(edges, edges, kernel.plane_strain(YOUNG, POISSON)[phases])


# %%
# Shear stiffness under the three conditions, and how well stress times strain is the work.
figure, ax = plt.subplots(layout="constrained")
for condition, style in zip(kernel.CONDITIONS, ("v-", "o-", "^-"), strict=True):
    found = [kernel.homogenise(cell(count), condition) for count in COUNTS]
    shear = [one.stiffness[2, 2] / 1e9 for one in found]
    worst = max(abs(one.energy / one.stiffness[0, 0] - one.stiffness / one.stiffness[0, 0]).max()
                for one in found)  # fmt: skip
    name = condition.replace("_", " ")
    ax.plot(COUNTS, shear, style, label=f"{name}: work and stress differ by {worst:.0e}")
reuss, voigt = (bound(cell(1))[2, 2] / 1e9 for bound in (kernel.reuss_bound, kernel.voigt_bound))
ax.axhline(reuss, color="0.6", ls=":")
ax.annotate("Reuss bound", (COUNTS[0], reuss), va="bottom", color="0.4")
ax.set(xlabel="squares along a side of the cell", ylabel="apparent shear stiffness / GPa")
ax.set_title(f"the Voigt bound is {voigt:.2f} GPa")
ax.legend()
