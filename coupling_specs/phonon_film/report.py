"""What films of silicon are compared with, and their figure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from manyscale.results.report import Row
from manyscale.results.run import Run
from manyscale_plugins.phonon_bte import exact, kernel
from manyscale_plugins.phonon_bte.acceleration import Options
from manyscale_plugins.phonon_bte.spectrum import Spectrum, gray, spectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Q = q/(C v dT/4) of one mode at L/Lambda; agrees with the table of Heaslet and Warming (1965)
SLAB = {0.1: 0.91570, 0.2: 0.84918, 0.5: 0.70417, 1.0: 0.55341, 2.0: 0.39006, 3.0: 0.30164,
        5.0: 0.20766, 10.0: 0.116745, 20.0: 0.06224}  # fmt: skip


class _Cases(NamedTuple):
    """All films of a run, (case,) or (case, ...), temperatures within thicknesses."""

    thickness: np.ndarray  # m
    temperature: np.ndarray  # K
    conductivity: np.ndarray  # W/(m K)
    flux: np.ndarray  # (case, face) W/m2
    profile: np.ndarray  # (case, depth) K
    sweeps: np.ndarray


def _cases(run: Run) -> _Cases:
    films, shown = run.models["films"], run.record("bte", "flux_out")
    rows, columns = len(films.thicknesses), len(films.temperatures)
    return _Cases(
        np.repeat(films.thicknesses, columns),
        np.tile(films.temperatures, rows),
        shown.kappa_eff.values,
        shown.q.values,
        shown.temperature.values,
        shown.sweeps.values,
    )


def _modes(run: Run, temperature: float) -> Spectrum:
    """Return the modes that a film of the run was solved with."""
    found = spectrum(*run.models["modes"].modes(temperature))
    free_path = run.models["bte"].gray_lambda
    return gray(found, free_path) if free_path else found


def _near(values: Any, wanted: float) -> float:
    return float(min(values, key=lambda value: abs(math.log(value / wanted))))


def rows(run: Run) -> list[Row]:
    """Compare with closed forms, the integral equation, finer cells, and the stack's own table."""
    found, models = _cases(run), run.models
    if models["bte"].direction == "in_plane":
        return _along(run, found)
    table = [*_crystal(run), *_one_film(run, found), *_thinnest(run, found), *_slabs(run, found)]
    uneven = np.abs(found.flux / found.flux.mean(axis=1, keepdims=True) - 1.0).max()
    table.append(
        Row("flux across a film, largest deviation", float(uneven), 0.0, models["bte"].tol, "1",
            "closed form", absolute=True)
    )  # fmt: skip
    table += _stack(run) if "fourier" in models else []
    table.append(Row("sweeps of a film, mean", float(found.sweeps.mean())))
    return table


def _crystal(run: Run) -> list[Row]:
    """Compare the crystal without walls with what the branches are calibrated to."""
    modes, films = run.models["modes"], run.models["films"]
    if 300.0 not in films.temperatures or run.models["bte"].gray_lambda:
        return []
    k = modes.modes(300.0).conductivity
    if modes.table_file:
        from manyscale_plugins.phonon_modes import table

        own = table.read(table.path_of(modes.table_file))
        known = own.kappa[int(np.argmin(np.abs(own.temperatures - 300.0)))]
        return [Row("k without walls at 300 K", k, float(known), 1e-6, "W/(m K)", "kappa of file")]
    standard = type(modes)()
    if modes != standard:
        return [Row("k without walls at 300 K", k, unit="W/(m K)")]
    return [Row("k without walls at 300 K", k, 148.0, 1e-4, "W/(m K)", "calibrated")]


def _one_film(run: Run, found: _Cases) -> list[Row]:
    """Compare one film, near 100 nm and 300 K, with two other solutions of the same problem."""
    films = run.models["films"]
    L, T = _near(films.thicknesses, 1e-7), _near(films.temperatures, 300.0)
    modes = _modes(run, T)
    place = int(np.flatnonzero((found.thickness == L) & (found.temperature == T))[0])
    what, k = f"k at {L:g} m, {T:g} K", float(found.conductivity[place])
    integral = exact.extrapolated_flux(modes, L, 600, (0.5, -0.5)) * L
    film = kernel.Film(modes, L, 1600, 32)
    options = Options("dsa_gmres", 1e-9, 500)
    fine = kernel.solve(film, kernel.black(film, 0.5, -0.5), options).flux.mean() * L
    return [
        Row(what, k, integral, 1e-5, "W/(m K)", "integral equation, Heaslet and Warming (1965)"),
        Row(what, k, float(fine), 1e-5, "W/(m K)", "1600 cells, 64 directions"),
    ]


