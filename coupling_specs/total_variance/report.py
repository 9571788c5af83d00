"""What a run of total variance is compared with, and its figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from manyscale.bridges.gather import total_variance
from manyscale.bridges.gather.kernel import CONFIDENT
from manyscale.results.report import Row
from manyscale.results.run import Run
from manyscale_plugins.device import kernel as device
from manyscale_plugins.random_conductivity_rve import exact
from manyscale_plugins.random_conductivity_rve import kernel as rve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLOSED = "closed form, 4 standard errors"
MOST = 12  # numbers of inner samples in the figure


def rows(run: Run) -> list[Row]:
    """Compare both variances with their closed forms and every member with a plain loop."""
    told = run.record("variance_split", "stats_out").isel(time=-1)
    found = [(name, float(told[f"var_{name}"][0]), float(told[f"var_{name}_se"][0]))
             for name in ("epistemic", "aleatory")]  # fmt: skip
    unit = f"({_unit(run)})2"
    known = dict(zip(("epistemic", "aleatory"), _closed(run) or (None, None), strict=True))
    table = [
        _row(f"{name} variance", value, error, known[name], unit) for name, value, error in found
    ]
    total, error = float(told.variance[0]), float(told.variance_se[0])
    whole = None if None in known.values() else sum(v for v in known.values() if v is not None)
    table.append(_row("total variance", total, error, whole, unit))
    one, other = (_members(run) - _members(run).mean())[:, :2].T
    slip = float((one * other).std(ddof=1)) / np.sqrt(len(one))
    frozen = float(told.var_pick_freeze[0])
    table.append(_row("epistemic variance by pick-freeze", frozen, slip, known["epistemic"], unit))
    inner = run.models["sampler"].n_inner
    bare = None if whole is None else known["epistemic"] + known["aleatory"] / inner
    table.append(_row("epistemic variance, not corrected", float(told.var_uncorrected[0]),
                      found[0][2], bare, unit))  # fmt: skip
    squares = float(told.squares_total[0])
    parts = float(told.squares_between[0]) + float(told.squares_within[0])
    table.append(Row("sums of squares, between + within over total", parts / squares, 1.0, 1e-12,
                     origin="identity"))  # fmt: skip
    alone = _in_a_loop(run)
    if alone is not None:
        off = float(np.abs(_members(run) - alone).max())
        table.append(Row("members against one loop without coupling", off, 0.0, 0.0,
                         origin="the same kernels, bit for bit", absolute=True))  # fmt: skip
    return table


def _row(what: str, value: float, error: float, reference: float | None, unit: str) -> Row:
    if reference is None:
        return Row(what, value, unit=unit)
    return Row(what, value, reference, 4.0 * error, unit, CLOSED, absolute=True)


def _unit(run: Run) -> str:
    """Return the unit of y."""
    return "W/(m K)" if run.models["device_farm"].mode in ("identity", "linear") else "K"


def _closed(run: Run) -> tuple[float, float] | None:
    """Return epistemic and aleatory variance where they are known, else None."""
    micro, macro = run.models["rve_farm"], run.models["device_farm"]
    parameters = run.models["sampler"].parameters()
    if len(parameters) != 1 or (parameters[0].kind, parameters[0].label) != ("normal", "epistemic"):
        return None
    mean, s_t = parameters[0].numbers
    if micro.mode == "linear":
        slow, fast = exact.linear(s_t, micro.s_a, micro.n)
    elif micro.mode == "lognormal":
        slow, fast = exact.lognormal(s_t, micro.s_a, micro.n, mean)
        slow, fast = micro.k_ref**2 * slow, micro.k_ref**2 * fast
    else:
        return None
    if macro.mode == "identity":
        return slow, fast
    if macro.mode == "linear":
        return macro.c**2 * slow, macro.c**2 * fast + macro.s_m**2
    return None


def _members(run: Run) -> np.ndarray:
    """Return all answers (outer, inner)."""
    table = run.record("sampler", "table_out").isel(time=-1)
    model = run.models["sampler"]
    y: np.ndarray = table["y"].values
    return y.reshape(model.n_outer, model.n_inner)


def _in_a_loop(run: Run) -> np.ndarray | None:
    """Return all answers computed without any coupling; None where the device draws errors."""
    micro, macro, sampler = (run.models[n] for n in ("rve_farm", "device_farm", "sampler"))
    shown = {"identity": lambda k: k, "linear": lambda k: device.linear(k, macro.c)}
    if macro.mode not in shown or (macro.mode == "linear" and macro.s_m > 0.0):
        return None
    from manyscale.bridges.sampler import designs

    plan = designs.plan("nested", sampler.parameters(), sampler.seed, n=2, order=1,
                        n_outer=sampler.n_outer, n_inner=sampler.n_inner)  # fmt: skip
    laws = {
        "linear": lambda t, z: rve.linear(t, z, micro.s_a),
        "lognormal": lambda t, z: rve.lognormal(t, z, micro.s_a, micro.k_ref),
        "field": lambda t, z: rve.field(t, z, micro.s_a, micro.k_ref, micro.cells),
    }
    k = [
        laws[micro.mode](
            theta, np.random.Generator(np.random.Philox(key=seed)).standard_normal(micro.n)
        )
        for theta, seed in zip(plan.theta[:, 0], plan.seed.tolist(), strict=True)
    ]
    y: np.ndarray = shown[macro.mode](np.array(k))
    return y.reshape(sampler.n_outer, sampler.n_inner)


def draw(run: Run, figure: Figure) -> None:
    """Draw the split against inner and outer samples, and where the spread of y comes from."""
    against_inner, spread, against_outer = figure.subplots(1, 3)
    y = _members(run)
    closed = _closed(run)
    counts = np.unique(np.geomspace(2, y.shape[1], min(MOST, y.shape[1] - 1)).astype(int))
    _draw_split(against_inner, counts, [y[:, :m] for m in counts], closed, counts)
    against_inner.set(xlabel="inner samples", title=f"{len(y)} outer samples")
    outer = np.unique(np.geomspace(8, len(y), MOST).astype(int))
    inner = np.full(len(outer), y.shape[1])
    _draw_split(against_outer, outer, [y[:n] for n in outer], closed, inner)
    against_outer.set(xlabel="outer samples", title=f"{y.shape[1]} inner samples")
    against_outer.legend(fontsize=8)
    unit = _unit(run)
    _draw_spread(spread, y)
    spread.set(xlabel=f"y [{unit}]", ylabel=f"density [1/({unit})]")
    for ax in (against_inner, against_outer):
        ax.set_ylabel(f"variance of y [({unit})²]")
    figure.suptitle("What is not known (epistemic) and what is random (aleatory)")


def _draw_split(
    ax: Axes,
    counts: np.ndarray,
    parts: list[np.ndarray],
    closed: tuple[float, float] | None,
    inner: np.ndarray,
) -> None:
    told = [total_variance.split(part[..., None]) for part in parts]
    for name, color, shift in (("epistemic", "C0", 0.0), ("aleatory", "C1", 0.04)):
        value = np.array([getattr(one, name)[0] for one in told])
        error = CONFIDENT * np.array([getattr(one, f"{name}_se")[0] for one in told])
        ax.errorbar(counts * (1.0 + shift), value, error, fmt="o", ms=4, capsize=2, color=color,
                    label=name)  # fmt: skip
    bare = [one.uncorrected[0] for one in told]
    ax.plot(counts, bare, "x", color="C0", ms=5, label="epistemic, not corrected")
    if closed is not None:
        slow, fast = closed
        ax.axhline(slow, color="C0", lw=0.8, label="closed form")
        ax.axhline(fast, color="C1", lw=0.8)
        ax.plot(counts, slow + fast / inner, "--", color="C0", lw=0.8)
    ax.set_xscale("log")
    ticks = [n for n in (2, 3, 5, 10, 20, 50, 100, 200, 500, 1000) if counts[0] <= n <= counts[-1]]
    ax.set_xticks(ticks, [str(n) for n in ticks])
    ax.minorticks_off()
    ax.set_ylim(0.0, None)


def _draw_spread(ax: Axes, y: np.ndarray) -> None:
    """Draw all answers, the means of outer samples, and what is left around them."""
    means = y.mean(axis=1)
    edges = np.linspace(y.min(), np.quantile(y, 0.999), 50)
    ax.hist(y.ravel(), edges, density=True, color="0.8", label="all")
    ax.hist(means, edges, density=True, histtype="step", color="C0", label="inner means")
    around = y - means[:, None] + y.mean()
    ax.hist(around.ravel(), edges, density=True, histtype="step", color="C1",
            label="around them, moved to the mean")  # fmt: skip
    ax.set(title="histogram", xlim=tuple(np.quantile(y, [0.0, 0.999])))
    ax.set_ylim(0.0, 1.3 * ax.get_ylim()[1])  # room for the legend
    ax.legend(fontsize=8)
