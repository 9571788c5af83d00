"""Members that are alike: who computes, who copies, and how far apart they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import manyscale as ms
from manyscale.bridges.farm import farm, similarity
from manyscale.bridges.farm.call import COPIED
from toys.called import call
from toys.farmed import Creep, radiation


def pairs(points):
    return np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.integers(1, 4), st.integers(1, 80), st.integers(0, 10_000),
    st.sampled_from([(0.0, 0.0), (0.05, 0.1), (0.2, 0.2), (0.4, 2.0)]),
)  # fmt: skip
def test_the_grid_finds_what_all_pairs_find(axes, count, seed, tolerances):
    rng = np.random.default_rng(seed)
    points, active = rng.random((count, axes)).round(1 + seed % 3), rng.random(count) < 0.6
    found = similarity.cover(points, active, *tolerances)
    slow = similarity.cover_pairs(pairs(points), active, *tolerances)
    assert np.array_equal(found.active, slow.active)
    assert found.distance == pytest.approx(slow.distance, abs=1e-12)
    # everybody has somebody who computes within the tolerance
    assert found.active[found.owner].all()
    assert (found.distance <= tolerances[1] + 1e-12).all()
    assert found.distance == pytest.approx(pairs(points)[np.arange(count), found.owner], abs=1e-12)


def test_a_member_starts_and_stops_computing_with_hysteresis():
    active = np.array([True, True])
    for gap, expected in [(0.2, 2), (0.08, 2), (0.04, 1), (0.08, 1), (0.12, 2), (0.08, 2)]:
        found = similarity.cover(np.array([[0.0], [gap]]), active, 0.05, 0.1)
        active = found.active
        assert active.sum() == expected, gap


def test_distances_of_all_pairs_never_cancel():
    one, other = np.array([[0.0], [1.0]]), np.array([[1.0], [0.0]])
    distance = similarity.accumulated(np.zeros((2, 2)), one, 1.0, 1.0)
    distance = similarity.accumulated(distance, other, np.exp(-0.5), 1.0)
    assert distance[0, 1] == pytest.approx(1.0 + np.exp(-0.5))


def test_copies_do_not_depend_on_the_order_of_jobs():
    rng = np.random.default_rng(3)
    T = rng.uniform(300.0, 400.0, 50)
    order = rng.permutation(50)
    answers = []
    for ids in (np.arange(50), order):
        jobs = {"member": ids, "temperature": T[ids]}
        sent, _ = call(farm(radiation)(adaptivity="present"), [({"jobs_in": jobs}, 0.0)] * 2)
        answers.append(sent[1]["results_out"])
    assert np.array_equal(answers[0]["flux"][order], answers[1]["flux"])
    assert np.array_equal(answers[0]["provenance"][order], answers[1]["provenance"])


def test_the_error_is_a_bound_for_members_without_memory():
    # q = e s T4 between 300 and 400 K changes by at most 4 e s 400**3 per K
    steepest = 4.0 * 0.8 * 5.670374419e-8 * 400.0**3
    rng = np.random.default_rng(0)
    feed = [
        ({"jobs_in": {"member": np.arange(300), "temperature": rng.uniform(300.0, 400.0, 300)}}, t)
        for t in np.arange(5.0)
    ]
    made = farm(radiation)(adaptivity="present", Cr=0.02, lipschitz=steepest)
    sent, _ = call(made, feed)
    for (jobs, _), one in zip(feed, sent, strict=True):
        results, T = one["results_out"], jobs["jobs_in"]["temperature"]
        error = np.abs(results["flux"] - 0.8 * 5.670374419e-8 * T**4)
        assert (results["provenance"] == COPIED).mean() > 0.7
        assert (error <= results["err"] + 1e-9).all()
        assert results["err"].max() <= steepest * 0.02 * np.ptp(T)


def test_scales_say_what_counts_as_near():
    jobs = {"member": np.arange(3), "temperature": np.array([300.0, 300.9, 310.0])}
    made = farm(radiation)(adaptivity="present", adaptivity_tol=0.5, input_scale="temperature 4 K")
    sent, _ = call(made, [({"jobs_in": jobs}, 0.0)])
    assert [*sent[0]["results_out"]["provenance"]] == [0, COPIED, 0]


def test_who_wakes_up_begins_with_the_state_it_copied():
    def strain(*increments):
        return {"jobs_in": {"member": np.arange(2), "increment": np.array(increments)}}

    feed = [(strain(1e-3, 1e-3), 0.0), (strain(2e-3, 2e-3), 1.0), (strain(2e-3, 9e-3), 2.0)]
    sent, _ = call(farm(Creep)(adaptivity="present", adaptivity_tol=1e-3, workers=1), feed)
    assert [[*one["results_out"]["provenance"]] for one in sent] == [[0, 2], [0, 2], [0, 0]]
    alone, _ = call(farm(Creep)(workers=1), feed)
    # they were the same so far, so nothing is lost
    assert np.array_equal(sent[2]["results_out"]["stress"], alone[2]["results_out"]["stress"])
    assert [*sent[2]["results_out"]["calls"]] == [3, 3]


def test_in_a_repeated_window_the_same_members_compute():
    def strain(*increments):
        return {"jobs_in": {"member": np.arange(2), "increment": np.array(increments)}}

    feed = [(strain(1e-3, 1e-3), 0.0, 0, 0), (strain(1e-3, 8e-3), 0.0, 0, 1),
            (strain(1e-3, 8e-3), 1.0, 1, 0)]  # fmt: skip
    made = farm(Creep)(adaptivity="present", adaptivity_tol=1e-3)
    sent, _ = call(made, feed)
    assert [[*one["results_out"]["provenance"]] for one in sent] == [[0, 2], [0, 2], [0, 0]]


def test_all_pairs_are_for_few():
    n = 2001
    jobs = {"member": np.arange(n), "temperature": np.linspace(300.0, 400.0, n)}
    with pytest.raises(ms.Refused, match="pairs compares all pairs of up to 2000 members, found 2"):
        call(farm(radiation)(adaptivity="pairs"), [({"jobs_in": jobs}, 0.0)])


@pytest.mark.parametrize("mode", ["present", "vectors", "pairs"])
def test_members_may_come_and_go(mode):
    rng = np.random.default_rng(5)
    feed = []
    for t in range(8):
        ids = rng.permutation(12)[: 12 - 3 * (t % 3)]
        feed.append(({"jobs_in": {"member": ids, "temperature": 300.0 + 2.0 * ids + t}}, float(t)))
    sent, progress = call(farm(radiation)(adaptivity=mode, Cr=0.2, Lambda=0.3), feed)
    for (jobs, _), one in zip(feed, sent, strict=True):
        exact = 0.8 * 5.670374419e-8 * jobs["jobs_in"]["temperature"] ** 4
        copied = one["results_out"]["provenance"] == COPIED
        assert np.allclose(one["results_out"]["flux"][~copied], exact[~copied], rtol=1e-14)
        # histories of those that were away are shorter, so that others are near
        assert one["results_out"]["flux"] == pytest.approx(
            exact, rel=0.1 if mode == "present" else 0.2
        )
    assert [*progress.memory.trial.like_ids] == [*range(12)]
