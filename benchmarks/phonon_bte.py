"""Phonons: sweeps beside numpy, synthetic acceleration beside source iteration, ranks, coupling.

    python benchmarks/phonon_bte.py [sweeps films iterations rectangle ranks coupled]

One thread. Prints what a sweep takes per cell and direction with the same sweep in numpy beside
it; what films take; sweeps and time until the flux is constant to 1e-8, by solver and thickness;
a rectangle of 100 x 100 cells, 128 modes and 256 directions; two MPI ranks against one, medians of
pairs, with what two programs that share nothing give at best; and which part of a coupled run no
component computes. `least` compares the fastest of all, which other work on the machine disturbed
least.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

for _name in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402

import manyscale as ms  # noqa: E402
from manyscale_plugins.phonon_bte import PhononBte, kernel, sweep  # noqa: E402
from manyscale_plugins.phonon_bte.acceleration import Options  # noqa: E402
from manyscale_plugins.phonon_bte.share import ALONE  # noqa: E402
from manyscale_plugins.phonon_bte.spectrum import Spectrum, spectrum  # noqa: E402
from manyscale_plugins.phonon_modes import PhononModes  # noqa: E402
from manyscale_plugins.phonon_rectangle import balance, walls  # noqa: E402
from manyscale_plugins.phonon_rectangle.rectangle import Rectangle  # noqa: E402

WORKER, SECONDS, PAIRS = "worker", 2.0, 7
SPECS = Path(__file__).parents[1] / "coupling_specs"


def times(work: Callable[[], object], seconds: float = 0.7, most: int = 200) -> list[float]:
    """Return the seconds of calls, sorted; the first one, which compiles, is left out."""
    work()
    found, end = [], time.perf_counter() + seconds
    while len(found) < 3 or (time.perf_counter() < end and len(found) < most):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return sorted(found)


def silicon(table: str = "", n_modes: int = 128) -> Spectrum:
    """Return modes at 300 K."""
    return spectrum(*PhononModes(table_file=table, n_modes=n_modes).modes(300.0))


def gray(tau: float) -> Spectrum:
    """Return one mode of a slab of unit length."""
    return spectrum(np.ones(1), np.ones(1), np.array([1.0 / tau]))


def solver(film: kernel.Film, name: str = "dsa_gmres", limit: int = 100_000) -> Callable[[], int]:
    """Return a call that solves a film and returns its sweeps."""
    inflow, options = kernel.black(film, 1.0, 0.0), Options(name, 1e-8, limit)
    return lambda: kernel.solve(film, inflow, options).sweeps


def by_numpy(lanes: sweep.Lanes, theta: np.ndarray) -> np.ndarray:
    """Return the net flux through the faces by one vector operation per cell."""
    ratio, weight = lanes.ratio.ravel(), lanes.weight.ravel()
    phi, net = np.zeros(ratio.size), np.zeros(theta.size + 1)
    for i, emitted in enumerate(theta):
        phi = emitted + ratio * (phi - emitted)
        net[i + 1] += weight @ phi
    phi = np.zeros(ratio.size)
    for i in range(theta.size - 1, -1, -1):
        phi = theta[i] + ratio * (phi - theta[i])
        net[i] -= weight @ phi
    return net


def sweeps() -> None:
    """Print what a sweep takes, beside numpy."""
    film = kernel.Film(silicon(), 1e-6, 400, 16)
    lanes, theta = film.lanes(), np.linspace(0.5, -0.5, 400)
    nothing = np.zeros_like(lanes.ratio)
    ours = times(lambda: sweep.swept(lanes, theta, nothing, nothing))
    peer = times(lambda: by_numpy(lanes, theta))
    found = sweep.swept(lanes, theta, nothing, nothing)[0].sum(axis=0)
    off = np.abs(found - by_numpy(lanes, theta)).max() / np.abs(found).max()
    count = 400 * 2 * film.pairs
    print("sweep of 400 cells x 128 modes x 32 directions")
    for name, took in (("numba", ours), ("numpy", peer)):
        print(f"  {name}: {statistics.median(took) / count * 1e9:.2f} ns per cell and direction,"
              f" least {took[0] / count * 1e9:.2f}")  # fmt: skip
    ratio = statistics.median(peer) / statistics.median(ours)
    print(f"  ratio {ratio:.1f}, least {peer[0] / ours[0]:.1f}, results differ by {off:.0e}")


def films() -> None:
    """Print what whole films take."""
    rows = {
        "gray, 200 cells x 32 directions, L/Lambda = 1": kernel.Film(gray(1.0), 1.0, 200, 16),
        "silicon 1 um, 400 cells x 128 modes x 32": kernel.Film(silicon(), 1e-6, 400, 16),
        "first principles 1 um, 400 cells x 333 modes x 32": kernel.Film(
            silicon("silicon_pbesol"), 1e-6, 400, 16
        ),
    }
    for name, film in rows.items():
        run = solver(film)
        took = times(run)
        print(f"film, {name}: {1e3 * statistics.median(took):.2f} ms, least {1e3 * took[0]:.2f},"
              f" {run()} sweeps")  # fmt: skip


def iterations() -> None:
    """Print sweeps and time ratios by solver and thickness."""
    print("until the flux is constant to 1e-8, one mode, 200 cells x 32 directions:")
    print(f"  {'L/Lambda':>8} {'dsa':>5} {'gmres':>6} {'source':>8} {'time ratio source/dsa':>22}")
    for tau in (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0):
        film = kernel.Film(gray(tau), 1.0, 200, 16)
        row = [f"{solver(film)():>5}"]
        row.append(f"{solver(film, 'gmres')():>6}" if tau <= 100.0 else f"{'-':>6}")
        if tau <= 100.0:
            plain = solver(film, "source_iteration")
            ours, theirs = times(solver(film)), times(plain, 1.5, 20)
            row.append(f"{plain():>8} {statistics.median(theirs) / statistics.median(ours):>22.1f}")
        print(f"  {tau:>8g} {' '.join(row)}")
    for table in ("", "silicon_pbesol"):
        counts = [solver(kernel.Film(silicon(table), L, 200, 16))()
                  for L in (1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)]  # fmt: skip
        print(f"  {table or 'silicon'}, 1 nm to 1 mm: {counts} sweeps")


def rectangle() -> None:
    """Print what a sweep through a rectangle takes, and what it keeps."""
    hot, cold = walls.Wall("isothermal", 0.5), walls.Wall("isothermal", -0.5)
    square = Rectangle(
        silicon(), (1e-6, 1e-6), np.zeros((100, 100)), (hot, cold, cold, cold), (8, 8)
    )
    problem = balance.Problem(square, ALONE, None)
    start = problem.first_guess()
    took = times(lambda: problem.balance(start, False), 4.0)
    count = 100 * 100 * 128 * 256
    middle = statistics.median(took)
    print(f"rectangle, 100 x 100 cells x 128 modes x 256 directions: {middle:.2f} s a sweep,"
          f" {middle / count * 1e9:.2f} ns per cell and direction, least"
          f" {took[0] / count * 1e9:.2f}; the distribution would be"
          f" {8e-9 * count:.1f} GB")  # fmt: skip


# --- ranks


class Watch:
    """Adds up the processor time outside of some calls."""

    def __init__(self) -> None:
        self.inside = 0.0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a call that is left out."""

        def watched(*arguments: Any) -> Any:
            begun = time.thread_time()
            try:
                return call(*arguments)
            finally:
                self.inside += time.thread_time() - begun

        return watched


