"""
Temperatures between the pixels of a satellite
==============================================

Three ways to 30 m from ever larger pixels: the coarse value, a regression on the vegetation index,
and an energy balance that is held to the coarse means. Truth and energy balance share their
equation, but the truth has moisture that the model does not know.
"""  # noqa: D205, D400

# %%
import matplotlib.pyplot as plt
import numpy as np

from manyscale_plugins.aggregation_constraint import kernel as constraint
from manyscale_plugins.downscaling_baseline import scores
from manyscale_plugins.downscaling_baseline.kernel import Coarse
from manyscale_plugins.surface_energy_balance import kernel as balance
from manyscale_plugins.synthetic_scene import SyntheticScene

WEATHER = balance.Weather(800.0, 350.0, 298.15, 1500.0)


def errors(coarse_size: float) -> dict[str, float]:
    """Root mean square errors in K of a scene of 9 km seen with pixels of this size [m]."""
    model = SyntheticScene(n_fine=[300, 300], coarse_size=coarse_size)
    recipe, made = model.recipe(), model.made()
    truth, everywhere = made.truth[0], np.ones(recipe.fine.shape, bool)
    seen = Coarse(made.lst[0], made.valid[0], recipe.coarse)
    given = scores.Given(*made.surface, everywhere, recipe.fine, seen)
    T = balance.balance(*made.surface, everywhere, WEATHER, balance.Surface(), 1e-9).temperature
    sigma, place = np.zeros(seen.lst.shape), recipe.coarse.geotransform
    observed = constraint.Observation(seen.lst, seen.valid, sigma, place)
    fields = {name: scores.one(given, name) for name in ("coarse value", "DisTrad")}
    for name, length in (("constrained", 0.0), ("constrained, smooth", 2.0 * coarse_size)):
        rule = constraint.Rule(correlation_length=length)
        held = constraint.constrained(T, everywhere, recipe.fine.geotransform, observed, rule)
        assert np.abs(held.residual).max() < 1e-9
        fields[name] = held.lst
    return {name: scores.rmse(field, truth, everywhere) for name, field in fields.items()}


# %%
sizes = [90.0, 180.0, 300.0, 500.0, 750.0, 1000.0, 1500.0]
found = [errors(size) for size in sizes]

figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, color in zip(found[0], ("0.6", "C1", "C0", "C2"), strict=True):
    ax.loglog(sizes, [one[name] for one in found], "o-", color=color, label=name)
ax.set(xlabel="coarse pixel / m", ylabel="root mean square error at 30 m / K")
ax.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
ax.minorticks_off()
ax.legend()

# %%
# Large pixels teach a regression little: there are few of them, and their means differ less than
# what it is asked for. The energy balance needs no teaching; what it does not know, the moisture,
# the constraint finds, and the better the smaller the pixels are. Smooth corrections do not show
# where the pixels end.
