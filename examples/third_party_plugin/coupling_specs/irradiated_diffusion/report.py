"""The recorded profile against the semi-infinite solid with a fixed surface concentration.

c = c_left erfc(z / (2 sqrt(D t))), uptake 2 c_left sqrt(D t/pi) per area: Crank, The Mathematics
of Diffusion (1975), section 2.4 (a half-space whose surface is held).
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from manyscale.results.report import Row
from manyscale.results.run import Run
from scipy.special import erfc

from acme_irradiation import kernel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CRANK = "Crank (1975), erfc solution"


def rows(run: Run) -> list[Row]:
    """Compare the diffusivity, the profile and the uptake with their closed forms."""
    crystal, bulk = run.models["properties"], run.models["bulk"]
    D = float(run.record("properties", "bulk_out")["diffusivity"][-1])
    ballistic = kernel.ballistic(crystal.displacement_rate, crystal.jumps, crystal.jump_length)
    end = run.record("bulk", "field_out").isel(time=-1)
    z, c = profile(run)
    depth = 2.0 * math.sqrt(D * bulk.t_end)
    found = [
        Row("diffusivity", D, ballistic, 1e-6, "m2/s", "ballistic term alone: the crystal is cold"),
        Row("temperature of equal terms", kernel.crossover(crystal.D0, crystal.Q, ballistic),
            unit="K"),
    ]  # fmt: skip
    for share in (0.25, 0.5, 1.0):
        computed = float(np.interp(share * depth, z, c))
        exact = bulk.c_left * math.erfc(share)
        found.append(
            Row(f"c at z = {share:g} x 2 sqrt(D t)", computed, exact, 2e-3, "mol/m3", CRANK)
        )
    off = float(abs(c - bulk.c_left * erfc(z / depth)).max())
    found.append(Row("largest deviation of the profile", off, 0.0, 1e-3, "mol/m3", CRANK, True))
    uptake = 2.0 * bulk.c_left * math.sqrt(D * bulk.t_end / math.pi) * bulk.lx * bulk.ly
    found.append(Row("uptake", float(end["mass"]), uptake, 2e-3, "mol", "Crank (1975), uptake"))
    return found


def draw(run: Run, figure: "Figure") -> None:
    """Draw the profile beside erfc, and both terms of the diffusivity over temperature."""
    left, right = figure.subplots(1, 2)
    crystal, bulk = run.models["properties"], run.models["bulk"]
    D = float(run.record("properties", "bulk_out")["diffusivity"][-1])
    z, c = profile(run)
    depth = 2.0 * math.sqrt(D * bulk.t_end)
    left.plot(z * 1e9, c, ".", label="mass_diffusion")
    left.plot(z * 1e9, bulk.c_left * erfc(z / depth), label="erfc")
    left.set(xlim=(0.0, 4.0 * depth * 1e9), xlabel="z [nm]", ylabel="concentration [mol/m3]")
    left.set_title(f"after {bulk.t_end:g} s", fontsize=9)
    left.legend()
    T = np.linspace(300.0, 900.0, 200)
    ballistic = kernel.ballistic(crystal.displacement_rate, crystal.jumps, crystal.jump_length)
    thermal = np.array([kernel.thermal(crystal.D0, crystal.Q, t) for t in T])
    right.semilogy(T, thermal, "--", label="thermal")
    right.semilogy(T, thermal + ballistic, label="irradiated")
    right.plot(crystal.temperature, D, "o", label="this run")
    right.set(xlabel="temperature [K]", ylabel="diffusivity [m2/s]", ylim=(ballistic * 1e-6, None))
    right.legend()


def profile(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Depth (z,) [m] and concentration (z,) [mol/m3], the same at every x and y."""
    end = run.record("bulk", "field_out").isel(time=-1)
    return end["z"].to_numpy(), end["c"].mean(("x", "y")).to_numpy()
