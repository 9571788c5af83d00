"""Farms in couplings: threads, processes, ranks and worker components give the same bits."""

import numpy as np
import pytest

from manyscale import testing
from manyscale.hosting.in_process import run
from manyscale.testing import Component
from toys.interrupted import resumed

FARM = "manyscale.bridges.farm:farm@toys.farmed:"
WORKER = "manyscale.bridges.farm:worker@toys.farmed:"
WIRES = {"macro.jobs_out": "farm.jobs_in", "farm.results_out": "macro.results_in"}
OUTSIDE = {"farm.work_out": "worker.jobs_in", "worker.results_out": "farm.work_in"}
RECORD = {"macro.record": "final;jobs_out", "farm.record": "results_out"}
TIME_LIMIT = 90.0


def spec_of(folder, model="Creep", workers=None, ranks=None, **settings):
    parts = {
        "macro": Component("toys.farmed:Strainer"),
        "farm": Component(FARM + model, ranks=ranks),
    }
    wires = WIRES
    if workers:
        parts["worker"] = Component(WORKER + model, workers)
        wires = WIRES | OUTSIDE
    settings = {k.replace("_", ".", 1): v for k, v in settings.items()}
    return testing.write_spec(folder, parts, wires, {**RECORD, **settings})


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The members one after the other in this process."""
    folder = tmp_path_factory.mktemp("farm")
    testing.run_in_process(spec_of(folder / "spec", farm_workers=1), folder / "here")
    return folder / "here"


@pytest.mark.parametrize("model", ["Creep", "Creeps"])
@pytest.mark.parametrize(
    "way",
    [
        {"farm_workers": 2},
        {"farm_workers": 4, "farm_schedule": "queue"},
        {"farm_workers": 2, "farm_pool": "processes"},
        {"workers": 1},
        {"workers": 4},
        {"workers": 2, "farm_schedule": "equal_count"},
    ],
    ids=str,
)
def test_any_workers_give_the_same_bits(plain, tmp_path, model, way):
    testing.run_in_process(spec_of(tmp_path / "spec", model, **way), tmp_path / "here")
    assert not testing.differences(plain, tmp_path / "here")


@pytest.mark.coupled
@pytest.mark.parametrize(
    "way",
    [
        {"farm_workers": 2},
        {"farm_workers": 2, "farm_pool": "processes"},
        {"workers": 2},
        {"ranks": 2},
        {"ranks": 3, "farm_schedule": "queue"},
    ],
    ids=str,
)
def test_under_muscle3_too(plain, tmp_path, way):
    spec = spec_of(tmp_path / "spec", "Creep", **way)
    run = testing.run_with_muscle(spec, tmp_path / "run", TIME_LIMIT)
    assert not testing.differences(plain, run)


@pytest.mark.coupled
@pytest.mark.parametrize(
    "way",
    [
        {"farm_workers": 2, "farm_adaptivity": "vectors"},
        pytest.param({"workers": 2}, marks=pytest.mark.nightly),
        pytest.param({"ranks": 2}, marks=pytest.mark.nightly),
        pytest.param({"farm_workers": 2, "farm_pool": "processes"}, marks=pytest.mark.nightly),
    ],
    ids=str,
)
def test_a_killed_run_resumes_to_the_same_bits(tmp_path, way):
    long = {"macro_steps": 40, "macro_pause": 0.02}
    spec = spec_of(tmp_path / "spec", "Creep", **way, **long)
    testing.run_in_process(spec, tmp_path / "here")
    run = resumed(spec, tmp_path, every=2.0, after=4)
    assert not testing.differences(tmp_path / "here", run)
