"""One random stream per member, keyed by what it is and not by who computes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def seeds(seed: int, *keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a seed (n,) in 0 .. 2**63 - 1 for every row of the keys, each (n,).

    Each key is mixed in with the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    """
    state = _mixed(np.asarray(seed % 2**64, dtype=np.uint64))
    for key in keys:
        state = _mixed(state ^ _mixed(np.asarray(key).astype(np.uint64)))
    return (state >> np.uint64(1)).astype(np.int64)


def _mixed(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        word = word + _STEP
        word = (word ^ (word >> np.uint64(30))) * _FIRST
        word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))
