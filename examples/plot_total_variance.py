"""
Will a larger sample help?
==========================

A sample of n random grains conducts with a spread of two kinds: which grains it happens to have
(aleatory), and that a parameter of all grains is known to 0.2 only (epistemic). The first falls as
1/n, the second stays. The shipped coupling total_variance runs once for each n, in this process;
lines are closed forms.
"""  # noqa: D205, D400

# %%
# Outer samples draw the parameter, inner ones the grains; two of these are best.
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from manyscale.hosting.in_process import run
from manyscale_plugins.random_conductivity_rve import exact

HERE = Path.cwd()  # anywhere in a checkout
SPECS = next(p for p in (HERE, *HERE.parents) if (p / "coupling_specs").is_dir()) / "coupling_specs"
spec = SPECS / "total_variance"
sizes = np.array([4, 8, 16, 32, 64])
told = []
for n in sizes.tolist():
    settings = {"rve_farm.n": n, "n_outer": 4000, "n_inner": 2}
    told.append(run(spec, settings).recorded["variance_split.stats_out"][0].messages[0])

# %%
# Both parts on top of each other, with the errors of each, and what is exact.
slow, fast = (
    np.array([one[f"var_{name}"][0] for one in told]) for name in ("epistemic", "aleatory")
)
errors = [1.96 * np.array([one[f"var_{name}_se"][0] for one in told])
          for name in ("epistemic", "aleatory")]  # fmt: skip
fine = np.geomspace(3.2, 80.0, 100)
known = np.array([exact.lognormal(0.2, 0.8, n) for n in fine])
figure, (stacked, single) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
place = np.arange(len(sizes))
stacked.bar(place, slow, color="C0", label="epistemic: the parameter")
stacked.bar(place, fast, bottom=slow, color="C1", label="aleatory: the grains")
at = np.log2(fine / sizes[0])
stacked.plot(at, known.sum(axis=1), "k-", lw=1, label="closed form, ~ 1/n")
stacked.plot(at, known[:, 0], "k--", lw=1)
stacked.set_xticks(place, sizes.tolist())
stacked.set(xlabel="grains in a sample", ylabel="variance of k [(W/(m K))²]")
stacked.legend()
for value, error, color, exactly in zip((slow, fast), errors, ("C0", "C1"), known.T, strict=True):
    single.errorbar(sizes, value, error, fmt="o", color=color, capsize=3)
    single.plot(fine, exactly, color=color, lw=1)
single.set(xscale="log", yscale="log", xlabel="grains in a sample",
           ylabel="variance of k [(W/(m K))²]")  # fmt: skip
single.set_xticks(sizes, sizes.tolist())
single.minorticks_off()
single.set_yticks([0.03, 0.1, 0.3], ["0.03", "0.1", "0.3"])
