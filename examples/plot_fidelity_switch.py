"""
Where a travelling front needs the expensive model
==================================================

A steep front moves through a row of cells. The switch follows it: cells go to the expensive model
where the curvature exceeds the tolerance, and come back behind the front. With a goal at the right
end, the same tolerance asks for the expensive model only as the front comes near.
"""  # noqa: D205, D400

# %%
# The cheap model's state at every step, and the switch that looks at it.
import matplotlib.pyplot as plt
import numpy as np

from manyscale import Contact, Received, Start
from manyscale.bridges.fidelity_switch import FidelitySwitch

x = (np.arange(80) + 0.5) / 80
times = np.linspace(0.0, 1.0, 100)
UNITS = {"u": "mol/m3", "x": "m"}


def front(t: float) -> np.ndarray:
    """Return a front of width 0.02 m that travels at 1 m/s."""
    return np.tanh((x - t) / 0.02)


def assignments(**settings: object) -> np.ndarray:
    """Return which cells are expensive at every time, (time, x)."""
    switch, kept, rows = FidelitySwitch(tau=0.02, **settings), None, []
    for t in times.tolist():
        state = Contact(t, None, {"u": front(t), "x": x}, units=UNITS)
        received = Received({"state_in": state, "indicator_in": None})
        kept = switch.f_init(Start(t, kept=kept), received)
        rows.append(kept.refined)
    return np.array(rows)


# %%
# Without and with a goal; the dashed line is the middle of the front.
figure, both = plt.subplots(1, 2, sharey=True, layout="constrained")
for ax, goal in zip(both, ("none", "flux"), strict=True):
    cells = assignments(goal=goal)
    ax.pcolormesh(x, times, cells, cmap="Blues", vmax=1.6)
    ax.plot(times, times, "k--", lw=0.8)
    ax.set(title=f"goal: {goal}, {cells.mean():.1%} expensive", xlabel="x / m")
both[0].set_ylabel("t / s")
