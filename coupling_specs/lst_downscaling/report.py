"""What a downscaled scene is compared with, and its figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import rasterio

from manyscale.results.report import Row
from manyscale.results.run import Run
from manyscale_plugins.aggregation_constraint import kernel as constraint
from manyscale_plugins.downscaling_baseline import scores
from manyscale_plugins.downscaling_baseline.kernel import Coarse
from manyscale_plugins.surface_energy_balance import kernel as balance
from manyscale_plugins.surface_scene import areas, paths, rasters
from manyscale_plugins.surface_scene.kernel import opened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGE = 2**22  # fine pixels; beyond, what needs all of them at once is left out
FACTORED = 3000  # coarse pixels of which all are solved for at once
SOLVED = 200  # pixels whose energy balance is solved again
ALONE = {"surface_energy_balance": "energy balance alone"}
SMOOTH = "constrained, smooth"  # model errors that are alike over two coarse pixels
_WAYS: dict[Path, dict[str, np.ndarray]] = {}


class _Scene(NamedTuple):
    """What went in and what came out."""

    given: scores.Given
    found: np.ndarray  # (row, column) K
    there: np.ndarray  # (row, column) bool
    model: np.ndarray | None  # (row, column) K
    truth: np.ndarray | None  # (row, column) K


def rows(run: Run) -> list[Row]:
    """Compare means with the observation, the field with one system, all with a truth."""
    scene = _scene(run)
    held = _held(run)
    left = scores.residual(scene.found, scene.there, scene.given.fine, scene.given.seen)
    table = [
        Row("mean of the written pixels less the coarse one, largest",
            float(np.abs(left[held]).max(initial=0.0)), 0.0, 1e-9, "K", "areas of all pixels",
            absolute=True),
        Row("coarse pixels held", float(held.sum())),
    ]  # fmt: skip
    if scene.model is not None and scene.found.size <= LARGE:
        table += _against_one_system(run, scene, held)
        table += _against_bisection(run, scene)
    if scene.truth is not None:
        errors = _errors(run, scene)
        table += [Row(f"error of {name}", off, unit="K") for name, off in errors.items()]
    return table


def _scene(run: Run) -> _Scene:
    """Read the files that went in again, and those that were written."""
    made = run.models["scene"]
    if made.name == "synthetic_scene":
        given, truth = _synthetic(made)
    else:
        given, truth = _from_files(made)
    with rasterio.open(_folder(run) / "lst_0.tif") as file:
        found = file.read(1, masked=True)
    model = None
    if ("model", "lst_out") in _recorded(run) and found.size <= LARGE:
        model = run.record("model", "lst_out").isel(time=-1).lst_model.values
    return _Scene(given, found.filled(0.0), ~np.ma.getmaskarray(found), model, truth)


def _held(run: Run) -> np.ndarray:
    """Return which coarse pixels (r, c) were held."""
    return run.record("constraint", "residual_out").isel(time=-1).valid.values.astype(bool)


def _recorded(run: Run) -> set[tuple[str, str]]:
    import netCDF4

    found = set()
    for name, store in run.stores.items():
        with netCDF4.Dataset(store) as data:
            found |= {(name, port) for port in data.groups}
    return found


def _from_files(made: Any) -> tuple[scores.Given, np.ndarray | None]:
    with rasters.settings():
        scene = opened(*made.requests())
        surface = scene.whole()
        scene.close()
    coarse = scene.coarse
    seen = Coarse(coarse.lst[0], coarse.valid[0], coarse.grid)
    truth = None
    if {made.coarse, made.fine} == {paths.SHIPPED}:
        with rasterio.open(paths.shipped("truth")) as file:
            truth = file.read(1) * file.scales[0] + file.offsets[0]
    return scores.Given(*surface, scene.grid, seen), truth


def _synthetic(made: Any) -> tuple[scores.Given, np.ndarray]:
    found, recipe = made.made(), made.recipe()
    seen = Coarse(found.lst[0], found.valid[0], recipe.coarse)
    everywhere = np.ones(recipe.fine.shape, bool)
    return scores.Given(*found.surface, everywhere, recipe.fine, seen), found.truth[0]


def _folder(run: Run) -> Path:
    """Return where the files were written."""
    folder = run.models["writer"].folder
    return Path(folder).expanduser() if folder else run.stores["constraint"].parents[2] / (
        "writer/workdir"
    )  # fmt: skip


def _against_one_system(run: Run, scene: _Scene, held: np.ndarray) -> list[Row]:
    """Compare with the least change of all pixels by one system, if that was asked for."""
    from scipy import sparse

    rule = run.models["constraint"]
    plain = (rule.aggregate_in, rule.method, rule.correlation_length) == ("T", "exact", 0.0)
    if not plain or held.sum() > FACTORED:
        return []
    given, model = scene.given, scene.model.ravel()
    grids = given.fine, given.seen.grid
    A = sparse.kron(*(areas.shares(*grids, axis) for axis in (0, 1)), format="csr")[held.ravel()]
    A = A @ sparse.diags_array(given.valid.ravel().astype(float))
    A = sparse.diags_array(1.0 / A.sum(axis=1)) @ A
    missing = given.seen.lst[held] - A @ model
    change = A.T @ np.linalg.solve((A @ A.T).toarray(), missing)
    off = np.abs(model + change - scene.found.ravel())[given.valid.ravel()].max()
    return [Row("pixels against the least change by one system, largest", float(off), 0.0, 1e-9,
                "K", "all coarse pixels at once, LAPACK", absolute=True)]  # fmt: skip


def _against_bisection(run: Run, scene: _Scene) -> list[Row]:
    """Compare some pixels of the energy balance with scipy's root finder."""
    from scipy.optimize import brentq

    m = run.models["model"]
    if m.name != "surface_energy_balance":
        return []
    given = scene.given
    chosen = np.linspace(0, given.valid.sum() - 1, SOLVED).astype(int)
    pixels = [np.asarray(f)[given.valid][chosen].astype(float)
              for f in (given.albedo, given.ndvi, given.emissivity, scene.model)]  # fmt: skip
    albedo, ndvi, emissivity, T = pixels
    ra, rs = balance.resistances(ndvi, m.rs_veg, m.rs_soil, m.ra_min, m.ra_max)

    def left(T: float, a: float, e: float, ra: float, rs: float) -> float:
        net = (1 - a) * m.shortwave + e * (m.longwave - 5.670374419e-8 * T**4)
        es = 611.2 * np.exp(17.67 * (T - 273.15) / (T - 29.65))
        dry = max(es - m.vapour_pressure, 0.0)
        warm = 1206.0 * (T - m.air_temperature) / ra
        return (1 - m.ground_fraction) * net - warm - 1206.0 / 66.0 * dry / (ra + rs)

    expected = [brentq(left, 200.0, 400.0, args, xtol=1e-12)
                for args in zip(albedo, emissivity, ra, rs, strict=True)]  # fmt: skip
    off = float(np.abs(T - expected).max())
    return [Row(f"energy balance of {SOLVED} pixels, largest", off, 0.0, 1e-6, "K",
                "scipy's brentq", absolute=True)]  # fmt: skip


