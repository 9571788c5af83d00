"""Cost of one accelerated iteration beside the same step by numpy.linalg.lstsq, and by scipy.

    python benchmarks/relaxation.py

One BLAS thread, 50 columns of several windows. `filtered`: the new column is a copy of an old one,
so that columns are orthogonalised one by one. `bridge`: the operators o_i and s of the scale
model as the host calls them, with the same columns.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import numpy as np
from scipy.optimize import anderson
from threadpoolctl import threadpool_limits

import manyscale as ms
from manyscale.bridges.relaxation import Relaxation, kernel

COLUMNS, REPEATS = 50, 15
OPTIONS = kernel.Options(max_columns=COLUMNS, reuse=100)
Pair = tuple[np.ndarray, np.ndarray]


def median(work: Callable[[], object]) -> float:
    """Return the median time in ms."""
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - begin))
    return float(np.median(times))


def filled(n: int) -> tuple[kernel.Memory, Pair, Pair]:
    """Return a memory with all columns, an evaluation with a new direction, and one without."""
    random = np.random.default_rng(0)
    memory = kernel.begin(np.array([0, n]))
    for _ in range(10):
        for _ in range(6):
            memory = kernel.evaluated(OPTIONS, memory, *random.normal(size=(2, n)))
        memory = kernel.settled(OPTIONS, memory)
    memory = kernel.evaluated(OPTIONS, memory, *random.normal(size=(2, n)))
    x, image = random.normal(size=(2, n))
    return memory, (x, image), (x, x + memory.residual + memory.V_past[0])


def by_lstsq(memory: kernel.Memory) -> Callable[[], object]:
    """Return the same step by numpy."""
    V = np.concatenate((memory.V_now, memory.V_past)).T
    W = V + np.concatenate((memory.X_now, memory.X_past)).T
    return lambda: memory.image + W @ np.linalg.lstsq(V, -memory.residual, rcond=None)[0]


def of_the_bridge(memory: kernel.Memory, pair: Pair) -> Callable[[], object]:
    """Return a turn of the scale model at this memory."""
    model, n = Relaxation(reuse=100), len(memory.x)
    first = ms.Contact(0.0, None, {"x": pair[0]}, units={"x": "1"})
    state = model.f_init(
        ms.Start(0.0), ms.Received({"initial_in": first, "y_initial_in": None})
    ).but(**memory._asdict(), guess=pair[0], history=np.ones(n))
    answer = ms.Contact(0.0, None, {"x": pair[1]}, units={"x": "1"})
    received = ms.Received({"xt_in": answer, "yt_in": None})
    return lambda: (model.o_i(state), model.s(state, received))


def scipy_iteration(n: int) -> float:
    """Return ms per iteration of scipy.optimize.anderson with 50 columns on a linear problem."""
    random, times = np.random.default_rng(1), []
    d, b = random.uniform(-3.0, 0.9, n), random.normal(size=n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its matrix is singular once there is nothing to learn
        try:
            anderson(
                lambda x: d * x + b - x, np.zeros(n), M=COLUMNS, maxiter=COLUMNS + 12,
                callback=lambda x, f: times.append(time.perf_counter()), f_tol=1e-300,
                line_search=None,
            )  # fmt: skip
        except Exception as exc:  # it stops at maxiter, as it should here
            if "onverge" not in type(exc).__name__:
                raise
    return 1e3 * float(np.median(np.diff(times)[-10:]))


def main() -> None:
    """Print a table."""
    names = ("relaxation", "filtered", "bridge", "numpy lstsq", "scipy anderson")
    print(f"{'n':>8}", *(f"{name:>15}" for name in names), "  [ms/iteration]")
    with threadpool_limits(1):
        for n in (101, 1000, 10_000, 100_000):
            memory, new, old = filled(n)

            def iterated(pair: Pair, memory: kernel.Memory = memory) -> Callable[[], object]:
                return lambda: kernel.proposed(OPTIONS, kernel.evaluated(OPTIONS, memory, *pair))

            after = kernel.evaluated(OPTIONS, memory, *new)
            row = [median(iterated(new)), median(iterated(old)), median(of_the_bridge(memory, new))]
            row += [median(by_lstsq(after)), scipy_iteration(n)]
            print(f"{n:8d}", *(f"{value:15.3f}" for value in row))


if __name__ == "__main__":
    main()
