"""
What a funnel saves, and what it loses
======================================

A cheap score with correlation rho to the true value decides which candidates an expensive model
sees. The fewer are kept, the faster it is, and the more of the true best are lost. Lines are the
bivariate normal distribution, points are counted in a screening of 2e5 candidates.
"""  # noqa: D205, D400

# %%
# Scores and true values of all candidates; TOP is the fraction that one would like to find.
import math

import matplotlib.pyplot as plt
import numpy as np

from manyscale.bridges.funnel import kernel

COUNT, TOP, COST_RATIO = 200_000, 0.001, 1e4
random = np.random.default_rng(1)
value, noise = random.normal(size=(2, COUNT))
ids = np.arange(COUNT, dtype=float)
wanted = kernel.best(value, round(TOP * COUNT), ids)


def found(rho: float, fraction: float) -> float:
    """Return the share of the true best among those that are kept."""
    score = rho * value + math.sqrt(1.0 - rho * rho) * noise
    kept = kernel.best(score, round(fraction * COUNT), ids)
    return np.intersect1d(kept, wanted).size / wanted.size


# %%
# Speed-up and recall belong together: each point of a line is one fraction that is kept.
figure, ax = plt.subplots(layout="constrained")
fractions = np.geomspace(1e-4, 0.5, 40).tolist()
for color, rho in (("C0", 0.5), ("C1", 0.8), ("C2", 0.95)):
    speed = [kernel.speed_up(COST_RATIO, f) for f in fractions]
    ax.plot(speed, [kernel.expected_recall(rho, f, TOP) for f in fractions], color)
    some = fractions[::4]
    speed = [kernel.speed_up(COST_RATIO, f) for f in some]
    ax.plot(speed, [found(rho, f) for f in some], color + "o", label=f"ρ = {rho}")
ax.set(xscale="log", xlabel="speed-up against brute force", ylabel="recall of the true best 0.1 %")
ax.legend(title="correlation with the truth\nline: normal, point: counted")
