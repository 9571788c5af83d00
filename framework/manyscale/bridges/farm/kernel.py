"""Numbers of a farm: seeds of members."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def seeds_of(seed: int, ids: Array) -> Array:
    """Return a seed per member (n,), from the farm's seed and the member's id alone.

    SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): distinct ids have distinct seeds.
    """
    with np.errstate(over="ignore"):
        z = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return np.asarray((z >> np.uint64(1)).astype(np.int64))
