"""What a run of two slabs in contact is compared with, and its figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from manyscale.results.report import Row
from manyscale.results.run import Run
from manyscale_plugins.heat_slab import exact

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EARLY = 1.0 / 25.0  # of the time L2/a in which a slab still looks infinitely thick


class _Accepted(NamedTuple):
    """What both slabs agreed on at the end of every window."""

    time: np.ndarray  # (window,) s
    interface: np.ndarray  # (window,) K
    flux: np.ndarray  # (window,) W/m2
    T: np.ndarray  # (window, cells of steel + of rubber) K, from outer side to outer side
    x: np.ndarray  # (cells of steel + of rubber,) m, 0 at the interface


def rows(run: Run) -> list[Row]:
    """Compare with the exact contact, with both slabs solved as one, and with the end of time."""
    found, (one, other) = _accepted(run), _slabs(run)
    interface, body = _as_one(run, len(found.time))
    table = [
        *_early(run, found),
        Row("interface against one body, largest of all windows",
            _largest(found.interface, interface), 0.0, 1e-8, "1", "both slabs in one matrix",
            absolute=True),
        Row("temperatures against one body, largest of all windows and cells",
            _largest(found.T, body), 0.0, 1e-8, "1", "both slabs in one matrix", absolute=True),
    ]  # fmt: skip
    settled = len(interface) > 1 and abs(interface[-1] / interface[-2] - 1.0) < 1e-10
    if settled and {one.outer, other.outer} == {"temperature"}:
        steady = exact.steady_interface(one, other)
        table.append(Row("interface at the end", float(found.interface[-1]), steady, 1e-8, "K",
                         "resistances in series"))  # fmt: skip
    counts = run.record("interface", "convergence").iterations.values[-1]
    table.append(Row("evaluations per window, mean", float(np.mean(counts))))
    table.append(Row("factor of a plain iteration, steady", exact.iteration_factor(one, other)))
    return table


def _early(run: Run, found: _Accepted) -> list[Row]:
    """Compare the last interface temperature at which both slabs still look infinitely thick."""
    one, other = _slabs(run)
    limit = EARLY * min(slab.length**2 * slab.capacity / slab.conductivity for slab in (one, other))
    windows = int((found.time <= limit).sum())
    if windows == 0:
        return []
    starts = [run.models[name].initial_temperature for name in ("steel", "rubber")]
    contact = exact.contact_temperature(one, other, *starts)
    value = float(found.interface[windows - 1])
    what = f"interface at {found.time[windows - 1]:g} s"
    return [Row(what, value, contact, 1e-6, "K", "two half-spaces, Carslaw and Jaeger (1959)")]


def _largest(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found / expected - 1.0).max())


def _slabs(run: Run) -> tuple[Any, Any]:
    return run.models["steel"].slab(), run.models["rubber"].slab()


def _as_one(run: Run, windows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the reference interface (window,) and temperatures (window, cell) in K."""
    steel, rubber = run.models["steel"], run.models["rubber"]
    starts = steel.initial_temperature, rubber.initial_temperature
    interface, body = exact.as_one(*_slabs(run), starts, steel.dt, windows, steel.scheme)
    return interface[1:], body[1:]


def _accepted(run: Run) -> _Accepted:
    """Return the last iteration of every window: each is recorded at the end of the window."""
    parts = []
    for name in ("steel", "rubber"):
        shown = run.record(name, "profile_out")
        last = np.append(np.flatnonzero(np.diff(shown.time.values) > 0.0), len(shown.time) - 1)
        parts.append(shown.isel(time=last))
    steel, rubber = parts
    return _Accepted(
        steel.time.values,
        steel.T_wall.values,
        steel.q_wall.values,
        np.hstack((steel.T.values[:, ::-1], rubber.T.values)),
        np.hstack((-_depth(steel)[::-1], _depth(rubber))),
    )


def _depth(shown: Any) -> np.ndarray:
    values: np.ndarray = shown.s.values
    return values if values.ndim == 1 else values[0]


def draw(run: Run, figure: Figure) -> None:
    """Draw profiles, the interface in time, and evaluations, with references over them."""
    profiles, contact, work = figure.subplots(1, 3, width_ratios=(3, 2, 1.5))
    found, (one, other) = _accepted(run), _slabs(run)
    interface, body = _as_one(run, len(found.time))
    shown = [i for i in (0, 2, 9, 49, len(found.time) - 1) if i < len(found.time)]
    for n, i in enumerate(shown):
        label = f"{found.time[i]:g} s"
        profiles.plot(1e3 * found.x, found.T[i], f"C{n}-", label=label)
        profiles.plot(1e3 * found.x[::10], body[i, ::10], "k.", ms=4)
    profiles.plot([], [], "k.", label="one body")
    profiles.axvline(0.0, color="0.8", lw=0.8, zorder=0)
    profiles.set(xlabel="distance from the interface [mm]", ylabel="T [K]")
    profiles.legend(fontsize=8)
    starts = [run.models[name].initial_temperature for name in ("steel", "rubber")]
    contact.semilogx(found.time, found.interface, "C0-", label="agreed on")
    some = np.unique(np.geomspace(1, len(found.time), 30).astype(int)) - 1
    contact.semilogx(found.time[some], interface[some], "k.", ms=4, label="one body")
    half = exact.contact_temperature(one, other, *starts)
    contact.axhline(half, color="k", ls="--", lw=0.8, label="two half-spaces")
    if {one.outer, other.outer} == {"temperature"}:
        steady = exact.steady_interface(one, other)
        contact.axhline(steady, color="k", ls=":", lw=0.8, label="steady")
    contact.set(xlabel="t [s]", ylabel="T of the interface [K]")
    contact.legend(fontsize=8)
    counts = run.record("interface", "convergence").iterations.values[-1]
    work.semilogx(np.arange(1, len(counts) + 1), counts, "C3.", ms=4)
    work.set(xlabel="window", ylabel="evaluations", ylim=(0, None))
    figure.suptitle("Hot steel on cold rubber: lines coupled, dots both slabs solved as one")
