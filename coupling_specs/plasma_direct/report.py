"""What a run of both scales in one box says, and its figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from manyscale.results.report import Row
from manyscale.results.run import Run
from manyscale_plugins.drift_turbulence import figures, measures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIRST = 4  # exchanges that are left out of means: the eddies still grow


def rows(run: Run) -> list[Row]:
    """Compare growth with the closed form, and show the fluxes."""
    spectrum = run.record("dispersion", "spectrum_out").isel(time=-1)
    gamma, branch = spectrum.gamma.values, spectrum.branch.values
    ions = gamma[branch == 0].max(initial=0.0)
    ratio = gamma[branch == 1].max(initial=0.0) / ions if ions > 0.0 else np.nan
    table = [
        Row("gamma_e,max / gamma_i,max", float(ratio),
            run.models["dispersion"].mass_ratio ** 0.5, 0.02, "1", "isomorphism of the branches"),
    ]  # fmt: skip
    flux, history = (run.record("both_scales", port) for port in ("flux_out", "history_out"))
    exchanges = flux.q_i.size
    for name, label in (("q_i", "ion"), ("q_e", "electron")):
        samples = np.ravel(history[name].values)
        first = min(FIRST, exchanges - 1) * len(samples) // exchanges
        mean, error = measures.mean_and_error(samples, first)
        table.append(Row(f"{label} heat flux", mean, unit="W/m2"))
        table.append(Row("   its standard error", error, unit="W/m2"))
    return table


def draw(run: Run, figure: Figure) -> None:
    """Draw growth rates, fluxes, and the potential at the end."""
    left, middle, right = figure.subplots(1, 3)
    spectrum = run.record("dispersion", "spectrum_out").isel(time=-1)
    figures.growth(
        left, spectrum.ky_rhos.values, spectrum.gamma.values, spectrum.branch.values, 0.8
    )
    flux, model = run.record("both_scales", "flux_out"), run.models["both_scales"]
    for name, label, colour in (("q_i", "ions", "C0"), ("q_e", "electrons", "C3")):
        values = np.atleast_1d(np.squeeze(flux[name].values))
        figures.fluxes(middle, values, model.run_length, label, colour)
    middle.legend(fontsize=8)
    shown = run.record("both_scales", "map_out")
    x = shown.x.values if shown.x.values.ndim == 1 else shown.x.values[0]
    one = shown.isel(time=-1)
    title = f"both scales, t = {float(one.time) * 1e6:.0f} us"
    figures.potential(right, x, one.phi.values, title)
