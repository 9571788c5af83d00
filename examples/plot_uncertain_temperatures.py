"""
A coarse observation spread over fine pixels
============================================

A satellite sees means of 500 m; a model of the ground has 30 m. The least change that gives the
model these means is one constant per coarse pixel. Errors that are correlated make it smooth, and
say how well every fine pixel is known: well inside, badly under a cloud.
"""  # noqa: D205, D400

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter

from manyscale.bridges.regrid.overlaps import overlap
from manyscale_plugins.aggregation_constraint import kernel

FINE, COARSE, N = 30.0, 500.0, 200
SIGMA = 0.2  # K, noise of the satellite


def grid(size: float) -> np.ndarray:
    """Return the geotransform of square pixels."""
    return np.array([0.0, size, 0.0, 0.0, 0.0, -size])


# %%
# The truth differs from the model by a smooth field that the model does not know.
numbers = np.random.default_rng(4)
fields = [gaussian_filter(numbers.standard_normal((N, N)), width) for width in (4.0, 20.0)]
model = 303.0 + 2.0 * fields[0] / fields[0].std()
truth = model + fields[1] / fields[1].std()

# %%
# What the satellite sees: means, noise, and a cloud.
both = overlap(FINE * np.arange(N + 1.0), COARSE * np.arange(13.0))
means = both.matrix(both.lengths / COARSE)
lst = means @ truth @ means.T + SIGMA * numbers.standard_normal((12, 12))
clear = np.ones(lst.shape, bool)
clear[6:9, 2:5] = False
seen = kernel.Observation(lst, clear, np.full(lst.shape, SIGMA), grid(COARSE))
given = model, np.ones(truth.shape, bool), grid(FINE), seen
least = kernel.constrained(*given)
rule = kernel.Rule(method="tikhonov", correlation_length=1500.0)
likely = kernel.constrained(*given, rule, uncertainty=True)

# %%
# The change that each of them makes, and the posterior standard deviation.
figure, axes = plt.subplots(1, 4, figsize=(14, 4), layout="constrained", sharey=True)
maps = {
    "truth less model": truth - model,
    "least change": least.lst - model,
    "most likely change": likely.lst - model,
    "standard deviation": likely.std,
}
for ax, (name, field) in zip(axes, maps.items(), strict=True):
    change = name != "standard deviation"
    scale = {"cmap": "RdBu_r", "vmin": -2.5, "vmax": 2.5} if change else {"cmap": "viridis"}
    image = ax.imshow(field, extent=(0.0, 6.0, 6.0, 0.0), **scale)
    error = np.sqrt(np.mean((field - truth + model) ** 2))
    off = f", {error:.2f} K off" if "change" in name else ""
    ax.set(title=name + off, xlabel="east / km", xlim=(0, 6), ylim=(6, 0))
    if name in ("most likely change", "standard deviation"):
        figure.colorbar(image, ax=ax, label="K", shrink=0.8)
axes[0].set_ylabel("south / km")