def worker() -> None:
    """Solve a film on all ranks for a while; the root prints what a solution takes."""
    from manyscale.hosting.plug import ONE_RANK

    spread, watch = ONE_RANK, Watch()
    if "PMI_SIZE" in os.environ:
        from manyscale.hosting.mpi import world

        spread = world()
        spread.view.gathered = watch.around(spread.view.gathered)  # type: ignore[method-assign]
        spread.view.sum = watch.around(spread.view.sum)  # type: ignore[method-assign]
    model = PhononBte(ncell=1000, n_mu=64, length=1e-6)
    object.__setattr__(model, "ranks", spread.view)
    modes = PhononModes(table_file="silicon_pbesol").modes(300.0)
    contact = ms.Contact(0.0, None, {**modes._asdict(), "t_ref": 300.0})
    asked = {"modes_in": contact, "bc_in": None, "incoming_in": None, "interface_in": None}
    found, work, end, flux = [], [], time.perf_counter() + SECONDS, 0.0
    while spread.tell(time.perf_counter() < end or len(found) < 3):
        watch.inside, spent, begun = 0.0, time.thread_time(), time.perf_counter()
        flux = float(model.f_init(ms.Start(0.0), ms.Received(asked)).q[0])
        found.append(time.perf_counter() - begun)
        work.append(time.thread_time() - spent - watch.inside)
    if spread.root:
        told = {"step": statistics.median(found[1:]), "least": min(found), "flux": flux}
        print(json.dumps({**told, "work": statistics.median(work[1:])}))


