"""Steps of a crystal with four lines on two MPI ranks against one: strong and weak scaling.

Starts itself on one rank (no MPI at all) and on two in turn, one thread per rank, and prints
medians of the pairs: the speed-up (strong: aim 1.7), the efficiency (weak), and which part of a
step on two ranks goes into sharing the lines' answers and gathering what they and the faces see,
waiting for the slower rank included. `least` compares the fastest steps of all, which other work
on the machine disturbed least. What the machine itself gives stands beside it: two
processes that do not know of each other, against one.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import manyscale as ms
from manyscale.hosting.plug import ONE_RANK, Spread
from manyscale_plugins.mass_diffusion import MassDiffusion

PAIRS, SECONDS, LINES = 5, 1.0, 4
STRONG = ((48, 48, 256), (128, 128, 128))
WEAK = (64, 128, 128)  # per rank
WIDTH = 1.25e-8  # m, of a cell
WORKER = "worker"


def main() -> None:
    """Measure and print."""
    words = ("1 rank ms", "2 ranks ms", "ratio", "least", "shared %", "apart")
    print(f"{'cells':>18}", *(f"{word:>10}" for word in words), " ratios of the pairs")
    for cells in STRONG:
        report("strong", cells, cells)
    report("weak", WEAK, (2 * WEAK[0], *WEAK[1:]))


def report(kind: str, one: tuple[int, ...], two: tuple[int, ...]) -> None:
    """Print one line: `one` cells on one rank against `two` cells on two."""
    rows = [(alone(one), together(two), apart(one)) for _ in range(PAIRS)]
    ratios = sorted(a["step"] / t["step"] for a, t, _ in rows)
    single, double = (1e3 * statistics.median(row[i]["step"] for row in rows) for i in (0, 1))
    least = min(row[0]["least"] for row in rows) / min(row[1]["least"] for row in rows)
    shared = 100 * statistics.median(t["shared"] / t["step"] for _, t, _ in rows)
    # steps of both in the time of one: what two cores of this machine can give at best
    best = statistics.median(2 * a["step"] / both for a, _, both in rows)
    best /= 1 if kind == "strong" else 2
    numbers = (single, double, statistics.median(ratios), least, shared, best)
    print(
        f"{kind:>6} {'x'.join(map(str, two)):>11}",
        *(f"{number:>10.2f}" for number in numbers),
        f" {' '.join(f'{r:.2f}' for r in ratios)}",
    )


def alone(cells: tuple[int, ...]) -> dict[str, float]:
    """Return s per step on one rank."""
    with started([], cells) as process:
        return answered(process)


def apart(cells: tuple[int, ...]) -> float:
    """Return s per step of two programs that run at the same time and share nothing."""
    with started([], cells) as one, started([], cells) as other:
        return max(answered(one)["step"], answered(other)["step"])


def together(cells: tuple[int, ...]) -> dict[str, float]:
    """Return s per step on two ranks, and s of it in communication."""
    mpirun = Path(sys.executable).with_name("mpirun")
    if not mpirun.is_file():
        sys.exit("There is no mpirun beside this Python: pip install manyscale[mpi]")
    with started([str(mpirun), "-n", "2"], cells) as process:
        return answered(process)


def started(before: list[str], cells: tuple[int, ...]) -> subprocess.Popen[str]:
    """Start a measurement, on several ranks with an mpirun before it."""
    command = [*before, sys.executable, __file__, WORKER, *map(str, cells)]
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=os.environ | one_thread, stdout=pipe, text=True)


def answered(process: subprocess.Popen[str]) -> dict[str, float]:
    """Wait for a measurement."""
    out, _ = process.communicate(timeout=120.0)
    return json.loads(out)


def worker(cells: tuple[int, ...]) -> None:
    """Step a crystal on all ranks for a while; the root prints what a step takes."""
    spread = ranks()
    watch = Watch()
    bulk = crystal(cells, spread.view)
    if spread.view.comm is not None:
        spread.view.gathered = watch.timed(spread.view.gathered)  # type: ignore[method-assign]
    share = watch.timed(spread.spread)
    state = bulk.f_init(
        ms.Start(0.0, slots={"sample_out": LINES}), ms.Received({"properties_in": None})
    )
    port, times, parts = MassDiffusion.ports["line_in"], [], []
    end = time.perf_counter() + SECONDS
    while spread.tell(time.perf_counter() < end):
        begun, watch.total = time.perf_counter(), 0.0
        contacts = share(port, answers(cells[2]) if spread.root else [])
        state = bulk.s(state, ms.Received({"line_in": contacts}))
        times.append(time.perf_counter() - begun)
        parts.append(watch.total)
    if spread.root:
        step, shared = (statistics.median(found[3:]) for found in (times, parts))
        print(json.dumps({"step": step, "shared": shared, "least": min(times)}))


def ranks() -> Spread:
    """Return the ranks of this program; without mpirun none but this one."""
    if "PMI_SIZE" not in os.environ:
        return ONE_RANK
    from manyscale.hosting.mpi import world

    return world()


class Watch:
    """Adds up the time spent in some calls."""

    def __init__(self) -> None:
        self.total = 0.0

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a call that is watched."""

        def watched(*arguments: Any) -> Any:
            begun = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                self.total += time.perf_counter() - begun

        return watched


def crystal(cells: tuple[int, ...], view: Any) -> MassDiffusion:
    """Return the model with four lines, on these ranks."""
    nx, ny, nz = cells
    x, y = ([WIDTH * (n * side // 4 + 0.5) for n in (1, 3)] for side in (nx, ny))
    bulk = MassDiffusion(
        nx=nx, ny=ny, nz=nz, lx=nx * WIDTH, ly=ny * WIDTH, lz=nz * WIDTH, diffusivity=1e-22,
        dt=3.872e5, t_end=3.872e11, line_xy=[[a, b] for a in x for b in y],
    )  # fmt: skip
    object.__setattr__(bulk, "ranks", view)
    return bulk


def answers(points: int) -> list[ms.Contact]:
    """Return what four lines say."""
    s = WIDTH * (np.arange(points) + 0.5)
    q, c = np.full(points, 1e-25), np.ones(points)
    fields = {"q_line": q, "c_line": c, "s": s, "influx": 0.0}
    return [ms.Contact(0.0, None, dict(fields)) for _ in range(LINES)]


if __name__ == "__main__":
    if WORKER in sys.argv:
        worker(tuple(map(int, sys.argv[-3:])))
    else:
        main()
