"""Fields of an answer that are not relaxed, but must have settled before a window ends."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def gathered(names: str, port: str, fields: Mapping[str, Any]) -> tuple[Array, list[int]]:
    """Return the named fields ('field field') as one vector (n,), and where they begin and end.

    Raises ValueError, beginning with the port, for a field that is missing or not finite.
    """
    values = [np.empty(0)]
    for name in names.split():
        if name not in fields:
            raise ValueError(f"{port} brings {sorted(fields)} without {name!r}, named by watch")
        value = np.asarray(fields[name], np.float64).ravel()
        if not np.isfinite(value).all():
            raise ValueError(f"{port}: {name}, named by watch, has values that are not finite")
        values.append(value)
    ends = np.cumsum([len(value) for value in values]).tolist()
    return np.concatenate(values), ends


def change(before: Array, now: Array, ends: list[int]) -> float:
    """Return the largest norm(now - before)/norm(now) of the fields; an empty `before` is zero."""
    step = now - before if len(before) == len(now) else now
    largest = 0.0
    for a, b in pairwise(ends):
        moved, size = np.linalg.norm(step[a:b]), np.linalg.norm(now[a:b])
        if moved > 0.0:
            largest = max(largest, float(moved / size) if size > 0.0 else np.inf)
    return largest