def _errors(run: Run, scene: _Scene) -> dict[str, float]:
    """Return RMSE in K of everything that sharpens, against the truth."""
    fields = _ways(run, scene)
    there = scene.given.valid & scene.there
    return {name: scores.rmse(field, scene.truth, there) for name, field in fields.items()}


def _ways(run: Run, scene: _Scene) -> dict[str, np.ndarray]:
    """Return the fields (row, column) in K of everything that sharpens."""
    key = run.stores["constraint"]
    if key not in _WAYS:
        found = scores.regressions(scene.given)
        if scene.model is not None:
            found["model alone"] = scene.model
        found["constrained"] = scene.found
        if scene.model is not None and run.models["constraint"].correlation_length == 0.0:
            found[SMOOTH] = _smooth(scene)
        _WAYS[key] = found
    return _WAYS[key]


def _smooth(scene: _Scene) -> np.ndarray:
    given, seen = scene.given, scene.given.seen
    observed = constraint.Observation(
        seen.lst, seen.valid, np.zeros(seen.lst.shape), seen.grid.geotransform
    )
    rule = constraint.Rule(correlation_length=2.0 * seen.grid.width)
    place = given.fine.geotransform
    return constraint.constrained(scene.model, given.valid, place, observed, rule).lst


def draw(run: Run, figure: Figure) -> None:
    """Draw the fields on one scale, the errors of all ways, and what is left of the means."""
    figure.set_size_inches(13.0, 7.8)
    scene, alone = _scene(run), ALONE.get(run.models["model"].name, run.models["model"].name)
    top, bottom = figure.subfigures(2, 1, height_ratios=(0.95, 1.0))
    _draw_fields(top, scene, alone)
    errors, left = bottom.subplots(1, 2, width_ratios=(1.3, 1.0))
    _draw_errors(errors, run, scene, alone)
    _draw_left(left, run, scene)
    figure.suptitle(_title(run, scene), fontsize=10)
    about = run.record("scene", "about_out").isel(time=-1).text.item()
    bottom.supxlabel(about, fontsize=7, color="0.3", linespacing=1.3)


