"""What a scene downscaled in tiles is compared with, and its figure."""

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
from manyscale_plugins.surface_scene import rasters, tiling
from manyscale_plugins.surface_scene.kernel import opened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGE = 2**22  # fine pixels; beyond, the whole is not worked out at once
SHOWN = 1000  # pixels along a side of the figure


class _Scene(NamedTuple):
    """What went in and what came out, and the same scene in one piece if it is small enough."""

    fine: Any
    seen: Coarse
    path: Path
    held: np.ndarray  # (r, c) bool
    whole: np.ndarray | None  # (row, column) K


def rows(run: Run) -> list[Row]:
    """Compare means with the observation, and tiles with the scene in one piece."""
    scene = _scene(run)
    with rasterio.open(scene.path) as file:
        found = file.read(1, masked=True)
    there = ~np.ma.getmaskarray(found)
    left = scores.residual(found.filled(0.0), there, scene.fine, scene.seen)[scene.held]
    table = [
        Row("mean of the written pixels less the coarse one, largest",
            float(np.abs(left).max(initial=0.0)), 0.0, 1e-9, "K", "areas of all pixels",
            absolute=True),
        Row("coarse pixels held", float(scene.held.sum())),
        Row("tiles", float(len(_lines(run, scene, 0)) - 1) * (len(_lines(run, scene, 1)) - 1)),
    ]  # fmt: skip
    if scene.whole is not None:
        off = float(np.abs(found.filled(0.0) - scene.whole)[there].max())
        table.append(Row("tiles against the scene in one piece, largest", off, 0.0, 1e-9, "K",
                         "the same kernels, once", absolute=True))  # fmt: skip
    return table


def _scene(run: Run) -> _Scene:
    made, rule = run.models["scene"], run.models["constraint[0]"]
    folder = run.models["writer"].folder
    place = Path(folder).expanduser() if folder else run.stores["constraint[0]"].parents[2] / (
        "writer/workdir"
    )  # fmt: skip
    with rasterio.open(place / "residual_0.tif") as file:
        held = ~np.ma.getmaskarray(file.read(1, masked=True))
    with rasters.settings():
        scene = opened(*made.requests())
        whole = _whole(run, scene, rule) if scene.grid.pixels <= LARGE else None
        scene.close()
    coarse = scene.coarse
    seen = Coarse(coarse.lst[0], coarse.valid[0], coarse.grid)
    return _Scene(scene.grid, seen, place / "lst_0.tif", held, whole)


def _whole(run: Run, scene: Any, rule: Any) -> np.ndarray:
    """Return the scene in one piece."""
    surface, m, coarse = scene.whole(), run.models["model[0]"], scene.coarse
    weather = balance.Weather(m.shortwave, m.longwave, m.air_temperature, m.vapour_pressure)
    kind = balance.Surface(m.rs_veg, m.rs_soil, m.ra_min, m.ra_max, m.ground_fraction)
    T = balance.balance(*surface, weather, kind, m.newton_tol).temperature
    observed = constraint.Observation(
        coarse.lst[0], coarse.valid[0], coarse.sigma[0], coarse.grid.geotransform
    )
    asked = constraint.Rule(
        rule.aggregate_in, rule.method, rule.model_std, rule.observation_std,
        rule.correlation_length, rule.min_cover, rule.tolerance,
    )  # fmt: skip
    place = scene.grid.geotransform
    return constraint.constrained(T, surface.valid, place, observed, asked).lst


def _lines(run: Run, scene: _Scene, axis: int) -> np.ndarray:
    """Return where tiles end, in fine pixels."""
    cut = tiling.cut(scene.seen.grid, scene.fine, axis, run.models["scene"].tile, 0)
    return np.append(cut.fine[:, 0], cut.fine[-1, 1])


def draw(run: Run, figure: Figure) -> None:
    """Draw the field with the edges of its tiles, and how far it is from one piece."""
    figure.set_size_inches(12.0, 5.0)
    scene = _scene(run)
    with rasterio.open(scene.path) as file:
        step = max(1, round(max(file.shape) / SHOWN))
        size = tuple(-(-n // step) for n in file.shape)
        found = file.read(1, masked=True, out_shape=size)
    field, off = figure.subplots(1, 2)
    west, south, east, north = scene.fine.bounds
    unit, divide = ("km", 1e3) if scene.fine.width > 0.5 else ("degrees", 1.0)
    box = [0.0, (east - west) / divide, 0.0, (north - south) / divide]
    field.set_facecolor("0.8")
    low, high = np.nanpercentile(found.compressed(), (1, 99))
    image = field.imshow(found, extent=box, cmap="inferno", vmin=low, vmax=high,
                         interpolation="nearest")  # fmt: skip
    for place in _lines(run, scene, 1)[1:-1]:
        field.axvline(place * scene.fine.width / divide, color="c", lw=0.7)
    for place in _lines(run, scene, 0)[1:-1]:
        field.axhline(box[3] - place * scene.fine.height / divide, color="c", lw=0.7)
    field.set(title="constrained, with the edges of tiles", xlabel=f"east [{unit}]",
              ylabel=f"north [{unit}]")  # fmt: skip
    figure.colorbar(image, ax=field, label="T [K]", extend="both")
    _draw_off(off, scene)


def _draw_off(ax: Any, scene: _Scene) -> None:
    if scene.whole is None:
        with rasterio.open(scene.path.with_name("residual_0.tif")) as file:
            values, name = file.read(1, masked=True).compressed(), "mean less coarse pixel"
    else:
        with rasterio.open(scene.path) as file:
            found = file.read(1, masked=True)
        values, name = (found - scene.whole).compressed(), "tiles less the scene in one piece"
    bins = np.geomspace(1e-15, 1e-6, 46)
    ax.hist(np.abs(values).clip(1.2e-15, 9e-7), bins=bins, color="C0", label=name)
    ax.axvline(1e-9, color="k", ls="--", lw=0.8, label="promised")
    ax.set(xscale="log", yscale="log", xlabel=f"|{name}| [K]",
           ylabel="pixels; those below 1e-15 K in the first bar")  # fmt: skip
    ax.legend(fontsize=8)
