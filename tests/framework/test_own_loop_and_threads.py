"""What a host owes beyond the loop: components that own theirs, and threads as given."""

import os
import subprocess
import sys

import pytest
import ymmsl
from ymmsl import v0_2 as y

import manyscale as ms
from manyscale import testing
from manyscale.hosting.in_process import run
from manyscale.results.record import open_record
from manyscale.testing import Component

PARTS = {
    "asker": Component("toys.irregular:Asker"),
    "average": Component("toys.irregular:Average"),
}
WIRES = {"asker.question": "average.asked", "average.answer": "asker.answer"}


def spec_of(folder):
    settings = {"average.offset": 10.0, "asker.record": "heard"}
    return testing.write_spec(folder, PARTS, WIRES, settings)


@pytest.mark.coupled
def test_a_component_may_own_its_loop(tmp_path):
    testing.run_with_muscle(spec_of(tmp_path), tmp_path / "run")
    heard = open_record(tmp_path / "run/instances/asker/workdir/record.nc", "heard")
    assert float(heard["mean"][0]) == 12.0


def test_in_this_process_it_is_refused(tmp_path):
    with pytest.raises(ms.Refused, match=r"average owns its loop .* needs MUSCLE3"):
        run(spec_of(tmp_path))


@pytest.mark.coupled
def test_threads_follow_the_resources(tmp_path):
    parts = {"counter": Component("toys.irregular:Threads")}
    spec = testing.write_spec(tmp_path, parts, {}, {"counter.record": "found"})
    config = ymmsl.load_as(y.Configuration, spec)
    path = y.Reference("coupling.counter")
    config.resources[path] = y.ThreadedResReq(path, 2)
    spec.write_text(ymmsl.dump(config))
    testing.run_with_muscle(spec, tmp_path / "run")
    found = open_record(tmp_path / "run/instances/counter/workdir/record.nc", "found")
    assert [int(found[name][0]) for name in ("openmp", "blas", "numba")] == [2, 2, 2]


@pytest.mark.parametrize(
    ("told", "asked"), [({}, False), ({"OPENBLAS_NUM_THREADS": "2"}, True)], ids=["alike", "not"]
)
def test_blas_is_limited_only_where_another_name_says_otherwise(told, asked):
    code = (
        "import numpy, sys; from manyscale.hosting import threads; threads.follow_resources();"
        "print('threadpoolctl' in sys.modules); from threadpoolctl import threadpool_info;"
        "print(*{lib['num_threads'] for lib in threadpool_info()})"
    )
    given = {**os.environ, "OMP_NUM_THREADS": "1", **told}
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=given
    )
    assert out.stdout.split() == [str(asked), "1"]


@pytest.mark.coupled
def test_a_failure_in_an_own_loop_names_the_component(tmp_path):
    parts = {**PARTS, "average": Component("toys.irregular:Falls")}
    spec = testing.write_spec(tmp_path, parts, WIRES, {})
    with pytest.raises(ms.Refused) as caught:
        testing.run_with_muscle(spec, tmp_path / "run")
    assert str(caught.value).endswith("average (in its own loop): KeyError: 'the own loop'")
