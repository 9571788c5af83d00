"""Drift turbulence: a step beside its own transforms and plain numpy, and what the switch saves.

    python benchmarks/plasma.py

Ratios of one run, medians. The second table runs plasma_always_on and plasma_cross_scale in this
process, with the same seeds; the saving is that of wall time, once with electrons as heavy as they
are in deuterium, once as heavy as in the specs. Flux: mean of the second half with the error of
correlated samples. The third compares exchanges of plasma_always_on in processes of their own,
under MUSCLE3, with the same in one program. Components take turns, so both keep one core busy;
compiling and starting are in neither, but in the last column. CPU time is that of all processes,
manager and agent too; wall time means something on an idle machine only.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from manyscale.hosting.in_process import run
from manyscale.launching.local import launch
from manyscale_plugins.drift_turbulence import kernel, measures, plain

Times = NDArray[np.float64]
SPECS = Path(__file__).parents[1] / "coupling_specs"
REPEATS = 9
DEUTERIUM = {
    "mass_ratio": 3670.48, "dispersion.ky_max": 120.0, "ion_scale.exchanges": 6,
    "electron_scale.n": 64, "electron_scale.box": 64.0, "electron_scale.dt": 3e-10,
    "electron_scale.run_length": 2.1e-6,
}  # fmt: skip
"""Electrons near a/LT = 2 saturate in 1.5e-6 s; they go on where the call before ended."""
HEAVY = {"mass_ratio": 25.0, "ion_scale.exchanges": 12}
COUNTED, PAIRS = (2, 12), 2  # exchanges, repetitions
UNRECORDED = {"ion_scale.record": "", "electron_scale.record": "", "index.record": "",
              "dispersion.record": ""}  # fmt: skip


def median(work: Callable[[], object]) -> float:
    """Return the median time in ms."""
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - begin))
    return float(np.median(times))


def of_a_step(n: int) -> None:
    """Print one line: a step, its 20 transforms, the same in plain numpy, and under shear."""
    grid = kernel.Grid(n, float(n))
    free = kernel.Plasma(np.zeros(grid.kept + 1), drift=1.0, hyper=1e-3, zonal=False)
    sheared = kernel.Plasma(np.zeros(grid.kept + 1), drift=1.0, hyper=1e-3, shear=0.1, zonal=False)
    q = kernel.noise(grid, free, np.random.default_rng(1), 1.0)
    flow, dt = kernel.Flow(q, 0.0, 0), 1e-3
    stepper, tilted = kernel.Stepper(grid, free, dt), kernel.Stepper(grid, sheared, dt)

    def transforms() -> None:
        for _ in range(4):
            stepper.transforms.to_modes(stepper.transforms.to_points()[:2])

    stepper.advance(flow, 1)
    tilted.advance(flow, 1)
    step = median(lambda: stepper.advance(flow, 1))
    alone, numpy = median(transforms), median(lambda: plain.step(grid, free, q, dt))
    lean = median(lambda: tilted.advance(flow, 1))
    print(
        f"{n:5d} {step:9.2f} {alone:11.2f} {step / alone:8.2f} {numpy:12.2f} {numpy / step:8.2f}"
        f" {lean / step:9.2f}"
    )


def of_the_switch(gradient: float, **settings: float) -> None:
    """Print one line: windows skipped, the saving, and what it changes in the ion heat flux."""
    seconds, fluxes, skipped = [], [], 0.0
    for spec in ("plasma_always_on", "plasma_cross_scale"):
        files = [SPECS / spec / f"{part}.ymmsl" for part in ("model", "settings")]
        begin = time.perf_counter()
        record = ["index.index_out", "ion_scale.history_out"]
        out = run(files, {**settings, "a_over_lt": gradient}, record=record)
        seconds.append(time.perf_counter() - begin)
        history = out.recorded["ion_scale.history_out"][-1].messages[0]
        fluxes.append(measures.mean_and_error(history["q_i"], len(history["q_i"]) // 2))
        said = [one.messages[0]["active"] for one in out.recorded["index.index_out"]]
        skipped = 1.0 - sum(said) / len(said)
    (always, off), (switched, by) = fluxes
    error = np.hypot(by / always, switched * off / always**2)
    print(
        f"{settings['mass_ratio']:8.0f} {gradient:5.2f} {100 * skipped:8.0f} % {seconds[0]:10.1f}"
        f" {seconds[1]:10.1f} {seconds[0] / seconds[1]:8.2f}"
        f" {100 * (switched / always - 1.0):+9.0f} +- {100 * error:.0f} %"
    )


def of_the_coupling(place: Path) -> None:
    """Print what an exchange costs in processes of their own and in one program, and starting."""
    spec = SPECS / "plasma_always_on"
    files = [spec / f"{part}.ymmsl" for part in ("model", "settings", "laptop")]
    first, last = COUNTED
    found = []
    for number in range(PAIRS):
        short, long = (launched(files, exchanges, place / f"{number}") for exchanges in COUNTED)
        one = [in_one_program(files[:-1], exchanges) for exchanges in COUNTED]
        found.append([*(long - short), *(one[1] - one[0])])
        starting = short - np.array(found[-1][:2]) / (last - first) * first
    wall, cpu, one_wall, one_cpu = 1e3 * np.median(found, axis=0) / (last - first)
    for name, of, alone, rest in zip(
        ("wall", "CPU"), (wall, cpu), (one_wall, one_cpu), starting, strict=True
    ):
        print(f"{name:6} {of:18.0f} {alone:18.0f} {100 * (of / alone - 1.0):+9.1f} % {rest:18.1f}")


def launched(files: list[Path], exchanges: int, place: Path) -> Times:
    """Return wall and CPU time in s of a run of so many exchanges, of all its processes."""
    folder = place / f"{exchanges}"
    folder.mkdir(parents=True)
    overlay = place / f"{exchanges}.ymmsl"
    values = {"ion_scale.exchanges": exchanges, **UNRECORDED}
    overlay.write_text(yaml.safe_dump({"ymmsl_version": "v0.2", "settings": values}))
    begin = times()
    launch([*files, overlay], folder, time_limit=600.0)
    return times() - begin


def times() -> Times:
    """Return wall time in s, and the CPU time of this process and all that have ended below it."""
    of = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return np.array([time.perf_counter(), sum(one.ru_utime + one.ru_stime for one in of)])


def in_one_program(files: list[Path], exchanges: int) -> Times:
    """Return wall and CPU time in s of so many exchanges in this process."""
    begin = times()
    run(files, {"ion_scale.exchanges": exchanges, **UNRECORDED})
    return times() - begin


def main() -> None:
    """Print the three tables."""
    print("    n  step [ms]  transforms    ratio  plain numpy    ratio   sheared")
    for n in (128, 256, 512):
        of_a_step(n)
    print("m_i/m_e   a/LT    skipped  always [s] switch [s]   saving      ion flux")
    for gradient in (1.25, 2.0, 3.0):
        of_the_switch(gradient, **DEUTERIUM)
    for gradient in (1.25, 2.0, 3.0):
        of_the_switch(gradient, **HEAVY)
    print("time   coupled [ms/turn]   one program [ms]   overhead       all the rest [s]")
    with tempfile.TemporaryDirectory() as place:
        of_the_coupling(Path(place))


if __name__ == "__main__":
    main()
