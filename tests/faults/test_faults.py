"""Faults injected into running couplings at seeded random moments.

After each: the right exit code and cause, no process, no shared memory, no secret left, and
where the run survives, the exact result. `MANYSCALE_FAULT_SEED` repeats one that failed.
"""

import os

import numpy as np
import pytest

from faults.kinds import ALL

pytestmark = pytest.mark.coupled
REPETITIONS = 7  # of every kind, in the long run
SEED = int(os.environ.get("MANYSCALE_FAULT_SEED", "20261121"))

CASES = [
    pytest.param(name, n, marks=[] if fast and n == 0 else pytest.mark.nightly)
    for name, (_, fast) in ALL.items()
    for n in range(REPETITIONS)
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("faults")


@pytest.mark.parametrize(("name", "n"), CASES)
def test_a_fault_ends_as_it_must(place, name, n):
    torment, _ = ALL[name]
    seed = [SEED, n, *name.encode()]
    folder = place / f"{name}_{n}"
    folder.mkdir()
    wrong = torment(folder, np.random.default_rng(seed))
    assert not wrong, f"{name}, seed {SEED}, repetition {n}: {'; '.join(wrong)}"
