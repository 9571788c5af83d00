"""What films of first-principles silicon are compared with, and their figure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from manyscale.results.report import Row
from manyscale.results.run import Run
from manyscale_plugins.phonon_bte import exact, kernel
from manyscale_plugins.phonon_bte.acceleration import Options
from manyscale_plugins.phonon_bte.spectrum import spectrum
from manyscale_plugins.phonon_modes import table
from manyscale_plugins.phonon_modes.kernel import Modes, accumulated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class _Films(NamedTuple):
    """The films of one temperature."""

    temperature: float  # K
    thickness: np.ndarray  # (film,) m
    conductivity: np.ndarray  # (film,) W/(m K)
    modes: Modes
    kappa: float  # W/(m K), of the file


def _films(run: Run) -> list[_Films]:
    shown = run.record("films", "all_out").isel(time=-1)
    known = table.read(table.path_of(run.models["modes"].table_file))
    kappa = known.kappa if known.kappa is not None else np.full(known.temperatures.size, np.nan)
    return [
        _Films(
            float(T),
            shown.thickness.values,
            shown.conductivity.values[:, n],
            run.models["modes"].modes(float(T)),
            float(np.interp(T, known.temperatures, kappa)),
        )
        for n, T in enumerate(shown.temperature.values)
    ]


def rows(run: Run) -> list[Row]:
    """Compare with the file's own kappa, the integral equation, and finer cells."""
    found = _films(run)
    rows = []
    for one in found:
        T, known = f"{one.temperature:g} K", "kappa of the file"
        k = one.modes.conductivity
        rows.append(Row(f"sum over modes, {T}", k, one.kappa, 1e-6, "W/(m K)", known))
        if one.thickness.max() >= 1e-3:
            # what is left of the walls in a thick film: 2/3 of its mean free path on each side
            path = float((one.modes.shares * one.modes.free_path).sum() / k)
            far = float(one.conductivity[one.thickness.argmax()])
            left = 4.0 / 3.0 * path / float(one.thickness.max())
            if left < 1.5e-3:
                what = f"film of {one.thickness.max():g} m, {T}"
                rows.append(Row(what, far, one.kappa, 1e-3, "W/(m K)", known))
        rows += _resolved(run, one)
        free_path, part = accumulated(one.modes)
        half = float(np.interp(0.5, part / part[-1], free_path))
        rows.append(Row(f"half of the heat by mean free paths below, {T}", half, unit="m"))
    sweeps = run.record("bte", "flux_out").sweeps.values
    rows.append(Row("sweeps of a film, mean", float(sweeps.mean())))
    return rows


def _resolved(run: Run, one: _Films) -> list[Row]:
    """Compare the film near 100 nm with two other solutions of the same problem."""
    place = int(np.abs(np.log(one.thickness / 1e-7)).argmin())
    L, k = float(one.thickness[place]), float(one.conductivity[place])
    modes, what = spectrum(*one.modes), f"film of {L:g} m, {one.temperature:g} K"
    integral = exact.extrapolated_flux(modes, L, 800, (0.5, -0.5)) * L
    film = kernel.Film(modes, L, 1600, 32)
    options = Options("dsa_gmres", 1e-9, 500)
    fine = float(kernel.solve(film, kernel.black(film, 0.5, -0.5), options).flux.mean()) * L
    return [
        Row(what, k, integral, 1e-5, "W/(m K)", "integral equation"),
        Row(what, k, fine, 1e-5, "W/(m K)", "1600 cells, 64 directions"),
    ]


def draw(run: Run, figure: Figure) -> None:
    """Draw films, the accumulation of the bulk, and its k(T), with the file over them."""
    films, paths, temperatures = figure.subplots(1, 3)
    for n, one in enumerate(_films(run)):
        _draw_films(one, f"C{n}", films)
        free_path, part = accumulated(one.modes)
        paths.semilogx(1e6 * free_path, part / part[-1], f"C{n}-", drawstyle="steps-post",
                       label=f"{one.temperature:g} K")  # fmt: skip
    films.set(xlabel="thickness [µm]", ylabel="k [W/(m K)]")
    films.legend(fontsize=8, loc="lower right")
    films.set_title("across films", fontsize=10)
    paths.set(xlabel="mean free path [µm]", ylabel="part of k by shorter paths", ylim=(0.0, 1.02))
    paths.set_xlim(1e-3, 1e2)
    paths.legend(fontsize=8)
    paths.set_title("cumulative conductivity", fontsize=10)
    _draw_temperatures(run, temperatures)


def _draw_films(one: _Films, colour: str, axes: Axes) -> None:
    label = f"{one.temperature:g} K"
    axes.loglog(1e6 * one.thickness, one.conductivity, "o-", color=colour, ms=4, label=label)
    axes.axhline(one.kappa, color=colour, ls="--", lw=1, label=f"kappa of the file, {label}")
    ballistic = exact.ballistic(spectrum(*one.modes), 1.0) * one.thickness
    thin = one.thickness < 1e-7
    axes.loglog(1e6 * one.thickness[thin], ballistic[thin], ":", color=colour, lw=1.5)
    if thin.any():
        axes.plot([], [], ":", color=colour, lw=1.5, label=f"C v L/4, {label}")


def _draw_temperatures(run: Run, axes: Axes) -> None:
    known = table.read(table.path_of(run.models["modes"].table_file))
    low, high = known.temperatures[[0, -1]]
    T = np.exp(np.linspace(math.log(low), math.log(high), 200))
    T[[0, -1]] = low, high
    axes.loglog(T, [table.at(known, float(t)).conductivity for t in T], "k-", lw=1,
                label="between its temperatures")  # fmt: skip
    if known.kappa is not None:
        axes.loglog(known.temperatures, known.kappa, "ko", ms=5, mfc="w", label="kappa of the file")
    ticks = [t for t in (5, 10, 20, 50, 100, 200, 500, 1000) if low <= t <= high]
    axes.set_xticks(ticks, [f"{t}" for t in ticks])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="T [K]", ylabel="k [W/(m K)]")
    axes.legend(fontsize=8)
    axes.set_title("without walls", fontsize=10)
