"""What a run of ion and electron eddies is compared with, and its figure."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from manyscale.results.report import Row
from manyscale.results.run import Run
from manyscale_plugins.drift_turbulence import figures, measures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STUDY = Path(__file__).resolve().parent / "reference/study.csv"
WAYS = ("direct", "coupled", "switched", "alone")
FIRST = 4  # exchanges that are left out of means: the eddies still grow


def rows(run: Run) -> list[Row]:
    """Compare with closed forms, and show fluxes beside those of the study."""
    flux, said = run.record("ion_scale", "flux_out"), run.record("index", "index_out")
    ratio = run.models["dispersion"].mass_ratio ** 0.5
    table = [
        Row("gamma_e,max / gamma_i,max", float(said.r_gamma.values[-1]), ratio, 0.02, "1",
            "isomorphism of the branches"),
        Row("exchanges with electrons", float(said.active.values.sum())),
        Row("index, last", float(said.i.values[-1])),
    ]  # fmt: skip
    samples = np.ravel(run.record("ion_scale", "history_out").q_i.values)
    exchanges = np.ravel(flux.q_e.values)
    first = min(FIRST, len(exchanges) - 1)
    ions = measures.mean_and_error(samples, first * len(samples) // len(exchanges))
    electrons = measures.mean_and_error(exchanges, first)
    for name, label, found in (("q_i", "ion", ions), ("q_e", "electron", electrons)):
        mean, error = found
        table.append(Row(f"{label} heat flux", mean, unit="W/m2"))
        table.append(Row("   its standard error", error, unit="W/m2"))
        table += [
            Row(f"   in the study, {one['way']}", float(one[name]), unit="W/m2")
            for one in studied(run.models["dispersion"].a_over_lt, ratio**2)
        ]
    return table


def studied(gradient: float, mass_ratio: float) -> list[dict[str, str]]:
    """Return what the study says at this gradient: nothing at another mass ratio."""
    if not STUDY.is_file() or mass_ratio != 25.0:
        return []
    with STUDY.open() as file:
        lines = csv.DictReader(line for line in file if not line.startswith("#"))
        shown = [one for one in lines if float(one["a_over_lt"]) == gradient]
        return [one for one in shown if one["way"] in WAYS]


def draw(run: Run, figure: Figure) -> None:
    """Draw growth rates, fluxes, the index, and the potential of both scales at the end."""
    figure.set_size_inches(11.0, 6.2)
    top, bottom = figure.subplots(2, 3)
    spectrum = run.record("dispersion", "spectrum_out").isel(time=-1)
    ky = spectrum.ky_rhos.values
    figures.growth(top[0], ky, spectrum.gamma.values, spectrum.branch.values, 0.8)
    _fluxes(run, top[1])
    _index(run, top[2])
    ions, electrons = (run.record(name, "map_out") for name in ("ion_scale", "electron_scale"))
    for ax, shown, when, title in (
        (bottom[0], ions, 1, "ions, early"),
        (bottom[1], ions, -1, "ions, at the end"),
        (bottom[2], electrons, -1, "electrons, last seen"),
    ):
        _map(ax, shown, when, title)


def _fluxes(run: Run, ax: Any) -> None:
    flux = run.record("ion_scale", "flux_out")
    length = run.models["ion_scale"].run_length
    for name, label, colour in (("q_i", "ions", "C0"), ("q_e", "electrons", "C3")):
        figures.fluxes(ax, np.atleast_1d(np.squeeze(flux[name].values)), length, label, colour)
    for one in studied(run.models["dispersion"].a_over_lt, run.models["dispersion"].mass_ratio):
        if one["way"] == "direct":
            ax.axhline(1e-3 * float(one["q_i"]), color="C0", ls=":", label="ions, direct")
            ax.axhline(1e-3 * float(one["q_e"]), color="C3", ls=":", label="electrons, direct")
        if one["way"] == "alone":
            ax.axhline(1e-3 * float(one["q_i"]), color="C0", ls="--", label="ions alone")
    ax.legend(fontsize=7)


def _index(run: Run, ax: Any) -> None:
    said, model = run.record("index", "index_out"), run.models["index"]
    active = said.active.values.astype(bool)
    turns = np.arange(len(active))
    ax.plot(turns, said.i.values, "k-", lw=0.8)
    ax.plot(turns[active], said.i.values[active], "C3o", ms=4, label="electrons simulated")
    ax.plot(turns[~active], said.i.values[~active], "C0o", ms=4, label="not simulated")
    for level, word in ((model.i_on, "on above"), (model.i_off, "off below")):
        ax.axhline(level, color="0.5", ls="--", lw=0.8)
        ax.text(turns[-1], 1.01 * level, word, fontsize=7, color="0.4", ha="right", va="bottom")
    ax.set(xlabel="exchange", ylabel="index", ylim=(0.0, None))
    ax.legend(fontsize=7, loc="center right")


def _map(ax: Any, shown: Any, when: int, title: str) -> None:
    one = shown.isel(time=min(when, len(shown.time) - 1))
    x = shown.x.values if shown.x.values.ndim == 1 else shown.x.values[0]
    figures.potential(ax, x, one.phi.values, f"{title}, t = {float(one.time) * 1e6:.0f} us")
