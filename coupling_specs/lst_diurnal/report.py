"""What a day of surface temperatures is compared with, and its figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from manyscale.bridges.regrid.overlaps import overlap
from manyscale.results.report import Row
from manyscale.results.run import Run
from manyscale_plugins.mixed_layer import kernel, monolithic
from manyscale_plugins.surface_energy_balance.kernel import resistances

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

RESOLVED = "air and ground as one, steps for 1e-8"
LOOP = "air and ground in one loop, same steps"
MIDDAY = 46800.0  # s: the pass after it is shown


class _Day(NamedTuple):
    """The layer at the end of every step, and what the model can be compared with."""

    time: np.ndarray  # (step + 1,) s
    theta: np.ndarray  # (step + 1,) K
    loop: np.ndarray  # (step + 1,) K
    resolved: np.ndarray  # (step + 1,) K


class _Pass(NamedTuple):
    """What was seen, and what became of it."""

    number: int
    time: float  # s
    coarse: np.ndarray  # (r, c) K
    held: np.ndarray  # (r, c) bool
    lst: np.ndarray  # (row, column) K


def rows(run: Run) -> list[Row]:
    """Compare the air with both references, the means with the passes, the maps with the truth."""
    day, seen = _day(run), _passes(run)
    left = [np.abs(_means(run, one.lst) - one.coarse)[one.held] for one in seen]
    stored, given = _heat(run)
    return [
        Row("air against one loop, largest of the day", float(np.abs(day.theta - day.loop).max()),
            0.0, 1e-9, "K", LOOP, absolute=True),
        Row("air against the resolved day, largest of the day",
            float(np.abs(day.theta - day.resolved).max()), 0.0, 0.02, "K", RESOLVED, absolute=True),
        Row("air at the end", float(day.theta[-1]), float(day.resolved[-1]), 5e-5, "K", RESOLVED),
        *_encroachment(run, day.theta),
        Row("heat in the layer", stored, given, 1e-10, "J/m2", "heat that came, summed"),
        Row("means of the fine field less observed ones, largest of all passes",
            float(max((x.max() for x in left if x.size), default=0.0)),
            None if run.models["constraint"].method == "tikhonov" else 0.0, 1e-9, "K",
            "area-weighted means of the record", absolute=True),
        *_against_truth(run, seen),
    ]  # fmt: skip


def _encroachment(run: Run, theta: np.ndarray) -> list[Row]:
    """Compare the warming of a growing layer with the air above that it has grown into."""
    air = run.models["air"]
    if air.above is None:
        return []
    height = float(run.record("air", "layer_out").height.values[-1])
    warming = np.diff(theta)
    into = air.lapse_rate * (height - air.height)
    return [Row("warming while the layer grows", float(warming[warming > 0.0].sum()), into, 1e-9,
                "K", "profile it grows into, closed form")]  # fmt: skip


def _against_truth(run: Run, seen: list[_Pass]) -> list[Row]:
    found = []
    perfect = run.models["scene"].noise == 0.0  # noise may well be larger than the model's errors
    for one in seen:
        truth, alone = _truth(run)[one.number], _model_alone(run, one.time)
        errors = [_rmse(field, truth) for field in (one.lst, alone)]
        hour = f"{int(one.time // 3600)}:{int(one.time % 3600 // 60):02d}"
        found += [
            Row(f"RMSE at {hour}, energy balance alone", errors[1], unit="K"),
            Row(f"RMSE at {hour}, constrained over alone", errors[0] / errors[1],
                0.0 if perfect else None, 0.8, "1", "the truth of the scene", absolute=True),
        ]  # fmt: skip
    return found


def _rmse(field: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((field - truth) ** 2)))


def _passes(run: Run) -> list[_Pass]:
    """Return the passes within the run."""
    coarse, fine = run.record("scene", "coarse_out"), run.record("constraint", "lst_out")
    held = run.record("constraint", "residual_out").valid
    step, found = run.models["constraint"].step, []
    for number, when in enumerate(coarse.observation_time.values.ravel()):
        called = np.flatnonzero((fine.time.values <= when) & (when < fine.time.values + step))
        if called.size:
            which = held.values[called[0]].astype(bool)
            lst = coarse.lst.values.reshape(-1, *which.shape)[number]
            found.append(_Pass(number, float(when), lst, which, fine.lst.values[called[0]]))
    return found


def _means(run: Run, lst: np.ndarray) -> np.ndarray:
    """Return area-weighted means (r, c) of a fine field, by the overlaps of edges."""
    scene = run.models["scene"]
    operators = []
    for count in lst.shape:
        fine = scene.fine_size * np.arange(count + 1.0)
        most = int(np.ceil(fine[-1] / scene.coarse_size - 1e-9))
        one = overlap(fine, scene.coarse_size * np.arange(most + 1.0))
        operators.append(one.matrix(one.lengths / one.covered[one.rows]))
    return np.asarray(operators[0] @ lst @ operators[1].T)


def _truth(run: Run) -> np.ndarray:
    """Return the true temperatures (pass, row, column) in K."""
    return np.asarray(run.models["scene"].made().truth)


def _ground(run: Run) -> monolithic.Ground:
    """Return the pixels of the scene as the energy balance sees them."""
    model, surface = run.models["model"], run.models["scene"].made().surface
    ra, rs = resistances(surface.ndvi, model.rs_veg, model.rs_soil, model.ra_min, model.ra_max)
    given = surface.albedo.astype(float), surface.emissivity.astype(float)
    return monolithic.Ground(*given, ra, rs, model.ground_fraction)


def _model_alone(run: Run, time: float) -> np.ndarray:
    """Return the temperatures (row, column) before the constraint, from the air of the run."""
    air = run.record("air", "air_out").sel(time=time, method="nearest")
    weather = [
        float(air[n]) for n in ("shortwave", "longwave", "air_temperature", "vapour_pressure")
    ]
    ground = _ground(run)
    return monolithic.surface_temperature(*ground[:4], *weather, ground.ground_fraction)


def _day(run: Run) -> _Day:
    air, shown = run.models["air"], run.record("air", "air_out")
    times, layer = shown.time.values, kernel.Layer(air.theta, air.vapour_pressure, air.height)
    given = _ground(run), layer, air.above, air.sky(air.table()).at
    loop = monolithic.stepped(*given, air.dt, len(times) - 1, air.scheme)
    resolved = monolithic.resolved(*given, times)
    return _Day(times, shown.air_temperature.values, loop[:, 0], resolved[:, 0])


def _heat(run: Run) -> tuple[float, float]:
    """Return the heat that the layer has more at the end, and what the scene gave it [J/m2]."""
    air, shown = run.models["air"], run.record("air", "air_out")
    theta = shown.air_temperature.values
    sensible = run.record("model", "heat_out").sensible.values
    mean = sensible.copy()
    if air.scheme == "adams_bashforth":
        mean[1:] += 0.5 * np.diff(sensible)
    height = np.full(len(theta), air.height)
    if air.above is not None:
        grown = np.cumsum(np.maximum(mean, 0.0)) * 2.0 * air.dt
        height[1:] = np.sqrt(air.height**2 + grown / (kernel.RHO_CP * air.lapse_rate))
    stored = kernel.RHO_CP * (0.5 * (height[1:] + height[:-1]) * np.diff(theta)).sum()
    return float(stored), float(mean.sum() * air.dt)


def draw(run: Run, figure: Figure) -> None:
    """Draw the day with its references, and maps of the pass after midday."""
    figure.set_size_inches(12.0, 8.0)
    above, below = figure.subfigures(2, 1, height_ratios=(1.0, 1.15))
    _draw_day(run, above.subplots(1, 1))
    seen = _passes(run)
    if seen:
        _draw_maps(run, next((one for one in seen if one.time >= MIDDAY), seen[-1]), below)


def _draw_maps(run: Run, one: _Pass, below: SubFigure) -> None:
    truth, alone = _truth(run)[one.number], _model_alone(run, one.time)
    lst = one.lst
    size = run.models["scene"].fine_size
    maps = {
        "observed, 500 m": np.where(one.held, one.coarse, np.nan),
        f"energy balance alone, {size:g} m": alone,
        f"constrained, {size:g} m": lst,
        f"truth, {size:g} m": truth,
    }
    axes = below.subplots(1, 4, sharex=True, sharey=True)
    low, high = np.percentile(truth, [0.5, 99.5])
    sides = np.array(lst.shape) * size / 1e3
    for ax, (name, field) in zip(axes, maps.items(), strict=True):
        wide = field.shape != lst.shape
        cell = run.models["scene"].coarse_size if wide else size
        extent = (0.0, field.shape[1] * cell / 1e3, field.shape[0] * cell / 1e3, 0.0)
        image = ax.imshow(field, cmap="inferno", vmin=low, vmax=high, extent=extent)
        off = f"\nRMSE {_rmse(field, truth):.2f} K" if not wide else ""
        off = "\nits moisture is hidden" if field is truth else off
        ax.set(xlabel="east [km]", xlim=(0, sides[1]), ylim=(sides[0], 0), facecolor="0.8")
        ax.set_title(name + (off or "\ngrey: cloud"), fontsize=10)
    axes[0].set_ylabel("south [km]")
    below.colorbar(
        image, ax=axes, label=f"T at {one.time / 3600:g} h [K]", extend="both", shrink=0.8
    )
    below.suptitle("truth and model share the energy balance, not the moisture", fontsize=9, y=0.06)


def _draw_day(run: Run, ax: Axes) -> None:
    day, fine = _day(run), run.record("constraint", "lst_out")
    hours = day.time / 3600.0
    every = max(1, len(hours) // 48)
    ax.plot(fine.time.values / 3600.0, fine.lst.values.mean(axis=(1, 2)), "C3-", lw=1.2,
            label="ground, mean of the scene")  # fmt: skip
    ax.plot(hours, day.theta, "C0-", label="air, coupled")
    ax.plot(hours[::every], day.resolved[::every], "k.", ms=4, label="air, resolved as one")
    seen = [one for one in _passes(run) if one.held.any()]
    for one in seen:
        ax.axvline(one.time / 3600.0, color="0.8", lw=0.8, zorder=0)
    where = [one.time / 3600.0 for one in seen], [one.coarse[one.held].mean() for one in seen]
    ax.plot(*where, "C1D", ms=7, mec="k", label="satellite, mean of clear pixels")
    ax.set(xlabel="local solar time [h]", ylabel="T [K]", xlim=(0.0, hours[-1]))
    ax.set_xticks(np.arange(0.0, hours[-1] + 0.1, 3.0))
    ax.legend(fontsize=9, loc="upper left")
