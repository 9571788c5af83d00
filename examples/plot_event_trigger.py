"""
The moment a population reaches half its capacity
=================================================

Logistic growth is seen at a few states only, each with its rate of change. The trigger places the
moment at which N reaches 0.5 between them, by a cubic through values and rates; a straight line
between the states is much worse.
"""  # noqa: D205, D400

# %%
# States and rates of logistic growth, 1/h; the crossing is at ln 99 h.
import math

import matplotlib.pyplot as plt
import numpy as np

from manyscale import Contact, Received, Start
from manyscale.bridges.event_trigger import EventTrigger

EXACT, HOUR = math.log(99.0), 3600.0
UNITS = {"N": "1", "N_rate": "1/h"}


def state(hours: float, dense: str) -> Received:
    """N as a message, with its rate for `hermite`."""
    N = 1.0 / (1.0 + 99.0 * math.exp(-hours))
    fields = {"N": N, "N_rate": N * (1.0 - N)} if dense == "hermite" else {"N": N}
    return Received({"state_in": Contact(hours * HOUR, None, fields, units=UNITS)})


def crossing(step: float, phase: float, dense: str) -> float:
    """Hours at which the trigger fires if it sees states `step` hours apart."""
    trigger, kept = EventTrigger(expression="N - 0.5", dense=dense), None
    for k in range(3):
        now = EXACT + (k - 1 - phase) * step
        kept = trigger.f_init(Start(now * HOUR, kept=kept), state(now, dense))
        if kept.fired.size:
            return float(kept.fired[0] / HOUR)
    raise AssertionError("it must fire")


# %%
# The largest error over all places that the crossing can have within a step.
steps, phases = np.geomspace(0.05, 2.0, 12), np.linspace(0.05, 0.95, 19)
figure, ax = plt.subplots(layout="constrained")
for dense, label in (("linear", "values only"), ("hermite", "values and rates")):
    errors = [max(abs(crossing(h, p, dense) - EXACT) for p in phases) for h in steps.tolist()]
    ax.loglog(steps, errors, "o-", label=label)
ax.loglog(steps, 3e-4 * steps**5, "k:", label="fifth order: N'''' = 0 at N = 0.5")
ax.set(
    xlabel="step of the model / h",
    ylabel="error of the event / h",
    title="logistic growth crosses N = 0.5",
)
ax.legend()
