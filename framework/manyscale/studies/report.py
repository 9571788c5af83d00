"""What a study shows at its end: tables and a figure, drawn from its dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from manyscale.bridges.gather.kernel import CONFIDENT
from manyscale.studies import convergence

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from rich.console import Console
    from rich.table import Table

FIGURE = "study.png"
TEXT = "study.txt"
_SHOWN = 4  # quantities of interest in a figure


def write(data: xr.Dataset, folder: Path, console: Console) -> Path:
    """Print the tables and write them, and the figure, into the folder of the study."""
    from rich.console import Console as Writer

    with (folder / TEXT).open("w") as file:
        writer = Writer(file=file, width=140)
        for table in tables(data):
            console.print(table)
            writer.print(table)
    return draw(data, folder / FIGURE)


def tables(data: xr.Dataset) -> list[Table]:
    """Return what is known of every quantity of interest, and what it comes from."""
    found = [_values(data)]
    if "S1" in data:
        found.append(_indices(data))
    if "var_epistemic" in data:
        found.append(_split(data))
    if "level_pairs" in data:
        found.append(_levels(data))
    return found


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(
            name, justify="left" if name in ("quantity", "unit", "parameter") else "right"
        )
    return table


def _values(data: xr.Dataset) -> Table:
    quantiles = "quantiles" in data
    names = [f"{100 * p:g} %" for p in data.probability.values] if quantiles else []
    spread = ["standard deviation"] if "variance" in data else []
    table = _table(data.attrs["title"], "quantity", "mean", *spread, *names, "unit")
    for k, name in enumerate(data.qoi.values):
        cells = [_with_error(data["mean"].values[k], data["mean_se"].values[k])]
        if spread:
            cells.append(f"{np.sqrt(max(float(data.variance[k]), 0.0)):.4g}")
        if quantiles:
            cells += [f"{x:.5g}" for x in data.quantiles.values[k]]
        table.add_row(str(name), *cells, str(data.qoi_unit.values[k]))
    return table


def _with_error(value: float, error: float) -> str:
    return f"{value:.6g}" if np.isnan(error) else f"{value:.6g} ± {error:.2g}"


def _indices(data: xr.Dataset) -> Table:
    table = _table(
        "Sobol indices, 95 % intervals", "quantity", "parameter", "first order", "with interactions"
    )
    for k, name in enumerate(data.qoi.values):
        for i, parameter in enumerate(data.parameter.values):
            cells = [
                f"{data[s].values[k, i]:.4f} [{data[f'{s}_low'].values[k, i]:.4f},"
                f" {data[f'{s}_high'].values[k, i]:.4f}]"
                if np.isfinite(data[s].values[k, i]) else "not told"
                for s in ("S1", "ST")
            ]  # fmt: skip
            table.add_row(str(name) if i == 0 else "", str(parameter), *cells)
        if "explained" in data:
            part = f"polynomials predict {100 * data.explained.values[k]:.1f} %"
            table.add_row("", "", part, "")
    return table


def _split(data: xr.Dataset) -> Table:
    title = "Variance: what is not known, and what is random"
    table = _table(
        title, "quantity", "epistemic", "aleatory", "epistemic share", "without correction"
    )
    for k, name in enumerate(data.qoi.values):
        slow, fast = data.var_epistemic.values[k], data.var_aleatory.values[k]
        share = slow / (slow + fast) if slow + fast else np.nan
        table.add_row(
            str(name),
            _with_error(slow, data.var_epistemic_se.values[k]),
            _with_error(fast, data.var_aleatory_se.values[k]),
            f"{share:.3f}",
            f"{data.var_uncorrected.values[k]:.6g}",
        )
    return table


def _levels(data: xr.Dataset) -> Table:
    table = _table("Levels", "quantity", "level", "pairs", "mean of differences", "variance")
    for k, name in enumerate(data.qoi.values):
        for level, pairs in enumerate(data.level_pairs.values):
            table.add_row(
                str(name) if level == 0 else "",
                str(level),
                str(pairs),
                f"{data.level_mean.values[level, k]:.4g}",
                f"{data.level_variance.values[level, k]:.4g}",
            )
    return table


def draw(data: xr.Dataset, path: Path) -> Path:
    """Draw how the study settled and what it found."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.6), layout="constrained", dpi=120)
    axes = figure.subplots(1, 3)
    method = data.attrs["method"]
    if method == "mlmc":
        _draw_levels(data, axes)
    elif method == "pce":
        _draw_orders(data, axes)
    else:
        rows = list(convergence.parts(data))
        _draw_means(data, axes[0], rows)
        if method == "nested":
            _draw_split(data, axes[1], rows, "outer samples")
            _draw_split(data, axes[2], list(convergence.inner_parts(data)), "inner samples")
        else:
            _draw_settling(data, axes[1], rows)
            _draw_bars(data, axes[2])
    title = data.attrs["title"]
    hidden = data.sizes["qoi"] - _SHOWN
    figure.suptitle(
        title if hidden <= 0 else f"{title}, first {_SHOWN} quantities of {hidden + _SHOWN}"
    )
    figure.savefig(path)
    return path


