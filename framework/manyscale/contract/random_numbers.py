"""Random numbers that are the same on any host, after any rewind and restart."""

from __future__ import annotations

import numpy as np


def random_numbers(seed: int, step: int = 0) -> np.random.Generator:
    """Return the generator of one step: counter-based, so nothing has to be remembered.

    `seed` is `start.seed` (keep it in the State), `step` counts the steps of the pass. Each step
    has 2**64 blocks of numbers of its own (Philox 4x64; Salmon et al., Parallel random numbers:
    as easy as 1, 2, 3, SC 2011).
    """
    # the lowest word counts within the step
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, step, 0, 0]))
