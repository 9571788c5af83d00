"""
A hot spot that travels over eight processes
============================================

Cells proliferate where a Gaussian passes, so the load of eight processes becomes uneven. The
partition looks at the measured costs at every step and moves items when that pays.
"""  # noqa: D205, D400

# %%
# A sheet of cells of 1 m, the cost of each at every step, and the bridge that hears of it.
import matplotlib.pyplot as plt
import numpy as np

from manyscale import Contact, Received, Start
from manyscale.bridges.partition import Partition

SIDE, STEPS = 60, 24
ids = np.arange(SIDE * SIDE)
places = np.stack(np.divmod(ids, SIDE), axis=1).astype(float)


def cost(step: int) -> np.ndarray:
    """Return the seconds that every cell takes."""
    middle = np.array([SIDE / 2, SIDE * step / STEPS])
    return 0.02 + np.exp(-((places - middle) ** 2).sum(axis=1) / 200)


def balanced(method: str) -> list:
    """Return the states of the bridge at every step."""
    bridge, states = Partition(parts=8, method=method), [None]
    for step in range(STEPS):
        loads = {"ids": ids, "cost": cost(step), "position": places}
        received = Received({"loads_in": [Contact(float(step), None, loads)]})
        states.append(bridge.f_init(Start(float(step), kept=states[-1]), received))
    return states[1:]


# %%
# Left: the load of the busiest process; right: the parts in the middle of the run.
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
runs = {method: balanced(method) for method in ("rcb", "hilbert", "diffusive")}
first = runs["rcb"][0].part
loads = [np.bincount(first, cost(step), minlength=8) for step in range(STEPS)]
left.plot([load.max() / load.mean() for load in loads], "k:", label="never moved")
for method, states in runs.items():
    share = np.mean([state.moved for state in states]) / ids.size
    left.plot([state.after for state in states], label=f"{method}, {share:.0%} move per step")
left.set(xlabel="step", ylabel="largest load over mean")
left.legend()
right.imshow(runs["rcb"][STEPS // 2].part.reshape(SIDE, SIDE), cmap="tab10", origin="lower")
right.contour(cost(STEPS // 2).reshape(SIDE, SIDE), colors="k", linewidths=0.6)
right.set(xlabel="x / m", ylabel="y / m", title="parts of rcb; lines of equal cost")