def _shown(data: xr.Dataset) -> list[tuple[int, str]]:
    return [(k, str(name)) for k, name in enumerate(data.qoi.values[:_SHOWN])]


def _unit(text: Any) -> str:
    return f" [{text}]" if str(text) not in ("", "1") else ""


def _draw_means(data: xr.Dataset, ax: Axes, rows: list[tuple[int, Any]]) -> None:
    """Draw means of the first rows, off the final mean, in standard deviations."""
    counts = np.array([count for count, _ in rows], dtype=float)
    for k, name in _shown(data):
        scale = float(np.sqrt(data.variance.values[k])) or 1.0
        mean = np.array([found["mean"][k] for _, found in rows])
        error = CONFIDENT * np.array([found["mean_se"][k] for _, found in rows])
        shift = 1.0 + 0.06 * k  # side by side
        ax.errorbar(counts * shift, (mean - mean[-1]) / scale, error / scale, fmt=".-", ms=5,
                    lw=1, capsize=2, label=name)  # fmt: skip
    ax.axhline(0.0, color="0.6", lw=0.8, zorder=0)
    ax.set_xscale("log", base=2)
    ax.set(xlabel=_rows_in_words(data), ylabel="mean off the final one [standard deviations]",
           title="means, 95 % intervals")  # fmt: skip
    ax.legend(fontsize=8)


def _rows_in_words(data: xr.Dataset) -> str:
    words = {"saltelli": f"rows of {data.sizes['parameter'] + 2} runs", "nested": "outer samples"}
    return words.get(data.attrs["method"], "runs")


def _draw_settling(data: xr.Dataset, ax: Axes, rows: list[tuple[int, Any]]) -> None:
    """Draw first-order indices of the first quantity, from more and more rows."""
    some = [(count, found) for count, found in rows if "S1" in found]
    if not some:
        _draw_nothing(ax)
        return
    counts = np.array([count for count, _ in some])
    for i, name in enumerate(data.parameter.values):
        value = np.array([found["S1"][0, i] for _, found in some])
        error = CONFIDENT * np.array([found["S1_se"][0, i] for _, found in some])
        ax.plot(counts, value, ".-", ms=5, lw=1, color=f"C{i % 10}", label=str(name))
        ax.fill_between(counts, value - error, value + error, color=f"C{i % 10}", alpha=0.15)
    ax.set_xscale("log", base=2)
    low, high = ax.get_ylim()
    ax.set(xlabel=_rows_in_words(data), ylabel="first-order index", title=f"{data.qoi.values[0]}",
           ylim=(max(low, -0.5), min(high, 1.5)))  # fmt: skip
    ax.legend(fontsize=8)


def _draw_nothing(ax: Axes) -> None:
    ax.text(0.5, 0.5, "too few runs for indices", ha="center", transform=ax.transAxes)
    ax.set_axis_off()