def _thinnest(run: Run, found: _Cases) -> list[Row]:
    """Compare the thinnest film in the coldest crystal with its limit, and its exponent with 3."""
    films = run.models["films"]
    L, cold = min(films.thicknesses), sorted(films.temperatures)[:2]
    if cold[-1] > 10.0 or run.models["bte"].gray_lambda:
        return []
    k = [
        float(found.conductivity[(found.thickness == L) & (found.temperature == T)][0])
        for T in cold
    ]
    slope = math.log(k[1] / k[0]) / math.log(cold[1] / cold[0])
    limit = exact.ballistic(_modes(run, cold[0]), L)
    return [
        Row(f"k at {L:g} m, {cold[0]:g} K", k[0], limit, 1e-4, "W/(m K)", "ballistic, C v L/4"),
        Row(f"exponent of T, {cold[0]:g} to {cold[1]:g} K", slope, 3.0, 0.02, "1", "Debye"),
    ]


def _slabs(run: Run, found: _Cases) -> list[Row]:
    """Compare gray films with the table, where there are such."""
    free_path = run.models["bte"].gray_lambda
    if not free_path:
        return []
    table = []
    for L, T, k in zip(found.thickness, found.temperature, found.conductivity, strict=True):
        for tau, known in SLAB.items():
            if abs(L / free_path - tau) < 1e-9 * tau:
                black = exact.ballistic(_modes(run, T), L)
                table.append(
                    Row(f"Q at L/Lambda = {tau:g}, {T:g} K", float(k / black), known,
                        1e-4 / known, "1", "Heaslet and Warming (1965)")
                )  # fmt: skip
    return table


def _along(run: Run, found: _Cases) -> list[Row]:
    """Compare heat along films of one mode with Fuchs and Sondheimer."""
    table = []
    for L, T, k in zip(found.thickness, found.temperature, found.conductivity, strict=True):
        modes = _modes(run, T)
        if run.models["bte"].gray_lambda and not run.models["bte"].specularity:
            known = exact.fuchs_sondheimer(L / float(modes.free_path[0]))
            table.append(
                Row(f"k/k_bulk along {L:g} m, {T:g} K", float(k / modes.conductivity), known,
                    1e-3, "1", "Fuchs and Sondheimer")
            )  # fmt: skip
        else:
            part = float(k / modes.conductivity)
            table.append(Row(f"k/k_bulk along {L:g} m, {T:g} K", part))
    return table


def _stack(run: Run) -> list[Row]:
    """Compare the flux through the stack with the integral of its k(T)."""
    fourier = run.models["fourier"]
    table = run.record("films", "table_out").isel(time=-1)
    field = run.record("fourier", "field_out").isel(time=-1)
    ends = sorted((fourier.t_left, fourier.t_right))
    whole = exact.kirchhoff(table.temperature.values, table.conductivity.values, *ends)
    q = float(field.q.mean())
    return [
        Row("flux through the stack", abs(q), whole / fourier.lz, 1e-4, "W/m2",
            "Kirchhoff's integral of k(T)"),
        Row("heat of the stack minus influx, over its heat",
            float((field.heat - field.influx) / field.heat), 0.0, 1e-8, "1", "conservation",
            absolute=True),
    ]  # fmt: skip


def draw(run: Run, figure: Figure) -> None:
    """Draw size, temperature and depth, and the stack, with references over them."""
    figure.set_size_inches(11, 8)
    ((size, cold), (inside, stack)) = figure.subplots(2, 2)
    found = _cases(run)
    _draw_size(run, found, size)
    _draw_temperature(run, found, cold)
    _draw_profiles(run, found, inside)
    if "fourier" in run.models:
        _draw_stack(run, stack)
    else:
        stack.set_axis_off()


def _draw_size(run: Run, found: _Cases, axes: Axes) -> None:
    tau = np.geomspace(0.01, 1e4, 60)
    axes.semilogx(tau, [_one_mode(t) for t in tau], "k-", lw=1, label="one mode")
    known = np.array(list(SLAB.items()))
    axes.plot(known[:, 0], 0.75 * known[:, 0] * known[:, 1], "ko", ms=5, mfc="w",
              label="Heaslet and Warming")  # fmt: skip
    temperatures = sorted(run.models["films"].temperatures)
    named = {_near(temperatures, T) for T in (2.0, 20.0, 100.0, 300.0)}
    for n, T in enumerate(temperatures):
        mine = found.temperature == T
        modes = _modes(run, T)
        mean = 3.0 * modes.conductivity / float(modes.current.sum())
        part = found.conductivity[mine] / modes.conductivity
        label = f"{T:g} K" if T in named else None
        axes.plot(found.thickness[mine] / mean, part, ".", ms=7, color=_colour(run, n), label=label)
    axes.set(xlabel="L / mean free path", ylabel="k / k without walls", xlim=(1e-2, 1e4))
    axes.set_ylim(0.0, 1.05)
    axes.legend(fontsize=8, loc="lower right")
    axes.set_title("thickness (mean free path 3 k/(C v))", fontsize=10)


