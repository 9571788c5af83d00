"""Threads of an instance: as many as its resources give it, in every library."""

from __future__ import annotations

import os

GIVEN = "OMP_NUM_THREADS"
"""MUSCLE3 sets this from the resources of the component."""
_ALIKE = ("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


def follow_resources() -> None:
    """Let numba and BLAS use the threads that OpenMP may use; call it before numba is imported."""
    count = os.environ.get(GIVEN, "")
    if not count.isdigit():
        return
    told_otherwise = any(
        name.endswith("_NUM_THREADS") and value != count for name, value in os.environ.items()
    )
    for name in _ALIKE:
        os.environ.setdefault(name, count)
    if told_otherwise:  # numpy has loaded its BLAS already, and a name of its own came first
        from threadpoolctl import threadpool_limits

        threadpool_limits(int(count))
