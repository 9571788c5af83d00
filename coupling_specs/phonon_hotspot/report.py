"""What a hot spot on a substrate is compared with, and its figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import manyscale as ms
from manyscale.results.report import Row
from manyscale.results.run import Run
from manyscale_plugins.heat_diffusion import kernel as conduction
from manyscale_plugins.mass_diffusion.kernel import IMPLICIT_EULER
from manyscale_plugins.phonon_rectangle import kernel as phonons

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEEP = Path(__file__).parent / "reference/deep_interface.csv"
AS_ONE = 8  # windows solved again, both sides in one program


class _Accepted(NamedTuple):
    """What both sides agreed on at the end of every window."""

    time: np.ndarray  # (window,) s
    temperature: np.ndarray  # (window, y, x) K
    energy: np.ndarray  # (window,) J/m
    heating: np.ndarray  # (window,) W/m
    leaving: np.ndarray  # (window,) W/m
    flux: np.ndarray  # (window,) W/m2, through the interface
    sent: np.ndarray  # (window,) K, temperature that the hot spot was given
    answered: np.ndarray  # (window,) K, that the substrate gave back
    x: np.ndarray  # m
    y: np.ndarray  # m

    @property
    def peak(self) -> np.ndarray:
        """Highest temperature of every window [K]."""
        return np.asarray(self.temperature.max(axis=(1, 2)))


def _last(shown: Any) -> Any:
    """Return the last iteration of every window: all of one are recorded at one time."""
    keep = np.append(np.flatnonzero(np.diff(shown.time.values) > 0.0), len(shown.time) - 1)
    return shown.isel(time=keep)


def _accepted(run: Run) -> _Accepted:
    field = _last(run.record("hotspot", "field_out"))
    sent = run.record("interface", "x_out").t_interface.values
    counts = run.record("interface", "convergence").iterations.values[-1].astype(int)
    places = [one.values if one.values.ndim == 1 else one.values[0] for one in (field.x, field.y)]
    return _Accepted(
        field.time.values,
        field.temperature.values,
        field.energy.values,
        field.heating.values,
        field.leaving.values,
        _last(run.record("hotspot", "interface_out")).q_interface.values,
        sent[np.cumsum(counts) - 1],
        _last(run.record("substrate", "interface_out")).t_interface.values,
        *places,
    )


def rows(run: Run) -> list[Row]:
    """Compare with both sides in one program, with phonons deeper down, and account for heat."""
    found, hotspot = _accepted(run), run.models["hotspot"]
    steps = np.diff(np.concatenate([[0.0], found.energy])) / hotspot.dt
    lost = np.abs(found.heating - found.leaving - steps) / found.heating.max()
    rows = [
        Row("flux of the phonons against that of the substrate, largest", _mismatch(run, found),
            0.0, 1e-6, "1", "continuity", absolute=True),
        Row("heat put in less heat stored and gone, largest", float(lost.max()), 0.0, 1e-7, "1",
            "conservation", absolute=True),
        *_one_program(run, found),
        *_deep(run, found),
    ]  # fmt: skip
    law = _fourier(run, len(found.time)).max(axis=(1, 2))
    start = hotspot.t_initial
    rows.append(Row("highest temperature", float(found.peak.max()), unit="K"))
    ratio = float((found.peak.max() - start) / (law.max() - start))
    rows.append(Row("its rise over that of Fourier's law", ratio))
    counts = run.record("interface", "convergence").iterations.values[-1]
    rows.append(Row("evaluations per window, mean", float(counts.mean())))
    return rows


def _mismatch(run: Run, found: _Accepted) -> float:
    """Return what the flux of either side differs, at the temperature the phonons were given.

    A degree of difference in the temperature of the face is so much of a flux into the substrate.
    """
    call = _substrate(run)
    faces = [call(None, 0, q)[1] for q in (0.0, 1e8)]
    per_flux = (faces[1] - faces[0]) / 1e8
    return float((np.abs(found.answered - found.sent) / per_flux / np.abs(found.flux)).max())


def _substrate(run: Run) -> Any:
    """Return a function (kept, window, flux) -> State and temperature of the face."""
    model = run.models["substrate"]

    def call(kept: Any, window: int, q: float) -> tuple[Any, float]:
        asked = {"interface_in": ms.Contact(0.0, None, {"q_interface": q}), "kappa_in": None}
        state = model.f_init(ms.Start(window * model.dt, kept=kept), ms.Received(asked))
        return state, model.o_f(state)["interface_out"]["t_interface"]

    return call


def _hotspot(run: Run) -> Any:
    """Return a function (kept, window, T) -> State and flux into the substrate."""
    model, modes = run.models["hotspot"], run.models["modes"]
    crystal = {**modes.modes(modes.temperature)._asdict(), "t_ref": modes.temperature}
    came = ms.Contact(0.0, None, crystal)

    def call(kept: Any, window: int, T: float) -> tuple[Any, float]:
        asked = {"modes_in": came, "interface_in": ms.Contact(0.0, None, {"t_interface": T})}
        state = model.f_init(ms.Start(window * model.dt, kept=kept), ms.Received(asked))
        return state, model.o_f(state)["interface_out"]["q_interface"]

    return call


def _one_program(run: Run, found: _Accepted) -> list[Row]:
    """Solve the first windows again: both sides are linear, so two tries give the third."""
    upper, lower = _hotspot(run), _substrate(run)
    kept: tuple[Any, Any] = (None, None)
    T, off = float(run.models["guess"].temperature), []
    for window in range(min(AS_ONE, len(found.time))):

        def both(
            T: float, window: int = window, kept: tuple[Any, Any] = kept
        ) -> tuple[Any, Any, float]:
            above, q = upper(kept[0], window, T)
            below, answer = lower(kept[1], window, q)
            return above, below, answer

        one = both(T)[2]
        other = both(T + 1.0)[2]
        T += (one - T) / (1.0 - (other - one))
        kept = both(T)[:2]
        rise = kept[0].T - run.models["hotspot"].t_initial
        seen = found.temperature[window] - run.models["hotspot"].t_initial
        off.append(np.abs(seen - rise).max() / rise.max())
    what = f"temperatures of the first {len(off)} windows, largest difference"
    origin = "both sides in one program"
    return [Row(what, float(max(off)), 0.0, 1e-6, "1", origin, absolute=True)]


def _deep(run: Run, found: _Accepted) -> list[Row]:
    """Compare with phonons down to five times the depth, where that was computed."""
    known = _reference(run, found)
    if known is None:
        return []
    start = run.models["hotspot"].t_initial
    rise, far = found.peak - start, known["peak_K"] - start
    off = float(np.abs(rise - far).max() / far.max())
    origin = "interface at 10 um instead of 2 um"
    return [Row("highest temperature in time, largest difference over the largest rise", off, 0.0,
                0.01, "1", origin, absolute=True)]  # fmt: skip


def _reference(run: Run, found: _Accepted) -> Any:
    """Return the stored curves up to the end of this run, None if it has other settings."""
    known = np.genfromtxt(DEEP, delimiter=",", names=True, comments="#")
    hotspot, times = run.models["hotspot"], found.time
    shipped = {"lx": 2e-6, "ly": 2e-6, "nx": 40, "ny": 40, "source": 2e16, "heated_for": 1.5e-8}
    same = all(getattr(hotspot, name) == value for name, value in shipped.items())
    if not same or len(times) > len(known) or not np.allclose(times, known["t_s"][: len(times)]):
        return None
    return known[: len(times)]


def _fourier(run: Run, windows: int) -> np.ndarray:
    """Return Fourier's law for the same heat, (window, z from the top, x) K, 20 um deep."""
    hotspot, substrate = run.models["hotspot"], run.models["substrate"]
    depth, width = 10 * hotspot.ny, hotspot.nx
    start = hotspot.t_initial
    box = (
        conduction.side("no_flux", width, hotspot.lx, (start, start)),
        conduction.side("periodic", 1, 1.0, (start, start)),
        conduction.side("fixed_right", depth, 10.0 * hotspot.ly, (start, start)),
    )
    shape, lengths = (hotspot.ny, width), (hotspot.lx, hotspot.ly)
    heat = phonons.heating(shape, lengths, np.array(hotspot.source_box), hotspot.source)
    source = np.zeros((width, 1, depth))
    source[:, 0, : hotspot.ny] = heat[::-1].T
    capacity = substrate.density * substrate.heat_capacity
    T, found = np.full(source.shape, start), []
    k = np.full(source.shape, substrate.conductivity)
    for window in range(windows):
        on = min(max(hotspot.heated_for / hotspot.dt - window, 0.0), 1.0)
        step = conduction.Step(capacity, hotspot.dt, IMPLICIT_EULER, source * on)
        T, _ = conduction.advanced(T, T, step, lambda T: k, box)
        found.append(T[:, 0].T)
    return np.array(found)