def _one_mode(tau: float) -> float:
    """Return k/k_bulk of a film of one mode, L/Lambda = tau."""
    film = kernel.Film(spectrum(np.ones(1), np.ones(1), np.array([1.0 / tau])), 1.0, 200, 16)
    found = kernel.solve(film, kernel.black(film, 0.5, -0.5), Options("dsa_gmres", 1e-6, 500))
    return 3.0 * tau * float(found.flux.mean())


def _colour(run: Run, number: int) -> Any:
    import matplotlib as mpl

    count = len(run.models["films"].temperatures)
    return mpl.colormaps["viridis"](0.9 * number / max(count - 1, 1))


def _draw_temperature(run: Run, found: _Cases, axes: Axes) -> None:
    temperatures = np.array(sorted(run.models["films"].temperatures))
    bulk = [_modes(run, T).conductivity for T in temperatures]
    axes.loglog(temperatures, bulk, "k-", lw=1, label="without walls")
    for n, L in enumerate(run.models["films"].thicknesses):
        mine = found.thickness == L
        order = np.argsort(found.temperature[mine])
        axes.loglog(found.temperature[mine][order], found.conductivity[mine][order], "o-", ms=4,
                    color=f"C{n}", label=f"{_length(L)}")  # fmt: skip
    if temperatures.min() < 10.0:
        line = np.array([temperatures.min(), 10.0])
        start = found.conductivity[found.temperature == line[0]].max() / 3.0
        axes.loglog(line, start * (line / line[0]) ** 3, "k--", lw=1.5, label="$T^3$")
    axes.set(xlabel="T [K]", ylabel="k [W/(m K)]")
    axes.legend(fontsize=7, ncols=2)
    axes.set_title("temperature", fontsize=10)


def _length(value: float) -> str:
    for unit, size in (("mm", 1e-3), ("µm", 1e-6), ("nm", 1e-9)):
        if value >= 0.999 * size:
            return f"{value / size:g} {unit}"
    return f"{value:g} m"


def _draw_profiles(run: Run, found: _Cases, axes: Axes) -> None:
    films = run.models["films"]
    T = _near(films.temperatures, 300.0)
    chosen = sorted({_near(films.thicknesses, L) for L in (1e-8, 1e-6, 1e-4)})
    for n, L in enumerate(chosen):
        place = int(np.flatnonzero((found.thickness == L) & (found.temperature == T))[0])
        part = (found.profile[place] - T) / films.dT
        x = (np.arange(part.size) + 0.5) / part.size
        axes.plot(x, part, f"C{n}-", label=_length(L))
    axes.plot([0.0, 1.0], [0.5, -0.5], "k--", lw=1, label="Fourier")
    axes.plot([0.0, 1.0], [0.5, -0.5], "ks", ms=5, clip_on=False, label="walls")
    axes.set(xlabel="x / L", ylabel="(T - mean) / difference of the walls", xlim=(0.0, 1.0))
    axes.legend(fontsize=8)
    axes.set_title(f"across films at {T:g} K", fontsize=10)


def _draw_stack(run: Run, axes: Axes) -> None:
    fourier = run.models["fourier"]
    table = run.record("films", "table_out").isel(time=-1)
    field = run.record("fourier", "field_out").isel(time=-1)
    T, k = table.temperature.values, table.conductivity.values
    z, found = field.z.values, field.T.values[0, 0]
    axes.plot(1e3 * z, found, "C0-", label=f"stack of films of {_length(_row_thickness(run))}")
    low, high = sorted((fourier.t_left, fourier.t_right))
    some = np.linspace(low, high, 11)
    whole = exact.kirchhoff(T, k, low, high)
    depth = np.array([exact.kirchhoff(T, k, low, one) if one > low else 0.0 for one in some])
    place = fourier.lz * (
        depth / whole if fourier.t_left < fourier.t_right else 1.0 - depth / whole
    )
    axes.plot(1e3 * place, some, "k.", label="Kirchhoff's integral of k(T)")
    ends = [fourier.t_left, fourier.t_right]
    axes.plot([0.0, 1e3 * fourier.lz], ends, "k--", lw=1, label="constant k")
    axes.set(xlabel="z [mm]", ylabel="T [K]")
    axes.legend(fontsize=8)
    axes.set_title(f"heat through {_length(fourier.lz)} of films", fontsize=10)


def _row_thickness(run: Run) -> float:
    films = run.models["films"]
    return float(films.table_thickness or max(films.thicknesses))