def _title(run: Run, scene: _Scene) -> str:
    """Say what the comparison with the truth is worth."""
    if scene.truth is None:
        return "Land surface temperature; no truth is known"
    if getattr(run.models["scene"], "truth", "") == "statistical":
        return "The truth follows the vegetation index and noise; no energy balance made it"
    return (
        "Truth and model share the energy balance; the truth has moisture the model does not know"
    )


def _draw_fields(figure: Any, scene: _Scene, alone: str) -> None:
    given, seen = scene.given, scene.given.seen
    step = max(1, round(max(scene.found.shape) / 1000))
    thin = np.s_[::step, ::step]
    fields = [
        ("observed", np.where(seen.valid, seen.lst, np.nan), seen.grid),
        (
            alone,
            None if scene.model is None else _shown(scene.model, given.valid)[thin],
            given.fine,
        ),
        ("constrained", _shown(scene.found, scene.there)[thin], given.fine),
        ("truth", None if scene.truth is None else scene.truth[thin], given.fine),
    ]
    shown = [field for field in fields if field[1] is not None]
    low, high = np.nanpercentile(shown[-1][1], (1, 99))
    axes = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    unit, divide = ("km", 1e3) if given.fine.width > 0.5 else ("degrees", 1.0)
    west, south = given.fine.bounds[:2]
    for ax, (name, values, grid) in zip(axes, shown, strict=True):
        left, down, right, up = grid.bounds
        box = [(left - west) / divide, (right - west) / divide,
               (down - south) / divide, (up - south) / divide]  # fmt: skip
        ax.set_facecolor("0.8")
        image = ax.imshow(values, extent=box, vmin=low, vmax=high, cmap="inferno",
                          interpolation="nearest")  # fmt: skip
        ax.set(title=name, xlabel=f"east [{unit}]")
    axes[0].set_ylabel(f"north [{unit}]")
    figure.colorbar(image, ax=list(axes), label="T [K]", shrink=0.85, extend="both")


def _shown(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    return np.where(valid, values, np.nan)


def _draw_errors(ax: Any, run: Run, scene: _Scene, alone: str) -> None:
    if scene.truth is None:
        shown = scene.found if scene.model is None else scene.found - scene.model
        what = "T [K]" if scene.model is None else "what the constraint changed [K]"
        ax.hist(shown[scene.there], bins=80, color="C0")
        ax.set(xlabel=what, ylabel="fine pixels")
        return
    errors = _errors(run, scene)
    names = [alone if name == "model alone" else name for name in errors]
    colours = ["C0" if name in ("constrained", SMOOTH) else "0.6" for name in errors]
    bars = ax.barh(names, list(errors.values()), color=colours)
    ax.bar_label(bars, [f"{off:.3f}" for off in errors.values()], padding=3)
    ax.invert_yaxis()
    ax.set(xlabel="error against the truth, root mean square [K]",
           xlim=(0, 1.15 * max(errors.values())))  # fmt: skip


def _draw_left(ax: Any, run: Run, scene: _Scene) -> None:
    given = scene.given
    held = _held(run)
    left = scores.residual(scene.found, scene.there, given.fine, given.seen)[held]
    fields = {"constrained": left}
    if scene.found.size <= LARGE:
        sharpened = _ways(run, scene)["DisTrad"]
        left = scores.residual(sharpened, given.valid, given.fine, given.seen)[held]
        fields["DisTrad"] = left
    bins = np.geomspace(1e-15, 1.0, 61)
    for (name, values), colour in zip(fields.items(), ("C0", "0.6"), strict=False):
        size = np.abs(values[np.isfinite(values)]).clip(1.2e-15, 0.9)
        ax.hist(size, bins=bins, label=name, color=colour, alpha=0.8)
    ax.axvline(1e-9, color="k", ls="--", lw=0.8, label="promised")
    ax.set(xscale="log", xlabel="|mean of fine pixels - coarse pixel| [K]", ylabel="coarse pixels")
    ax.legend(fontsize=8)
