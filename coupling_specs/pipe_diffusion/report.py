"""What a run of pipe diffusion is compared with, and its figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from manyscale.results.report import Row
from manyscale.results.run import Run
from manyscale_plugins.line_diffusion import exact
from manyscale_plugins.transport_properties.kernel import arrhenius

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REFERENCE = np.loadtxt(Path(__file__).parent / "reference/isolated_pipe.csv", delimiter=",")
ORIGIN = "sine and Laplace transform"


def rows(run: Run) -> list[Row]:
    """Compare the pipes with the isolated one, and account for every mole."""
    pipe, end = run.models["pipe[0]"], run.record("pipe[0]", "line_out").isel(time=-1)
    depth, c = end.s.values / pipe.radius, end.c_line.values / pipe.c_left
    table = [
        Row(f"pipe concentration at depth {y:.0f} a", _at(y, depth, c), value, 0.01, "1", ORIGIN)
        for y, value in _reference(run)
    ]
    slopes = [np.log(_at(y + 100.0, depth, c) / _at(y, depth, c)) for y in (400.0, 700.0)]
    table.append(
        Row(
            "slope of ln c at 700..800 a over that at 400..500 a",
            slopes[1] / slopes[0],
            1.0,
            0.02,
            "1",
            "Le Claire and Rabinovitch (1981)",
        )
    )
    table.append(
        Row("crystal + pipes - influx, of all", _imbalance(run), 0.0, 1e-12, "1", "conservation",
            absolute=True)
    )  # fmt: skip
    return table


def _reference(run: Run) -> np.ndarray:
    """Return depths [a] and exact concentrations; the tabulated ones where they apply."""
    ratio, time = _numbers(run)
    if np.allclose((ratio, time), (1e6, 1e4), rtol=1e-3):
        return REFERENCE
    depths = REFERENCE[:, 0]
    return np.column_stack((depths, exact.isolated_pipe(depths, ratio, time)))


def _numbers(run: Run) -> tuple[float, float]:
    """Return D_p/D and D t / a2 at the end of the run."""
    laws, radius = run.models["properties"], run.models["pipe[0]"].radius
    D = arrhenius(laws.D0_bulk, laws.Q_bulk, laws.temperature)
    D_pipe = arrhenius(laws.D0_pipe, laws.Q_pipe, laws.temperature)
    return D_pipe / D, D * run.models["bulk"].t_end / radius**2


def _at(y: float, depth: np.ndarray, c: np.ndarray) -> float:
    """Interpolate ln c, which is nearly straight, at depth y [a]."""
    return float(np.exp(np.interp(y, depth, np.log(c))))


def _imbalance(run: Run) -> float:
    bulk = run.record("bulk", "field_out").isel(time=-1)
    found, entered = float(bulk.mass), float(bulk.influx)
    for name in (n for n in run.stores if n.startswith("pipe")):
        pipe, end = run.models[name], run.record(name, "line_out").isel(time=-1)
        found += np.pi * pipe.radius**2 * (pipe.lz / pipe.nz) * float(end.c_line.sum())
        entered += float(end.influx)
    return (found - entered) / found


def draw(run: Run, figure: Figure) -> None:
    """Draw profiles with the exact solutions over them, and a cut through two lines."""
    profiles, cut = figure.subplots(1, 2)
    bulk = run.record("bulk", "field_out").isel(time=-1)
    model, pipe = run.models["bulk"], run.models["pipe[0]"]
    line = run.record("pipe[0]", "line_out").isel(time=-1)
    a = pipe.radius
    depth = line.s.values / a
    ratio, time = _numbers(run)
    fine = np.linspace(0.0, depth[-1], 400)
    shown = fine < 2000.0
    profiles.semilogy(depth, line.c_line / pipe.c_left, "C0.", ms=6, label="pipe, computed")
    profiles.semilogy(
        fine[shown],
        exact.isolated_pipe(fine[shown], ratio, time),
        "k-",
        lw=0.8,
        label="pipe, exact (isolated)",
    )
    profiles.plot(*_reference(run).T, "ks", ms=6, mfc="none", label="reference values")
    bulk["c"] = bulk.c / model.c_left
    mean = bulk.c.mean(("x", "y"))
    profiles.semilogy(bulk.z / a, mean, "C1.", ms=5, label="crystal, mean of a plane")
    profiles.semilogy(
        bulk.z / a, bulk.c.isel(x=0, y=0), "C2.", ms=5, label="crystal, far from the lines"
    )
    erfc = np.clip(exact.isolated_pipe(fine[shown], 1.0, time), 1e-300, None)
    profiles.semilogy(fine[shown], erfc, "k--", lw=0.8, label="crystal without lines, erfc")
    profiles.set(xlim=(0, 2000), ylim=(1e-4, 1.3), xlabel="depth [a]", ylabel="c / c0")
    profiles.legend(fontsize=8, loc=(0.53, 0.22))
    row = int(model.line_xy[0][1] / model.ly * model.ny)
    plane = np.log10(np.clip(bulk.c.isel(y=row).values, 1e-6, None))
    image = cut.imshow(
        plane, aspect="auto", extent=(0, model.lz / a, model.lx / a, 0), vmin=-4, vmax=0
    )
    cut.set(xlabel="depth [a]", ylabel="x [a]", xlim=(0, 3000), title="a cut through two lines")
    figure.colorbar(image, ax=cut, label="log10 c / c0")
    figure.suptitle("Diffusion down dislocation lines, a = radius of a line")