def started(before: list[str]) -> subprocess.Popen[str]:
    """Start a worker, on several ranks with an mpirun before it."""
    command = [*before, sys.executable, __file__, WORKER]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def answered(process: subprocess.Popen[str]) -> dict[str, float]:
    """Wait for a worker."""
    out, _ = process.communicate(timeout=180.0)
    return dict(json.loads(out))


def apart() -> float:
    """Return s per solution of two programs that run at the same time and share nothing."""
    with started([]) as one, started([]) as other:
        return max(answered(one)["step"], answered(other)["step"])


def ranks() -> None:
    """Print two ranks against one."""
    mpirun = Path(sys.executable).with_name("mpirun")
    if not mpirun.is_file():
        print("no mpirun beside this Python: pip install manyscale[mpi]")
        return
    ones, twos, best = [], [], []
    for _ in range(PAIRS):
        with started([]) as alone:
            ones.append(answered(alone))
        with started([str(mpirun), "-n", "2"]) as both:
            twos.append(answered(both))
        assert ones[-1]["flux"] == twos[-1]["flux"], "the bits differ"
        best.append(2.0 * ones[-1]["step"] / apart())
    pairs = list(zip(ones, twos, strict=True))
    ratios = sorted(one["step"] / two["step"] for one, two in pairs)
    least = [min(some, key=lambda one: one["least"])["least"] for some in (ones, twos)]
    work = statistics.median(one["work"] / two["work"] for one, two in pairs)
    print(
        "two ranks, first-principles film of 1000 cells x 333 modes x 128 directions, same bits:\n"
        f"  ratio {statistics.median(ratios):.2f}, least {least[0] / least[1]:.2f}"
        f" ({1e3 * least[0]:.1f} and {1e3 * least[1]:.1f} ms), best of this machine"
        f" {statistics.median(best):.2f}, pairs {' '.join(f'{r:.2f}' for r in ratios)}\n"
        f"  processor time of one rank over that of each of two, exchanges left out: {work:.2f}"
    )


# --- coupling


def coupled() -> None:
    """Print the part of coupled runs in which no component computes."""
    few = {"interface.windows": 12}
    for name, settings in (("phonon_film_first_principles", {}), ("phonon_hotspot", few)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run"
            more = [f"--set={key}={value}" for key, value in settings.items()]
            command = [sys.executable, "-m", "manyscale.cli", "run", SPECS / name, *more]
            subprocess.run([*command, "--run-dir", path], check=True, capture_output=True,
                           timeout=400.0)  # fmt: skip
            waited, whole = idle(path / "performance.sqlite")
        print(f"{name}: messages and waiting {100.0 * waited / whole:.1f} % of {whole:.2f} s")


def idle(database: Path) -> tuple[float, float]:
    """Return s in which every instance sent or received, and s from the second call to the end.

    The first call of every component imports and loads compiled code.
    """
    with sqlite3.connect(database) as opened:
        events = opened.execute(
            "select instance, start_time, stop_time, type from all_events"
            " where type in ('SEND', 'RECEIVE') order by start_time"
        ).fetchall()
    by_instance: dict[str, list[tuple[int, int]]] = {}
    for instance, begun, ended, _ in events:
        by_instance.setdefault(instance, []).append((begun, ended))
    busy, firsts, lasts = [], [], []
    for some in by_instance.values():
        gaps = [(a[1], b[0]) for a, b in pairwise(some) if b[0] > a[1]]
        busy += gaps
        if len(some) > 8:
            firsts.append(some[8][0])
            lasts.append(some[-1][1])
    low, high = max(firsts), min(lasts)
    computed, now = 0, low
    for begun, ended in sorted(busy):
        computed += max(0, min(ended, high) - max(begun, now))
        now = max(now, min(ended, high))
    return (high - low - computed) * 1e-9, (high - low) * 1e-9


def main() -> None:
    """Measure and print."""
    parts = {part.__name__: part for part in (sweeps, films, iterations, rectangle, ranks, coupled)}
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    if WORKER in sys.argv:
        worker()
    else:
        main()
