"""Pipe diffusion: what the coupling costs, and how it compares with other programs.

Prints, each from one run on one machine:
- the coupled run between its first and last exchange against the same operators called in one
  loop, at 64^3 and 128^3 cells with 4 lines, and the memory of all processes together;
- a step of the crystal against one forward and one backward cosine transform of its field;
- the error and time of the coupled models against a resolved r-z solution, and of FiPy against
  the coupled models at equal error (`pip install manyscale[peers]`).
"""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import scipy.fft

import bare_lines
import manyscale as ms
from manyscale.coupling.prove import prove
from manyscale.launching.local import launch
from manyscale.results.record import open_record
from manyscale_plugins.line_diffusion import exact
from manyscale_plugins.mass_diffusion import MassDiffusion

SPEC = Path(__file__).resolve().parents[1] / "coupling_specs/pipe_diffusion"
STEPS, PAIRS, LINES = 100, 3, 4
A = 5e-10  # m


def settings(cells: int) -> dict[str, Any]:
    """Return settings of a cube of cells with four lines, 25 a wide each."""
    side = cells * 25 * A
    quarter, half = (side * (n * cells // 4 + 0.5) / cells for n in (1, 3))
    return {
        "nz": cells, "lz": side, "bulk.nx": cells, "bulk.ny": cells, "bulk.lx": side,
        "bulk.ly": side, "bulk.dt": 3.872e5, "bulk.t_end": STEPS * 3.872e5,
        "bulk.line_xy": [[x, y] for x in (quarter, half) for y in (quarter, half)],
        "bulk.record": "sample_out", "pipe.record": "",
    }  # fmt: skip


def one_program(cells: int) -> float:
    """Run the same operators in one plain loop; return s per step between first and last."""
    models = prove([SPEC], settings(cells)).models
    bulk, pipe = models["bulk"], models["pipe[0]"]
    rates = {"diffusivity": 6.456482e-23, "diffusivity_pipe": 6.456469e-17}
    given = ms.Contact(0.0, None, {"diffusivity": rates["diffusivity"]})
    slots = {"sample_out": LINES, "line_in": LINES}
    state = bulk.f_init(ms.Start(0.0, slots=slots), ms.Received({"properties_in": given}))
    kept: list[Any] = [None] * LINES
    stamps = []
    while (clock := bulk.clock(state)).to is not None:
        stamps.append(time.perf_counter())
        answers = []
        for line, sample in enumerate(bulk.o_i(state)["sample_out"]):
            around = {
                "bulk_in": ms.Contact(clock.now, None, sample),
                "properties_in": ms.Contact(0.0, None, rates),
            }
            kept[line] = pipe.f_init(ms.Start(clock.now, kept=kept[line]), ms.Received(around))
            answers.append(ms.Contact(clock.to, None, pipe.o_f(kept[line])["line_out"]))
        state = bulk.s(state, ms.Received({"line_in": answers}))
    return statistics.median(np.diff(stamps))


def coupled(cells: int, place: Path) -> tuple[float, float]:
    """Run the coupling; return s per exchange between first and last, and memory in MB."""
    import ymmsl
    from ymmsl.v0_2 import Configuration, Settings

    overlay = place / "settings.ymmsl"
    values = {**settings(cells), "bulk.record": "", "muscle_profile_level": "all"}
    overlay.write_text(ymmsl.dump(Configuration(settings=Settings(values))))
    run = Path(tempfile.mkdtemp(dir=place))
    peak = Peak(run)
    files = [SPEC / f"{part}.ymmsl" for part in ("model", "settings", "laptop")]
    launch([*files, overlay], run, time_limit=300.0, watch=peak.look)
    return statistics.median(np.diff(sends(run))), peak.megabytes


def bare(cells: int, place: Path) -> float:
    """Exchange the same bytes on bare libmuscle, without physics; return s per exchange."""
    run = Path(tempfile.mkdtemp(dir=place))
    launch([bare_lines.write(place, cells)], run, time_limit=120.0)
    return float(np.median(np.load(run / "instances/bulk/workdir" / bare_lines.TIMES)))


def sends(run: Path) -> list[float]:
    """Return the times in s at which the crystal began its exchanges."""
    import sqlite3

    with sqlite3.connect(run / "performance.sqlite") as data:
        rows = data.execute(
            "SELECT start_time FROM all_events WHERE instance = 'bulk' AND type = 'SEND'"
            " AND port = 'sample_out' AND slot = 0 ORDER BY start_time"
        ).fetchall()
    return [float(row[0]) * 1e-9 for row in rows]


class Peak:
    """The largest memory that all instances of a run had together."""

    def __init__(self, run: Path) -> None:
        self._run, self._next, self.megabytes = run, 0.0, 0.0

    def look(self) -> None:
        """Add up the proportional memory of every process below this one, now and then."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 0.3
        total = 0
        for process in psutil.Process().children(recursive=True):
            try:
                total += process.memory_full_info().pss
            except psutil.Error:
                continue
        self.megabytes = max(self.megabytes, total / 1e6)


def median_of(action: Callable[[], Any], times: int = 7) -> float:
    """Return the median time of an action in s, after one that is not counted."""
    action()
    stamps = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        stamps.append(time.perf_counter() - start)
    return statistics.median(stamps)


def exchange_costs() -> None:
    """Compare coupled runs with one program."""
    print(
        f"{'cells':>6} {'one program ms':>15} {'coupled ms':>11} {'added ms':>9}"
        f" {'bare libmuscle ms':>18} {'ratio':>6} MB"
    )
    for cells in (64, 128):
        with tempfile.TemporaryDirectory() as place:
            pairs = [
                (one_program(cells), *coupled(cells, Path(place)), bare(cells, Path(place)))
                for _ in range(PAIRS)
            ]
        alone, together = (statistics.median(p[i] for p in pairs) for i in (0, 1))
        ratio = statistics.median(p[1] / p[0] for p in pairs)
        added = statistics.median(p[1] - p[0] for p in pairs)
        print(
            f"{cells:>4}^3 {1e3 * alone:>15.2f} {1e3 * together:>11.2f} {1e3 * added:>9.2f}"
            f" {1e3 * statistics.median(p[3] for p in pairs):>18.2f}"
            f" {ratio:>6.2f} {max(p[2] for p in pairs):.0f}"
        )


def step_against_transforms(cells: int = 128) -> None:
    """Compare one step of the crystal with a pair of transforms of its field."""
    values = {k.removeprefix("bulk."): v for k, v in settings(cells).items() if k[:5] == "bulk."}
    del values["record"]
    bulk = MassDiffusion(nz=cells, lz=cells * 25 * A, diffusivity=6.456482e-23, **values)
    slots = {"sample_out": LINES, "line_in": LINES}
    state = bulk.f_init(ms.Start(0.0, slots=slots), ms.Received({"properties_in": None}))
    z = np.linspace(0.5, cells - 0.5, cells) * 25 * A
    line = {"q_line": np.zeros(cells), "c_line": z, "s": z, "influx": 0.0}
    received = ms.Received({"line_in": [ms.Contact(0.0, None, line)] * LINES})
    step = median_of(lambda: bulk.s(state, received))
    field = np.random.default_rng(1).random((cells,) * 3)
    pair = median_of(lambda: scipy.fft.idctn(scipy.fft.dctn(field, workers=2), workers=2))
    print(f"step at {cells}^3: {1e3 * step:.1f} ms, transform pair: {1e3 * pair:.1f} ms,"
          f" ratio {step / pair:.2f}")  # fmt: skip


def accuracy() -> None:
    """Compare the shipped coupling with the exact and with a resolved r-z solution."""
    with tempfile.TemporaryDirectory() as place:
        run = Path(place)
        files = [SPEC / f"{part}.ymmsl" for part in ("model", "settings", "laptop")]
        start = time.perf_counter()
        launch(files, run, time_limit=300.0)
        wall = time.perf_counter() - start
        line = open_record(run / "instances/pipe[0]/workdir/record.nc", "line_out").isel(time=-1)
        depth, c = line.s.values / A, line.c_line.values
    start = time.perf_counter()
    resolved = exact.resolved_pipe(exact.resolve(1000.0, 6400.0, 1e6, (60, 256), True), 1e4, 100)
    resolved_wall = time.perf_counter() - start
    near = depth < 1000.0
    truth = exact.isolated_pipe(depth[near], 1e6, 1e4)
    for name, values, seconds in (("coupled", c, wall), ("resolved r-z", resolved, resolved_wall)):
        error = np.max(np.abs(values[near] / truth - 1.0))
        print(f"{name:>13}: largest error over the first 1000 a {error:.1e}, {seconds:.1f} s")


def peer() -> None:
    """Compare with FiPy: the same finite volumes and steps, so the same error."""
    if importlib.util.find_spec("fipy") is None:
        print("FiPy is not installed: pip install 'manyscale[peers]'")
        return
    box = Path(__file__).parent / "fipy_box.py"
    done = subprocess.run(
        [sys.executable, box], capture_output=True, text=True, check=True, timeout=300.0
    )
    theirs, their_error = map(float, done.stdout.split())
    sides = {"nx": 40, "ny": 40, "nz": 40, "lx": 1.0, "ly": 1.0, "lz": 1.0}
    closed = {f"bc_{axis}": "no_flux" for axis in "xyz"}
    start = {"c_initial": 1.0, "initial": "cosine", "diffusivity": 1.0, "dt": 0.01, "t_end": 0.2}
    bulk = MassDiffusion(**sides, **closed, **start)
    end: list[Any] = []
    ours = median_of(lambda: end.append(alone(bulk)))
    field = end[-1]
    truth = 1.0 + np.cos(np.pi * field["z"]) * np.exp(-(np.pi**2) * 0.2)
    error = float(np.abs(field["c"] - truth).max())
    print(f"40^3, 20 steps: {ours:.3f} s, error {error:.5f}; FiPy {theirs:.3f} s, error"
          f" {their_error:.5f}: {theirs / ours:.0f} times the time")  # fmt: skip


def alone(bulk: MassDiffusion) -> Any:
    """Run a crystal without lines and return its answer."""
    state = bulk.f_init(ms.Start(0.0), ms.Received({"properties_in": None}))
    while bulk.clock(state).to is not None:
        state = bulk.s(state, ms.Received({"line_in": None}))
    return bulk.o_f(state)["field_out"]


def main() -> None:
    """Measure and print everything."""
    exchange_costs()
    step_against_transforms()
    accuracy()
    peer()


if __name__ == "__main__":
    main()
