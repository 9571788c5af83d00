"""
Members that are alike
======================

A farm hosts many members of a model. Here each has two inputs. Only some compute; every other
copies the nearest of them, and no copy is farther away than the tolerance.
"""  # noqa: D205, D400

import matplotlib.pyplot as plt
import numpy as np

from manyscale.bridges.farm import similarity, surrogate

# %%
# 4000 members lie along a band, as the points of a bar that is stretched and heated.
rng = np.random.default_rng(1)
along = rng.random(4000)
heat = 0.5 * np.sin(3.0 * along) + 0.02 * rng.standard_normal(4000)
points = np.stack([along, heat], axis=1)
tolerance = 0.05 * similarity.spread(points)
found = similarity.cover(points, np.ones(4000, dtype=bool), 0.5 * tolerance, tolerance)
print(f"{found.active.sum()} of {len(points)} compute; the farthest copy is at "
      f"{found.distance.max():.3f}, the tolerance is {tolerance:.3f}")  # fmt: skip

# %%
# Where members have no state, a Gaussian process may answer instead. It is asked at 500 places
# and has the member compute only where it is not sure.


def member(x):
    """Return the answer of a member, (n, 1)."""
    return np.sin(8.0 * x) + x**2


asked = np.sort(rng.random(500))[:, None]
rows = surrogate.first_design(asked, asked[:0])
model = surrogate.empty(1, 1)
while len(rows):
    model, _ = model.grown(asked[rows], member(asked[rows]))
    mean, half = model.predicted(asked)
    unsure = np.flatnonzero(~model.sure(half, 1e-3))
    rows = unsure[model.worst(asked[unsure], 1)] if len(unsure) else unsure

# %%
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
left.scatter(*points.T, s=2, c=found.distance, cmap="viridis")
left.scatter(*points[found.active].T, s=14, c="tab:red", label="compute")
left.set(xlabel="stretch [1]", ylabel="heat [1]", title=f"{found.active.sum()} of 4000 compute")
left.legend(loc="lower center")
middle.plot(asked, member(asked), color="0.6", lw=4, label="member")
middle.plot(asked, mean, "k--", lw=1, label="surrogate")
middle.plot(model.x, model.y, "o", color="tab:red", ms=4, label="computed")
middle.set(xlabel="x [1]", ylabel="y [1]", title=f"{len(model.x)} of 500 compute")
middle.legend()
right.semilogy(asked, np.abs(mean - member(asked)) + 1e-9, color="tab:blue", label="error")
right.semilogy(asked, half + 1e-9, color="0.4", label="half of the 95 % band")
right.axhline(1e-3, color="tab:red", ls=":", label="tolerance")
right.set(xlabel="x [1]", ylabel="error of y [1]", ylim=(1e-8, 1e-1), title="How sure it is")
right.legend(loc="upper center", ncols=2, fontsize=8)
plt.show()
