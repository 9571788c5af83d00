"""What a scan over the radii of a tokamak is compared with, and its figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from manyscale.results.report import Row
from manyscale.results.run import Run
from manyscale_plugins.cross_scale_index import kernel
from manyscale_plugins.gyrokinetic_dispersion import kernel as dispersion

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GYRO = np.loadtxt(Path(__file__).parent / "reference/gyro_128913_r08.csv", delimiter=",")
GYRO[:, 0] *= 1.0 - 0.106537  # k_y rho_s on the outer side: (1 + dR/dr)
WHERE, B_UNIT, RHO_STAR = 0.8, 3.343955, 0.001507  # r/a, T, rho_s/a with B_unit
LOCAL = {
    "a_over_ln": ("a/L_n", 1.072756),
    "a_over_lti": ("a/L_Ti", 2.520933),
    "a_over_lte": ("a/L_Te", 4.874780),
}
THETA = 1.173840
REPORTED = 40.0  # gamma_high/gamma_low
SHOWN = (0, 5, 10, 15)


class Scan(NamedTuple):
    """What a run found, arrays (radius,) or (radius, exchange)."""

    radius: np.ndarray  # r/a
    index: Any  # (radius, exchange)
    active: np.ndarray  # (radius, exchange)
    r_gamma: np.ndarray
    p: np.ndarray
    flux: np.ndarray  # (radius, exchange) W/m2, of the ions


def rows(run: Run) -> list[Row]:
    """Compare gradients and growth with GYRO, the index with its definition, and count."""
    found = _scan(run)
    profiles = run.record("profiles", "profiles_out").isel(time=-1)
    table = [*_local(run, profiles)] if _is_measured(run) else []
    table.append(
        Row("index against its definition, largest difference", _misjudged(run), 0.0, 1e-12, "1",
            "spectra and shear of the record", absolute=True)
    )  # fmt: skip
    calls = found.active.size
    table += [
        Row("index, largest after the first exchange", float(np.nanmax(found.index[:, 1:]))),
        Row("largest gamma_high/gamma_low", float(np.nanmax(found.r_gamma))),
        Row("calls of the electron scale that were skipped", 1.0 - found.active.sum() / calls),
    ]
    ratio = _measured_over_estimated(run)
    if ratio.size:
        table.append(
            Row("nu of the electron runs over its estimate, median", float(np.median(ratio)))
        )
    return table


def _is_measured(run: Run) -> bool:
    """Whether the profiles are those that the references are of, and one radius is theirs."""
    model = run.models["profiles"]
    own = not model.file and len(model.table) == 51 and model.table[0][2] == 2609.2
    unchanged = model.factor_lti == model.factor_lte == 1.0
    return own and unchanged and np.abs(_radii(model) - WHERE).min() < 1e-9


def _radii(model: Any) -> np.ndarray:
    return np.linspace(model.inner, model.outer, model.count)


def _local(run: Run, profiles: Any) -> list[Row]:
    """Compare the radius that GYRO was run at."""
    place = int(np.abs(_radii(run.models["profiles"]) - WHERE).argmin())
    here = profiles.isel(radius=place)
    origin = "GYRO, out.gyro.run"
    found = [
        Row(f"{what} at r/a = 0.8", float(here[name]), value, 5e-3, "1", origin)
        for name, (what, value) in LOCAL.items()
    ]
    spectrum = _spectrum(run, place)
    ratio, star = float(here.t_i / here.t_e), float(spectrum.rho_s * spectrum.b_field) / B_UNIT
    found += [
        Row("T_i/T_e at r/a = 0.8", ratio, THETA, 1e-4, "1", origin),
        Row("rho_s/a at r/a = 0.8", star / float(here.minor_radius), RHO_STAR, 1e-3, "1", origin),
    ]
    if run.models["dispersion"].drift == "toroidal":
        rate = _rate(spectrum, float(here.minor_radius))
        ions = spectrum.branch.values == dispersion.ION
        growth, ky = spectrum.gamma.values[ions] / rate, spectrum.ky_rhos.values[ions]
        ours, theirs = int(growth.argmax()), int(GYRO[:, 2].argmax())
        origin, step = "GYRO, adiabatic electrons", float(ky[1] / ky[0] - 1.0)
        found += [
            Row("growth of ions there, largest", float(growth[ours]), float(GYRO[theirs, 2]), 0.25,
                "c_s/a", origin),
            Row("k_y rho_s of that mode", float(ky[ours]), float(GYRO[theirs, 0]), step, "1",
                f"{origin}; allowed: one k_y"),
        ]  # fmt: skip
    return found


def _spectrum(run: Run, radius: int) -> Any:
    """Return what was sent to one radius."""
    shown = run.record("dispersion", "spectrum_out")
    return shown.isel(time=-1, slot=radius) if "slot" in shown.dims else shown.isel(time=-1)


def _rate(spectrum: Any, minor_radius: float) -> float:
    """Return c_s/a in 1/s."""
    return float(spectrum.t_e / (spectrum.b_field * spectrum.rho_s)) / minor_radius


def _scan(run: Run) -> Scan:
    radius = _radii(run.models["profiles"])
    records = [run.record(f"index[{r}]", "index_out") for r in range(radius.size)]
    fluxes = [run.record(f"ion_scale[{r}]", "flux_out").q_i.values[-1] for r in range(radius.size)]
    return Scan(
        radius,
        np.array([one.i.values for one in records]),
        np.array([one.active.values for one in records]).astype(bool),
        np.array([one.r_gamma.values[-1] for one in records]),
        np.array([one.p.values[-1] for one in records]),
        np.array(fluxes),
    )


def _misjudged(run: Run) -> float:
    """Return the largest difference of an index to that of the recorded spectrum and shear."""
    worst = 0.0
    for radius in range(run.models["profiles"].count):
        spectrum, model = _spectrum(run, radius), run.models[f"index[{radius}]"]
        low, high = _ranges(spectrum, model)
        shear = run.record(f"ion_scale[{radius}]", "shear_out")
        index = run.record(f"index[{radius}]", "index_out")
        measured = 0.0
        for turn in range(index.i.size):
            measured = float(shear.nu_turb[turn]) or measured
            seen = float(shear.wE_rms[turn]), measured or high.mixing, float(shear.k_i[turn])
            value = kernel.index(low, high, *seen).i
            worst = max(worst, abs(value - float(index.i[turn])))
    return worst


def _ranges(spectrum: Any, model: Any) -> tuple[kernel.Range, kernel.Range]:
    rho_s = float(spectrum.rho_s)
    rho_i = rho_s * float(spectrum.t_i / spectrum.t_e) ** 0.5
    return kernel.ranges(
        spectrum.ky_rhos.values / rho_s, spectrum.gamma.values, model.split / rho_i
    )


def _measured_over_estimated(run: Run) -> np.ndarray:
    """Return nu of the last electron run over the estimate, of the radii that had one."""
    found = []
    for radius in range(run.models["profiles"].count):
        nu = run.record(f"electron_scale[{radius}]", "eddy_out").nu_turb.values
        if nu.any():
            _, high = _ranges(_spectrum(run, radius), run.models[f"index[{radius}]"])
            found.append(float(nu[nu > 0.0][-1]) / high.mixing)
    return np.array(found)


def draw(run: Run, figure: Figure) -> None:
    """Draw spectra with those of GYRO, the index over the radius, and the heat flux of ions."""
    figure.set_size_inches(14.0, 4.4)
    spectra, index, flux = figure.subplots(1, 3, width_ratios=(3, 3, 2))
    _draw_spectra(run, spectra)
    found = _scan(run)
    _draw_index(run, found, index)
    settled = 1e-3 * found.flux[:, found.flux.shape[1] // 2 :]
    count = settled.shape[1]
    error = settled.std(axis=1, ddof=1) / np.sqrt(count) if count > 1 else None
    flux.errorbar(found.radius, settled.mean(axis=1), error, fmt="C0o-", ms=4, capsize=2)
    flux.set(xlabel="r/a", ylabel="heat flux of ions [kW/m2]", ylim=(0, None))
    flux.set_title("mean of the second half", fontsize=9)


def _draw_spectra(run: Run, axes: Axes) -> None:
    model = run.models["profiles"]
    minor = float(run.record("profiles", "profiles_out").minor_radius[-1])
    for n, radius in enumerate(r for r in SHOWN if r < model.count):
        one = _spectrum(run, radius)
        for species in (dispersion.ION, dispersion.ELECTRON):
            kept = one.branch.values == species
            label = f"r/a = {_radii(model)[radius]:.2f}" if species == dispersion.ION else None
            ky, gamma = one.ky_rhos.values[kept], one.gamma.values[kept]
            axes.loglog(ky, gamma, f"C{n}-", label=label)
    if _is_measured(run):
        one = _spectrum(run, int(np.abs(_radii(model) - WHERE).argmin()))
        gamma = GYRO[:, 2] * _rate(one, minor)
        axes.loglog(GYRO[:, 0], gamma, "k.", ms=5, label="GYRO, r/a = 0.8")
    axes.axvline(run.models["index[0]"].split, color="0.6", lw=0.8)
    axes.text(run.models["index[0]"].split * 1.06, 2e3, "split (T_i = T_e)",
              fontsize=8, color="0.4")  # fmt: skip
    axes.set(xlabel=r"$k_y \rho_s$", ylabel="growth rate [1/s]", ylim=(1.5e3, None))
    axes.legend(fontsize=8, loc="upper left")


def _draw_index(run: Run, found: Scan, axes: Axes) -> None:
    model = run.models["index[0]"]
    settled = found.index[:, found.index.shape[1] // 2 :]
    on = found.active[:, -1]
    mean = np.nanmean(settled, axis=1) if np.isfinite(settled).any() else settled[:, -1]
    axes.semilogy(found.radius, mean, "C0-", lw=1, label="I, second half")
    axes.fill_between(found.radius, np.nanmin(settled, axis=1), np.nanmax(settled, axis=1),
                      color="C0", alpha=0.2, lw=0)  # fmt: skip
    axes.semilogy(found.radius[~on], mean[~on], "C0o", mfc="w", label="electrons not needed")
    if on.any():
        axes.semilogy(found.radius[on], mean[on], "C3o", label="electrons simulated")
    for level, word in ((model.i_on, "on"), (model.i_off, "off")):
        axes.axhline(level, color="k", ls="--", lw=0.8)
        axes.text(found.radius[0], level * 1.04, word, fontsize=8)
    axes.semilogy(found.radius, found.r_gamma, "C1s-", ms=4, label=r"$\gamma_{high}/\gamma_{low}$")
    axes.axhline(REPORTED, color="C1", ls=":", lw=1.0)
    axes.text(found.radius[-1], REPORTED / 1.1, "multiscale effects reported above", fontsize=8,
              ha="right", va="top")  # fmt: skip
    axes.set(xlabel="r/a", ylabel="index and ratio of growth rates [1]")
    axes.legend(fontsize=8, loc="center right")
