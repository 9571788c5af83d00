"""Drift turbulence: a step beside its own transforms and plain numpy, and what the switch saves.

    python benchmarks/plasma.py

Ratios of one run, medians. The second table runs plasma_always_on and plasma_cross_scale in this
process, with the same seeds; the saving is that of wall time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from manyscale.hosting.in_process import run
from manyscale_plugins.drift_turbulence import kernel, plain

SPECS = Path(__file__).parents[1] / "coupling_specs"
REPEATS = 9
FEW = {"ion_scale.exchanges": 6, "ion_scale.run_length": 1e-5, "electron_scale.run_length": 1e-5}


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


def of_the_switch(gradient: float) -> None:
    """Print one line: windows skipped, the saving, and what it changes in the ion heat flux."""
    seconds, fluxes, skipped = [], [], 0.0
    for spec in ("plasma_always_on", "plasma_cross_scale"):
        files = [SPECS / spec / f"{part}.ymmsl" for part in ("model", "settings")]
        begin = time.perf_counter()
        out = run(files, {**FEW, "a_over_lt": gradient}, record=["index.index_out"])
        seconds.append(time.perf_counter() - begin)
        fluxes.append(out.states["ion_scale"].fluxes[-3:, 0].mean())
        said = [one.messages[0]["active"] for one in out.recorded["index.index_out"]]
        skipped = 1.0 - sum(said) / len(said)
    print(
        f"{gradient:5.2f} {100 * skipped:8.0f} % {seconds[0]:9.1f} {seconds[1]:9.1f}"
        f" {seconds[0] / seconds[1]:8.2f} {100 * (fluxes[1] / fluxes[0] - 1.0):+9.0f} %"
    )


def main() -> None:
    """Print both tables."""
    print("    n  step [ms]  transforms    ratio  plain numpy    ratio   sheared")
    for n in (128, 256, 512):
        of_a_step(n)
    print(" a/LT    skipped  always [s] switch [s]   saving  ion flux")
    for gradient in (1.0, 1.25, 2.0, 3.0):
        of_the_switch(gradient)


if __name__ == "__main__":
    main()