def draw(run: Run, figure: Figure) -> None:
    """Draw the hot spot in time, as a map at the end of heating, and with depth."""
    time, place, depth = figure.subplots(1, 3, width_ratios=(1.1, 1, 1))
    found, hotspot = _accepted(run), run.models["hotspot"]
    law = _fourier(run, len(found.time))
    ns = 1e9 * found.time
    time.plot(ns, found.peak, "C3-", label="hottest phonons")
    known = _reference(run, found)
    if known is not None:
        time.plot(ns[::4], known["peak_K"][::4], "k.", ms=5, label="interface at 10 µm")
    time.plot(ns, law.max(axis=(1, 2)), "k--", lw=1, label="Fourier's law")
    time.plot(ns, found.sent, "C0-", label="at the interface")
    time.axvspan(0.0, 1e9 * min(hotspot.heated_for, found.time[-1]), color="C3", alpha=0.08, lw=0)
    time.set(xlabel="t [ns]", ylabel="T [K]", xlim=(0.0, None))
    time.legend(fontsize=7, loc="upper right")
    time.set_title("heated while shaded", fontsize=10)
    hottest = int(found.peak.argmax())
    _draw_map(found, hotspot, hottest, place, figure)
    z = 1e6 * (hotspot.ly - found.y)
    shown = sorted({min(i, len(ns) - 1) for i in (1, hottest // 2, hottest, len(ns) - 1)})
    for n, i in enumerate(shown):
        depth.plot(found.temperature[i, :, 0], z, f"C{n}-", label=f"{ns[i]:g} ns")
        below = 1e6 * (np.arange(law.shape[1]) + 0.5) * hotspot.ly / hotspot.ny
        depth.plot(law[i, :, 0], below, f"C{n}--", lw=1)
        depth.plot(found.sent[i], 1e6 * hotspot.ly, f"C{n}s", ms=5, clip_on=False)
    depth.plot([], [], "k--", lw=1, label="Fourier's law")
    depth.set(xlabel="T [K]", ylabel="depth below the line [µm]", ylim=(1e6 * hotspot.ly, 0.0))
    depth.legend(fontsize=8)
    depth.set_title("middle of the heated line", fontsize=10)


def _draw_map(found: _Accepted, hotspot: Any, window: int, axes: Any, figure: Figure) -> None:
    x, depth = 1e6 * found.x, 1e6 * (hotspot.ly - found.y)
    both = np.concatenate([-x[::-1], x])
    T = np.concatenate([found.temperature[window][:, ::-1], found.temperature[window]], axis=1)
    drawn = axes.pcolormesh(both, depth, T, cmap="inferno", shading="nearest", rasterized=True)
    axes.contour(both, depth, T, levels=8, colors="w", linewidths=0.6)
    axes.set(xlabel="x [µm]", ylabel="depth [µm]")
    axes.set_ylim(1e6 * hotspot.ly, 0.0)
    figure.colorbar(drawn, ax=axes, label="T [K]", location="bottom", pad=0.03)
    axes.set_title(f"one period at {1e9 * found.time[window]:g} ns", fontsize=10)