def _draw_bars(data: xr.Dataset, ax: Axes) -> None:
    """Draw first-order indices (full) and total ones (pale) with their intervals."""
    if "S1" not in data:
        _draw_nothing(ax)
        return
    shown = _shown(data)
    width = 0.8 / len(shown)
    at = np.arange(data.sizes["parameter"])
    for k, name in shown:
        place = at + (k - (len(shown) - 1) / 2) * width
        for s, alpha in (("ST", 0.35), ("S1", 1.0)):
            value = data[s].values[k]
            half = data[f"{s}_high"].values[k] - value
            ax.bar(place, value, width * (0.9 if s == "ST" else 0.5), color=f"C{k}", alpha=alpha,
                   label=name if s == "S1" else None)  # fmt: skip
            ax.errorbar(place, value, half, fmt="none", ecolor="k", lw=0.8, capsize=2)
    names = [str(name).replace(".", ".\n", 1) for name in data.parameter.values]
    ax.set_xticks(at, names, fontsize=8)
    ax.set(ylabel="Sobol index", title="first order (full), with interactions (pale)")
    ax.axhline(0.0, color="k", lw=0.8)
    ax.legend(fontsize=8)


def _draw_orders(data: xr.Dataset, axes: Any) -> None:
    """Draw what a chaos says when it is cut off at lower orders, and its indices."""
    from manyscale.bridges.sampler import chaos

    sizes = data.sizes["parameter"]
    order = int(convergence.order_of(data))
    tensor = chaos.projected(convergence.distributions_of(data), order, data.y.values)
    orders = list(range(1, order + 1))
    cut = [chaos.flat(tensor, k) for k in orders]
    for k, name in _shown(data):
        variance = np.array([chaos.moments(*one)[1][k] for one in cut])
        off = np.abs(variance[:-1] / variance[-1] - 1.0)
        axes[0].semilogy(orders[:-1], np.maximum(off, 1e-16), ".-", label=name)
    axes[0].set(xlabel="order", ylabel="variance off the final one, relative",
                title="variance")  # fmt: skip
    axes[0].legend(fontsize=8)
    first = np.array([chaos.indices(*one)[0][0] for one in cut])
    for i in range(sizes):
        axes[1].plot(orders, first[:, i], ".-", label=str(data.parameter.values[i]))
    axes[1].set(xlabel="order", ylabel="first-order index", title=f"{data.qoi.values[0]}")
    axes[1].legend(fontsize=8)
    _draw_bars(data, axes[2])


def _draw_split(data: xr.Dataset, ax: Axes, rows: list[tuple[int, Any]], what: str) -> None:
    """Draw both variances of the first quantity, and the epistemic one without correction."""
    counts = np.array([count for count, _ in rows], dtype=float)
    lines = (("var_epistemic", "epistemic", "C0"), ("var_aleatory", "aleatory", "C1"))
    for shift, (key, name, color) in enumerate(lines):
        value = np.array([found[key][0] for _, found in rows])
        error = CONFIDENT * np.array([found[f"{key}_se"][0] for _, found in rows])
        ax.errorbar(counts * (1 + 0.05 * shift), value, error, fmt=".-", color=color, capsize=2,
                    ms=5, lw=1, label=name)  # fmt: skip
    bare = np.array([found["var_uncorrected"][0] for _, found in rows])
    ax.plot(counts, bare, "x--", color="C0", ms=4, lw=0.8, label="epistemic, not corrected")
    ax.axhline(0.0, color="0.6", lw=0.8, zorder=0)
    ax.set_xscale("log", base=2)
    unit = data.qoi_unit.values[0]
    ax.set(xlabel=what, ylabel=f"variance{_unit(f'({unit})²' if unit not in ('', '1') else '')}",
           title=f"{data.qoi.values[0]}")  # fmt: skip
    ax.legend(fontsize=8)


def _draw_levels(data: xr.Dataset, axes: Any) -> None:
    levels = np.arange(data.sizes["level"])
    for k, name in _shown(data):
        unit = data.qoi_unit.values[k]
        axes[0].semilogy(
            levels, np.abs(data.level_mean.values[:, k]), ".-", label=f"{name}{_unit(unit)}"
        )
        axes[1].semilogy(levels, data.level_variance.values[:, k], ".-", label=name)
    axes[2].bar(levels, data.level_pairs.values, color="C0")
    axes[2].set_yscale("log")
    axes[0].set(xlabel="level", ylabel="|mean| of differences", title="means")
    axes[1].set(xlabel="level", ylabel="variance of differences", title="variances")
    axes[2].set(xlabel="level", ylabel="pairs", title="work")
    for ax in axes:
        ax.set_xticks(levels)
    axes[0].legend(fontsize=8)
