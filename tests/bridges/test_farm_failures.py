"""Members and workers that fail: each has its declared outcome, none hangs, none is silent."""

import re

import numpy as np
import pytest

import manyscale as ms
from manyscale.bridges.farm import call as calls
from manyscale.bridges.farm import farm
from toys.called import call
from toys.farmed import Dice, Fragile

X = np.arange(8.0)
JOBS = ({"jobs_in": {"member": np.arange(8), "x": X}}, 0.0)
PROCESSES = {"pool": "processes", "workers": 2}


def squares(**settings):
    sent, _ = call(farm(Fragile)(**settings), [JOBS])
    return sent[0]["results_out"]


@pytest.mark.parametrize("pool", [{"workers": 1}, {"workers": 3}, PROCESSES])
@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        ("raise", r"fragile_farm: member 3 failed on worker \d at t = 0 s: x = 3 is out of range;"
                  " set on_failure to retry or interpolate"),
        ("bug", r"member 3 failed on worker \d at t = 0 s: KeyError: 'nothing' \(.*farmed.py"),
        ("nan", r"member 3 failed on worker \d at t = 0 s: found.y is NaN or infinite"),
    ],
)  # fmt: skip
def test_a_member_that_fails_stops_the_run_with_its_name(trouble, sentence, pool):
    with pytest.raises(ms.Refused, match=sentence):
        squares(trouble=trouble, **pool)


def test_a_worker_that_is_killed_stops_the_run_with_its_name():
    sentence = (
        r"fragile_farm: worker 1 \(process \d+\) was killed by SIGKILL at t = 0 s, with members"
        " 1, 3, 5, 7 to do; set on_failure to retry or interpolate to go on"
    )
    with pytest.raises(ms.Refused, match=sentence):
        squares(trouble="killed", **PROCESSES)


@pytest.mark.parametrize("schedule", ["lpt_batch", "queue"])
def test_jobs_of_a_killed_worker_are_done_elsewhere(tmp_path, schedule):
    found = squares(
        trouble="killed_once", folder=str(tmp_path), on_failure="retry", schedule=schedule,
        **PROCESSES,
    )  # fmt: skip
    assert np.array_equal(found["y"], X * X)
    assert not found["provenance"].any()


def test_a_member_that_kills_every_worker_is_named():
    with pytest.raises(
        ms.Refused, match=r"member 3 failed 2 times at t = 0 s: worker \d \(process"
    ):
        squares(trouble="killed", on_failure="retry", **PROCESSES)


def test_a_member_that_takes_too_long_is_ended(tmp_path):
    with pytest.raises(ms.Refused, match=r"was ended: it took longer than 0.5 s for a member"):
        squares(trouble="stuck", time_limit=0.5, schedule="queue", **PROCESSES)


@pytest.mark.parametrize("trouble", ["raise", "nan", "bug"])
def test_what_fails_again_stops_a_farm_that_retries(tmp_path, trouble):
    with pytest.raises(ms.Refused, match="member 3 failed 3 times on worker 0"):
        squares(trouble=trouble, on_failure="retry", retries=2, workers=1, folder=str(tmp_path))
    assert (tmp_path / "3").read_text() == "..."


@pytest.mark.parametrize("pool", [{"workers": 1}, PROCESSES])
@pytest.mark.parametrize("trouble", ["raise", "nan", "bug", "killed"])
def test_a_member_that_fails_is_interpolated(trouble, pool):
    if trouble == "killed" and "pool" not in pool:
        pytest.skip("it would kill this process")
    found = squares(trouble=trouble, on_failure="interpolate", failure_limit=0.2, retries=0, **pool)
    # x = 3 between 2, 4 at distance 1 and 1, 5 at distance 2: weights 1/3, 1/3, 1/6, 1/6
    assert found["y"][3] == pytest.approx((4.0 + 16.0) / 3.0 + (1.0 + 25.0) / 6.0)
    assert found["err"][3] == pytest.approx(25.0 - found["y"][3])
    assert [*found["provenance"]] == [0, 0, 0, calls.INTERPOLATED, 0, 0, 0, 0]
    others = np.delete(np.arange(8), 3)
    assert np.array_equal(found["y"][others], X[others] ** 2)


def test_too_many_that_fail_are_not_interpolated():
    sentence = (
        r"1 of 8 members failed at t = 0 s, more than failure_limit = 0.05 allows; the first,"
        r" member 3: x = 3 is out of range"
    )
    with pytest.raises(ms.Refused, match=sentence):
        squares(trouble="raise", on_failure="interpolate", workers=1)


def test_a_spike_in_cost_is_told_and_balanced(capfd):
    jobs = [JOBS, (JOBS[0], 1.0), (JOBS[0], 2.0)]
    sent, _ = call(farm(Fragile)(trouble="slow", workers=2), jobs)
    assert np.array_equal(sent[2]["results_out"]["y"], X * X)
    assert re.match(r"fragile_farm: member 3 took 0.3\d* s at t = 1 s, \d+ times what was expected",
                    capfd.readouterr().err)  # fmt: skip


def test_members_that_differ_in_shape_are_refused():
    jobs = {"member": np.arange(2), "mean": np.zeros(2), "fidelity": np.array([0, 1], np.int32)}
    with pytest.raises(ms.Refused, match="members of a farm answer alike"):
        call(farm(Dice)(workers=1, fidelities="points=5"), [({"jobs_in": jobs}, 0.0)])


def test_a_fidelity_that_is_not_set_is_refused():
    jobs = {"member": np.arange(2), "mean": np.zeros(2), "fidelity": np.array([0, 2], np.int32)}
    with pytest.raises(ms.Refused, match="fidelity 2 of member 1 is none of 0 to 1"):
        call(farm(Dice)(fidelities="points=3"), [({"jobs_in": jobs}, 0.0)])
    with pytest.raises(ms.Refused, match=r"'pionts=3' is no `name=value`.* Did you mean 'points'"):
        farm(Dice)(fidelities="pionts=3")
