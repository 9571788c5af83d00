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
    for name in _ALIKE:
        os.environ.setdefault(name, count)
    from threadpoolctl import threadpool_limits

    threadpool_limits(int(count))  # numpy has loaded its BLAS already
