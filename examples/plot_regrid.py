"""
A field on another grid
=======================

Cell means move to a grid whose cells straddle those of the source. Overlaps keep the integral;
slopes within the source cells raise the order. A constraint works the other way round: a fine
guess is changed until its means are the coarse data.
"""  # noqa: D205, D400

# %%
import matplotlib.pyplot as plt
import numpy as np

from manyscale.bridges.regrid import constraints, kernel
from manyscale.bridges.regrid.overlaps import overlap


def means(edges: np.ndarray) -> np.ndarray:
    """Cell means of sin(2 pi x)."""
    return -np.diff(np.cos(2.0 * np.pi * edges)) / (2.0 * np.pi * np.diff(edges))


# %%
# Error from 3m to 2m cells: first order, and third, a superconvergence of even grids.
counts, errors = [4, 8, 16, 32, 64, 128], {}
for order in (1, 2):
    errors[order] = []
    for m in counts:
        source, target = np.linspace(0.0, 1.0, 3 * m + 1), np.linspace(0.0, 1.0, 2 * m + 1)
        rule = kernel.Rule(order=order)
        found, _ = kernel.regrid(means(source), [overlap(source, target)], rule)
        assert abs((found * np.diff(target)).sum()) < 1e-15  # the integral of a sine
        errors[order].append(np.sqrt(np.mean((found - means(target)) ** 2)))

# %%
# Seven coarse means, and a guess on 40 cells that straddle them.
coarse, fine = np.linspace(0.0, 1.0, 8), np.linspace(0.0, 1.0, 41)
guess = 0.3 * np.cos(20.0 * fine[1:])
both = [overlap(coarse, fine)]
changed = constraints.constrain(guess, means(coarse), both)

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
source, target = np.linspace(0.0, 1.0, 13), np.linspace(0.0, 1.0, 9)
left.stairs(means(source), source, label="source", color="0.6", fill=True)
for order, color in ((1, "C0"), (2, "C1")):
    found, _ = kernel.regrid(means(source), [overlap(source, target)], kernel.Rule(order=order))
    left.stairs(found, target, baseline=None, color=color, lw=2, label=f"order {order}")
    middle.loglog(counts, errors[order], "o-", color=color, label=f"order {order}")
left.set(xlabel="x / m", ylabel="cell mean of sin 2πx", title="12 onto 8 cells")
middle.set(xlabel="m", ylabel="rms error of the cell means", title="3m onto 2m cells")
right.stairs(guess, fine, baseline=None, color="0.6", label="guess")
right.stairs(changed, fine, baseline=None, color="C2", lw=2, label="with the coarse means")
right.stairs(means(coarse), coarse, baseline=None, color="k", label="coarse means")
right.set(xlabel="x / m", ylabel="cell mean", ylim=(-1.2, 2.1), title="constraint")
for ax in (left, middle, right):
    ax.legend(loc="upper right")
