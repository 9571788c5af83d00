"""
What a Sobol index costs
========================

Three ways to the first-order indices of Ishigami's function, by the number of runs: a Saltelli
design, which assumes nothing; regression of polynomials on Sobol points; and a polynomial chaos
by projection on Gauss nodes. For a smooth answer polynomials are worth many runs. Bars are what
each design says of its own error (Saltelli and regression, 95 %).
"""  # noqa: D205, D400

# %%
# The function, its exact indices, and a design by name.
import math

import matplotlib.pyplot as plt
import numpy as np

from manyscale.bridges.gather import statistics
from manyscale.bridges.sampler import designs, distributions

EXACT = np.array([0.313905191148, 0.442411144790, 0.0])
ANGLES = distributions.parsed("; ".join(f"x{k} uniform {-math.pi} {math.pi}" for k in (1, 2, 3)))


def ishigami(x: np.ndarray) -> np.ndarray:
    """Return sin x1 + 7 sin2 x2 + 0.1 x3**4 sin x1; x (n, 3)."""
    return np.sin(x[:, 0]) * (1.0 + 0.1 * x[:, 2] ** 4) + 7.0 * np.sin(x[:, 1]) ** 2


def found(design: str, n: int, order: int = 3) -> tuple[int, float, float]:
    """Return runs, error of S1 of x1 and x2, and what the design says of it."""
    plan = designs.plan(design, ANGLES, 1, n=n, n_outer=2, n_inner=2, order=order)
    table = statistics.Table(*plan[:5], ishigami(plan.theta)[:, None])
    told = statistics.found(design, ANGLES, table, order=order, probabilities=[0.5])
    error = np.abs(told["S1"][0] - EXACT)[:2].max()
    return len(plan.member), error, 1.96 * told["S1_se"][0, :2].max()


# %%
# From a hundred runs to many thousands.
studies = {
    "Saltelli": [found("saltelli", 2**k) for k in range(5, 14)],
    "regression on Sobol points": [found("sobol", 2**k) for k in range(8, 13)],
    "projection on Gauss nodes": [found("pce", 2, order) for order in range(4, 19, 2)],
}
figure, ax = plt.subplots(layout="constrained")
for (name, rows), marker in zip(studies.items(), "os^", strict=True):
    runs, error, told = np.array(rows).T
    (line,) = ax.loglog(runs, error, f"{marker}-", ms=5, label=name)
    if "projection" not in name:
        ax.loglog(runs, told, ":", color=line.get_color(), lw=1)
ax.plot([], [], "k:", lw=1, label="what it says of its error")
ax.set(xlabel="runs", ylabel="error of a first-order index")
ax.legend()
