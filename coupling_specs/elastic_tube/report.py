"""What a run of the elastic tube is compared with, and its figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from manyscale.results.report import Row
from manyscale.results.run import Run
from manyscale_plugins.tube_flow import monolithic
from manyscale_plugins.tube_wall.kernel import wave_speed

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

PUBLISHED = {"windows": 100, "omega0": 0.01, "predict": "constant", "method": "iqn_ils", "reuse": 8}
PUBLISHED |= {"max_columns": 50, "filter_eps": 1e-3, "rtol": 1e-5}
LOG = "iterations log published with the tutorial"
OUTLET = {25: -172.7314874, 50: 34.7998462, 75: 173.9012200, 100: -26.5048649}  # Pa, by window
WATCHED = "watch point published with the tutorial"
WHOLE = "monolithic solution, same mesh and steps"


def rows(run: Run) -> list[Row]:
    """Compare the agreement of flow and wall with the tube solved as a whole."""
    counts = _counts(run)
    velocity, pressure = _whole(run)
    flow = _last_tries(run, "flow", "flow_out")
    section = _last_tries(run, "wall", "loaded_out")["cross_section"]
    return [
        *_counted(run, counts),
        *_outlet(run, flow["pressure"][:, -1]),
        _close(run, "pressure", flow["pressure"], pressure),
        _close(run, "velocity", flow["velocity"], velocity),
        _close(run, "cross-section", section, _sections(run, pressure)),
    ]


def _counted(run: Run, counts: NDArray[np.int64]) -> list[Row]:
    """Return the rows of iterations; compared where the settings are those of the log."""
    used = run.models["relaxation"]
    in_all, first = "iterations in all", "iterations in the first window"
    if all(getattr(used, name) == value for name, value in PUBLISHED.items()):
        return [
            Row(in_all, counts.sum(), 857, 0.035, "1", LOG),
            Row(first, counts[0], 20, 0.0, "1", LOG),
        ]
    return [
        Row(in_all, counts.sum(), origin="857 for 100 windows in the published log"),
        Row(first, counts[0], origin="20 in the published log"),
    ]


def _outlet(run: Run, found: NDArray[np.float64]) -> list[Row]:
    """Return the rows of the pressure at the outlet, if the tube is the published one."""
    used = {"nodes": 101, "dt": 0.01, "length": 10.0, "young_modulus": 1e4, "density": 1.0}
    used |= {"thickness": 1.0, "u_mean": 10.0, "u_amplitude": 3.0, "frequency": 5.0}
    flow = run.models["flow"]
    if any(getattr(flow, name) != value for name, value in used.items()):
        return []
    return [
        Row(f"outlet pressure, t = {window * flow.dt:g} s", found[window - 1], value, 1e-3, "Pa",
            WATCHED)
        for window, value in OUTLET.items() if window <= len(found)
    ]  # fmt: skip


def _close(run: Run, name: str, found: NDArray[np.float64], whole: NDArray[np.float64]) -> Row:
    """Return the row of the largest relative distance of a step, (step, node) each.

    The last iteration of a window moved by less than rtol; its error is a small multiple of it.
    """
    distance = np.linalg.norm(found - whole, axis=1) / np.linalg.norm(whole, axis=1)
    allowed = 3.0 * run.models["relaxation"].rtol
    what = f"{name} - monolithic, relative, worst step"
    return Row(what, distance.max(), 0.0, allowed, "1", WHOLE, absolute=True)


def _counts(run: Run) -> NDArray[np.int64]:
    counts = run.record("relaxation", "convergence").isel(time=-1).iterations
    return counts.values.astype(np.int64)


def _last_tries(run: Run, instance: str, port: str) -> dict[str, NDArray[np.float64]]:
    """Return what the last iteration of every window gave, (window, node); time (window,)."""
    data = run.record(instance, port)
    last = np.cumsum(_counts(run)) - 1
    return {str(name): data[name].values[last] for name in (*data.data_vars, "time")}


def _whole(run: Run) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return velocity and pressure of the monolithic tube, (window, node) each."""
    flow = run.models["flow"]

    def inlet(time: float) -> float:
        return float(flow.u_mean + flow.u_amplitude * np.sin(2.0 * np.pi * flow.frequency * time))

    windows = len(_counts(run))
    found = np.array(list(monolithic.march(_tube(run), inlet, flow.nodes, windows)))
    return found[:, 0], found[:, 1]


def _tube(run: Run) -> monolithic.Whole:
    flow = run.models["flow"]
    speed = wave_speed(flow.young_modulus, flow.thickness, flow.radius, flow.density)
    cell, rest = flow.length / (flow.nodes - 1), np.pi * flow.radius**2
    return monolithic.Whole(cell, flow.dt, flow.density, speed, rest)


def _sections(run: Run, pressure: NDArray[np.float64]) -> NDArray[np.float64]:
    return monolithic.area_of(_tube(run), pressure)


def draw(run: Run, figure: Figure) -> None:
    """Draw cross-section and pressure along the tube at some times, and iterations per window."""
    wide, tall, counted = figure.subplots(1, 3)
    flow = _last_tries(run, "flow", "flow_out")
    section = _last_tries(run, "wall", "loaded_out")["cross_section"]
    x = run.record("flow", "flow_out").x.values
    _, pressure = _whole(run)
    whole = _sections(run, pressure)
    windows = len(pressure)
    for i, window in enumerate(sorted({(k * windows) // 20 - 1 for k in (17, 18, 19, 20)} - {-1})):
        color, shown = f"C{i}", slice(i, None, 4)
        time = f"t = {flow['time'][window]:.2g} s"
        for axes, found, exact in ((wide, section, whole), (tall, flow["pressure"], pressure)):
            axes.plot(x, exact[window], color=color, lw=1)
            axes.plot(x[shown], found[window][shown], ".", color=color, ms=5, label=time)
    wide.plot([], [], "k-", lw=1, label="lines: monolithic")
    wide.set(xlabel="x [m]", ylabel="cross-section [m2]")
    figure.legend(*wide.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    tall.set(xlabel="x [m]", ylabel="pressure [Pa]")
    counts = _counts(run)
    counted.step(np.arange(1, windows + 1), counts, where="mid", lw=1)
    counted.set(xlabel="window", ylabel="iterations", ylim=(0, None))
    counted.set_title(f"{counts.sum()} iterations in {windows} windows", fontsize=10)
    counted.axhline(8.57, color="k", ls="--", lw=0.8, label="mean of the published log, 857 in 100")
    counted.legend(fontsize=8)
    figure.suptitle("Flow in an elastic tube, agreed on by fluid and wall in every step")
