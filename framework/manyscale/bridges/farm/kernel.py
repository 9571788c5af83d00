"""Numbers of a farm: seeds of members, and their neighbours."""

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


def uniform_of(seeds: Array, salt: int) -> Array:
    """Return one number in [0, 1) per seed (n,), another one for every salt."""
    return np.asarray(seeds_of(salt, seeds.astype(np.uint64)) * 2.0**-63)


def neighbours(points: Array, known: Array, asked: Array, count: int) -> tuple[Array, Array]:
    """Return the `count` known rows nearest to each asked one (m, k), and their weights (m, k).

    Weights fall as 1/distance (Shepard 1968); a point of its own takes all.
    """
    from scipy.spatial import cKDTree

    near = min(count, len(known))
    distance, index = cKDTree(points[known]).query(points[asked], k=range(1, near + 1))
    same = distance == 0.0
    inverse = np.where(same, 1.0, 1.0 / np.where(same, 1.0, distance))
    weight = np.where(same.any(axis=1, keepdims=True), same, inverse)
    return known[index], weight / weight.sum(axis=1, keepdims=True)


def decay(sizes: Array, variances: Array) -> tuple[float, bool]:
    """Return the exponent of variance against sample size, and whether samples represent the whole.

    -1 for samples of independent parts; near 0 for a medium that is not ergodic, whose samples
    differ however large they are: no size of them stands for the medium.
    """
    slope = float(np.polyfit(np.log(sizes), np.log(variances), 1)[0])
    return slope, slope < -0.5
