"""
Models with different clocks
============================

A time bridge gives a slow model the values of a fast one at the times it asks for. What it sees
of a fast signal depends on the mode; only the integral gives exactly the amount that the fast
model gave. Right: kicks of a slow force at fixed intervals excite a fast oscillation just
below each half of its period, however weak the force is.
"""  # noqa: D205, D400

# %%
# A fast rate with a step of 0.1 s, and a slow model with a step of 0.7 s.
import matplotlib.pyplot as plt
import numpy as np

from manyscale.bridges.time_bridge import kernel
from manyscale.bridges.time_bridge.stepping import stability

times = 0.1 * np.arange(43)
rate = (np.exp(-times) + 0.5 * np.sin(9.0 * times) ** 2)[:, None]
edges = 0.7 * np.arange(7)
seen = {
    "hold": kernel.hold(times, rate, edges[:-1]),
    "linear, at the middle": kernel.linear(times, rate, edges[:-1] + 0.35),
    "integral": kernel.integral(times, rate, edges),
}

# %%
# What the slow model takes over all its steps, against what the fast one gave.
given = 0.1 * rate[:-1].sum()
figure, (left, right) = plt.subplots(1, 2, layout="constrained", figsize=(9, 4))
left.step(times, rate[:, 0], "0.6", where="post", label="given by the fast model")
for name, values in seen.items():
    share = 0.7 * values.sum() / given - 1.0
    left.stairs(values[:, 0], edges, baseline=None, lw=2, label=f"{name}: {abs(share):.1%} off")
left.set(xlabel="time / s", ylabel="rate / (mol/s)", ylim=(0.0, 1.75))
left.legend()

# %%
# Growth of the oscillation per kick, for two strengths of the slow force.
angles = np.linspace(0.05, 7.0, 40000)
for strength in (0.15, 0.3):
    growth = [stability(1.0, strength, angle).growth for angle in angles]
    right.plot(angles / np.pi, growth, label=f"w = {strength:g} Ω")
right.set(
    xlabel="interval of the kicks in half periods of the fast motion",
    ylabel="logarithmic growth of the amplitude per kick",
)
right.legend(title="slow against fast frequency")
