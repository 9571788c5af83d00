"""Growth of ion and electron modes: 64 k_y by 32 k_par, beside the same in plain numpy and scipy.

Prints ms for one species and for both, for one radius and for 16; how many times longer the same
samples take with arrays over k_y and scipy.special.wofz, Newton from one sample to the next; and
how many roots of 1000 random modes were missed, by the argument principle. One core, one run.
Last, 4 radii with the magnetic drift on one MPI rank and on two in turn, and which ratio two
programs that know nothing of each other reach on this machine.
"""

import os

for name in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ[f"{name}_NUM_THREADS"] = "1"

import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
from scipy.special import i0e, i1e, wofz  # noqa: E402

from manyscale_plugins.gyrokinetic_dispersion import fastest, kernel, roots, slab  # noqa: E402

REPEATS, SAMPLES, RADII, RANDOM, PAIRS = 9, 32, 16, 1000, 3
SHARED = 4  # radii on ranks
WORKER = "worker"
MASS_RATIO, ION_MASS = 3670.48, 3.3435837768e-27


def milliseconds(function):
    """Median time of a call, and what it returned."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = function()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times), found


def plasma(radii):
    """Return a plasma of 2 keV whose gradients grow with the radius."""
    one = np.ones(radii)
    slope = np.linspace(3.0, 6.0, radii)
    return kernel.Plasma(
        2000 * one, 2000 * one, 1e20 * one, 5.4 * one, 0.21 * one, 0.67 * one, one, slope, slope
    )


def scan(curvature=False):
    """Return 64 wave numbers from ions to electrons."""
    ky = kernel.wave_numbers(0.05, 60.0, 64)
    return kernel.Scan(ky, SAMPLES, MASS_RATIO, ION_MASS, curvature, 1.0)


def both(radii, curvature=False):
    """Return spectra of both species at some radii."""
    here, asked = plasma(radii), scan(curvature)
    branches = [kernel.branch(here, asked, one) for one in (kernel.ION, kernel.ELECTRON)]
    return kernel.merged(here, asked, *branches)


def plain():
    """Growth of ions at the same samples (sample, k_y): arrays over k_y, wofz, Newton."""
    b = scan().ky_rhos ** 2
    G0, G1 = i0e(b), i1e(b)
    kn, kt = 1.0, 3.0
    top = np.sqrt(G0 * kt * (kt * (0.5 * G0 + b * (G0 - G1)) - kn * G0) / (2.0 * (2.0 - G0)))
    w = -(top**2) * 2.0 / (kt * G0) + 0j
    found = []
    for j in range(SAMPLES):
        s = top * (1.0 - (1.0 - fastest.LOWEST) * (j + 1) / SAMPLES)
        for _ in range(60):
            zeta = w / s
            Z = 1j * np.sqrt(np.pi) * wofz(zeta)
            X = 1.0 + zeta * Z
            W = zeta * X - 0.5 * Z
            D = 2.0 + G0 * (zeta + kn / s) * Z + kt / s * (W * G0 + b * (G1 - G0) * Z)
            slope = G0 * Z - 2.0 * X * G0 * (zeta + kn / s)
            slope += kt / s * (((3.0 - 2.0 * zeta**2) * X - 1.0) * G0 - 2.0 * X * b * (G1 - G0))
            step = D / slope * s
            w = w - step
            if (np.abs(step) < 1e-12 * np.abs(w)).all():
                break
        found.append(w)
    return np.array(found)


def missed():
    """Modes of RANDOM random ones whose roots are not as many as the argument principle counts."""
    rng, count = np.random.default_rng(2), 0
    for _ in range(RANDOM):
        b, theta = 10.0 ** rng.uniform(-3.0, 1.2), 10.0 ** rng.uniform(-0.7, 0.7)
        kn = rng.uniform(0.0, 20.0) * (rng.random() > 0.25)
        spread = b * (i0e(b) - i1e(b))
        mode = slab.Mode(i0e(b), spread, theta, kn, rng.uniform(0.1, 20.0), 0.0)
        s = 10.0 ** rng.uniform(-1.5, 1.5)
        found, wanted = roots.growing(s, 1e-4 * s, mode, roots.NO_NODES, roots.NO_NODES)
        count += len(found) != wanted
    return count


def worker():
    """Solve this rank's radii with the drift and print the seconds of the slowest rank."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    first, last = (SHARED * rank // comm.size for rank in (comm.rank, comm.rank + 1))
    own, asked = plasma(SHARED).part(slice(first, last)), scan(True)
    kernel.branch(own.part(slice(0, 1)), asked, kernel.ION)
    comm.Barrier()
    start = time.perf_counter()
    for one in (kernel.ION, kernel.ELECTRON):
        kernel.branch(own, asked, one)
    seconds = comm.allreduce(time.perf_counter() - start, MPI.MAX)
    if comm.rank == 0:
        print(seconds)


def started(ranks):
    """Start the worker on some ranks."""
    mpirun = [str(Path(sys.executable).with_name("mpirun")), "-n", str(ranks)] if ranks > 1 else []
    return subprocess.Popen(
        [*mpirun, sys.executable, __file__, WORKER], stdout=subprocess.PIPE, text=True
    )


def answered(process):
    """Return the seconds a worker printed."""
    return float(process.communicate(timeout=300)[0].split()[-1])


def on_ranks():
    """Print how two ranks compare with one, and with two programs side by side."""
    ratios, apart, seconds = [], [], []
    for _ in range(PAIRS):
        alone, together = answered(started(1)), answered(started(2))
        pair = [started(1), started(1)]
        ratios.append(alone / together)
        apart.append(2.0 * alone / max(answered(one) for one in pair))
        seconds.append(alone)
    print(
        f"{SHARED} radii with the drift: {statistics.median(seconds):.1f} s on one rank, ratio to"
        f" two {statistics.median(ratios):.2f}; two programs apart {statistics.median(apart):.2f}"
    )


if sys.argv[1:] == [WORKER]:
    worker()
    sys.exit()
both(1), both(1, True), missed()  # compile
alone, ions = milliseconds(lambda: kernel.branch(plasma(1), scan(), kernel.ION))
pair, _ = milliseconds(lambda: both(1))
radial, _ = milliseconds(lambda: both(RADII))
peer, roots_of_peer = milliseconds(plain)
print(f"64 k_y x {SAMPLES} k_par: one species {alone:.1f} ms, both {pair:.1f} ms (aim 200 ms)")
print(f"{RADII} radii, both species: {radial:.0f} ms, {radial / RADII:.1f} ms each")
rate = scan().ky_rhos / plasma(1).rho_s(ION_MASS)[0] * 2000.0 / (5.4 * 0.21)
highest = (roots_of_peer.imag.max(axis=0) * rate / ions.gamma[0]).max()
print(
    f"the same samples in numpy and scipy: {peer:.0f} ms for one species, ratio"
    f" {peer / alone:.1f}; its fastest sample is {highest:.4f} of the crest at most"
)
curved, _ = milliseconds(lambda: both(1, True))
print(f"with the magnetic drift of the torus: {curved:.0f} ms, {curved / pair:.0f} times the slab")
start = time.perf_counter()
print(f"{RANDOM} random modes: {missed()} with a missed root", end="")
print(f", {1e3 * (time.perf_counter() - start) / RANDOM:.2f} ms each with the count")
if Path(sys.executable).with_name("mpirun").is_file():
    on_ranks()
else:
    print("no mpirun beside this Python: pip install manyscale[mpi]")
