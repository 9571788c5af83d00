"""
Effective diffusivity of a crystal with fast lines
==================================================

A wave of concentration along the lines decays at the rate :math:`k^2 D_{eff}`. Long waves feel
crystal and lines as one medium, the limit of Hart (1957). Short waves decay before the lines
have reached the crystal between them. Every point below is a coupled run in this process.
"""  # noqa: D205, D400

# %%
# The coupling: at every step the bulk calls its line.
import math
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from manyscale.hosting import in_process
from manyscale_plugins.line_diffusion import exact

COUPLING = """
ymmsl_version: v0.2
imports:
- from manyscale import implementation mass_diffusion
- from manyscale import implementation line_diffusion
models:
  one_line:
    components:
      bulk:
        description: The crystal
        implementation: mass_diffusion
        ports: {o_i: sample_out, s: line_in}
      line:
        description: A line in the middle of the box
        implementation: line_diffusion
        multiplicity: 1
        ports: {f_init: bulk_in, o_f: line_out}
    conduits:
      bulk.sample_out: line.bulk_in
      line.line_out: bulk.line_in
settings: {bc_z: no_flux, initial: cosine, c_initial: 1.0, nz: 32, bulk.scheme: bdf2}
"""
spec = Path(tempfile.mkdtemp()) / "one_line.ymmsl"
spec.write_text(COUPLING)

# %%
# Half a wave fits in the box; the last two steps of a run give its rate of decay.
D, RADIUS, OUTER, STEPS, CELLS = 1e-18, 1e-9, 100.0, 120, 16


def effective(wavenumber: float, ratio: float) -> float:
    """D_eff/D from the decay of cos(kz); `wavenumber` is kR, `ratio` is D_p/D, R is OUTER a."""
    k = wavenumber / (OUTER * RADIUS)
    dt = 0.01 / (exact.effective_diffusivity(wavenumber, OUTER, ratio) * k**2 * D)
    side = math.sqrt(math.pi) * OUTER * RADIUS  # the area of a circle of radius R
    box = {"nx": CELLS, "ny": CELLS, "lx": side, "ly": side, "dt": dt, "t_end": STEPS * dt}
    line = {"radius": RADIUS, "cell_size": side / CELLS, "diffusivity_pipe": ratio * D}
    settings = {f"bulk.{name}": value for name, value in box.items()}
    settings |= {f"line.{name}": value for name, value in line.items()}
    settings |= {"lz": math.pi / k, "bulk.diffusivity": D, "line.diffusivity_bulk": D}
    run = in_process.run(spec, settings, record=["bulk.sample_out"])
    wave = np.cos(np.pi * (np.arange(32) + 0.5) / 32)
    shown = run.recorded["bulk.sample_out"]
    before, last = (wave @ item.messages[0]["c_now"] for item in shown[-2:])
    return math.log(before / last) / dt / (k**2 * D)


# %%
# Points are coupled runs, lines the exact rate for one line in a closed cylinder of radius R.
figure, ax = plt.subplots(layout="constrained")
for color, ratio in (("C0", 1e4), ("C1", 1e5)):
    runs, fine = np.geomspace(0.01, 2.0, 8).tolist(), np.geomspace(0.005, 3.0, 60)
    ax.plot(fine, [exact.effective_diffusivity(x, OUTER, ratio) for x in fine], color)
    ax.plot(runs, [effective(x, ratio) for x in runs], color + "o", label=f"D_p/D = {ratio:.0e}")
    ax.axhline(exact.hart(OUTER**-2, ratio), color=color, ls=":")
ax.set(xscale="log", yscale="log", xlabel="k R", ylabel="D_eff / D", title="dotted: Hart limit")
ax.legend()
