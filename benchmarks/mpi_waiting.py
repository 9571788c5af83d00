"""What a rank burns while it waits for the root, and how fast it wakes, beside a plain bcast.

Starts itself on two ranks with the mpirun of this environment; the root says nothing for some
time, then a word that carries the moment it was said. Aims: 3 % of a core and 2 ms.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SILENCES = ((0.05, 40), (0.5, 12), (3.0, 5))  # s, how often
WORKER = "worker"


def main() -> None:
    """Start the two ranks."""
    mpirun = Path(sys.executable).with_name("mpirun")
    if not mpirun.is_file():
        sys.exit("There is no mpirun beside this Python: pip install manyscale[mpi]")
    command = [mpirun, "-n", "2", sys.executable, __file__, WORKER]
    subprocess.run(command, check=True, timeout=280.0)


def worker() -> None:
    """Measure on two ranks and print on the one that waits."""
    from mpi4py import MPI

    from manyscale.hosting.mpi import MpiSpread

    comm = MPI.COMM_WORLD
    ways: dict[str, Callable[[Any], Any]] = {"tell": MpiSpread(comm).tell, "bcast": comm.bcast}
    waits = comm.Get_rank() == 1
    if waits:
        print(f"{'silence s':>9} {'':>6} {'CPU %':>7} {'wake-up ms: median':>19} {'95 %':>7}")
    for silence, count in SILENCES:
        found = {name: listened(way, comm, silence, count) for name, way in ways.items()}
        if waits:
            for name, (share, median, late) in found.items():
                print(f"{silence:>9} {name:>6} {100 * share:>7.2f} {median:>19.3f} {late:>7.3f}")
            ratios = np.divide(found["tell"], found["bcast"])
            print(f"{'':>9} {'ratio':>6} {ratios[0]:>7.3f} {ratios[1]:>19.1f} {ratios[2]:>7.1f}")
            sys.stdout.flush()


def listened(
    way: Callable[[Any], Any], comm: Any, silence: float, count: int
) -> tuple[float, float, float]:
    """Return the share of a core and the median and 95th percentile of the wake-up in ms."""
    comm.Barrier()
    late = []
    begun, burnt = time.perf_counter(), time.process_time()
    for _ in range(count):
        if comm.Get_rank() == 0:
            time.sleep(silence)
        said = way(time.monotonic())  # one clock for both: they share a machine
        late.append(1e3 * (time.monotonic() - said))
    share = (time.process_time() - burnt) / (time.perf_counter() - begun)
    return share, float(np.median(late)), float(np.percentile(late, 95))


if __name__ == "__main__":
    worker() if WORKER in sys.argv else main()
