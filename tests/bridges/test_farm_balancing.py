"""Who computes what: lists of jobs, and how long the last worker takes beside the ideal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyscale.bridges.farm import balancing, farm
from manyscale.bridges.farm.kernel import neighbours, seeds_of, uniform_of
from toys.called import call
from toys.farmed import Dice

DRAWS, JOBS = 200, 256


def over_ideal(sigma, workers, makespan):
    """Mean of makespan/ideal over draws of lognormal costs."""
    rng, ratios = np.random.default_rng(0), []
    for _ in range(DRAWS):
        cost = rng.lognormal(0.0, sigma, JOBS)
        ratios.append(makespan(cost, rng) / balancing.ideal(cost, workers))
    return np.mean(ratios)


@pytest.mark.parametrize(
    ("sigma", "rounds", "equal", "queue"),
    [(0.3, 1.65, 1.15, 1.05), (1.0, 4.03, 1.66, 1.26), (1.5, 4.57, 1.67, 1.30)],
)
def test_simulated_makespans_of_plain_schedules(sigma, rounds, equal, queue):
    found = [
        over_ideal(sigma, 16, lambda c, _: balancing.rounds_makespan(c, 16)),
        over_ideal(sigma, 16, lambda c, _: balancing.makespan(balancing.equal_count(JOBS, 16), c)),
        over_ideal(sigma, 16, lambda c, _: balancing.queue_makespan(np.arange(JOBS), c, 16)),
    ]
    assert found == pytest.approx([rounds, equal, queue], rel=0.1)


@pytest.mark.parametrize(("workers", "expected"), [(2, 1.02), (4, 1.04), (16, 1.13)])
def test_longest_first_with_costs_known_to_a_fifth(workers, expected):
    def makespan(cost, rng):
        known = cost * np.maximum(1.0 + 0.2 * rng.standard_normal(JOBS), 0.01)
        return balancing.makespan(balancing.lpt(known, workers), cost)

    assert over_ideal(1.0, workers, makespan) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("workers", [2, 4, 16])
def test_portions_on_demand_are_nearly_ideal(workers):
    def makespan(cost, rng):
        parts = balancing.portions(cost * rng.lognormal(0.0, 0.2, JOBS), workers)
        each = np.array([cost[part].sum() for part in parts])
        return balancing.queue_makespan(np.arange(len(parts)), each, workers)

    assert over_ideal(1.0, workers, makespan) <= 1.01


def test_a_long_job_stays_alone():
    cost = np.array([0.05] * 4 + [0.6] + [0.05] * 7)
    lists = balancing.lpt(cost, 3)
    assert [*map(len, lists)] == [1, 6, 5]
    assert lists[0][0] == 4
    assert balancing.makespan(lists, cost) == pytest.approx(0.6)
    assert balancing.ideal(cost, 3) == 0.6


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.lists(st.floats(0.0, 1e3), min_size=1, max_size=60),
    st.integers(1, 9),
    st.sampled_from(["lpt", "portions", "equal"]),
)
def test_every_job_is_done_once(cost, workers, way):
    cost = np.array(cost)
    lists = {
        "lpt": lambda: balancing.lpt(cost, workers),
        "portions": lambda: balancing.portions(cost, workers),
        "equal": lambda: balancing.equal_count(len(cost), workers),
    }[way]()
    assert sorted(np.concatenate(lists).tolist()) == [*range(len(cost))]
    if way == "lpt":  # Graham's bound
        bound = (4.0 / 3.0) * max(balancing.ideal(cost, workers), _two_longest(cost, workers))
        assert balancing.makespan(lists, cost) <= bound * (1.0 + 1e-12) + 1e-9


def _two_longest(cost, workers):
    """Two of the workers + 1 longest jobs share a worker in any schedule."""
    longest = np.sort(cost)[::-1]
    return longest[workers - 1] + longest[workers] if len(cost) > workers else 0.0


def test_costs_are_running_means():
    costs = balancing.Costs(0.3)
    assert [*costs.of(np.array([1, 2]))] == [1.0, 1.0]
    costs.measured(np.array([5, 1]), np.array([2.0, 4.0]))
    ratio = costs.measured(np.array([1, 7]), np.array([8.0, 1.0]))
    assert [*ratio] == [2.0, 1.0]
    assert costs.of(np.array([1, 5, 7])) == pytest.approx([4.0 + 0.3 * 4.0, 2.0, 1.0])
    assert costs.of(np.array([9, 5])) == pytest.approx([2.0, 2.0])  # the mean of those known


def test_seeds_are_distinct_and_independent_of_order():
    ids = np.arange(100_000)
    seeds = seeds_of(7, ids)
    assert len(np.unique(seeds)) == len(ids)
    assert (seeds >= 0).all()
    assert np.array_equal(seeds_of(7, ids[::-1])[::-1], seeds)
    numbers = uniform_of(seeds, 3)
    assert abs(numbers.mean() - 0.5) < 5e-3
    assert abs(np.corrcoef(numbers, uniform_of(seeds, 5))[0, 1]) < 0.02


def test_neighbours_are_weighted_by_their_distance():
    points = np.array([[0.0], [1.0], [3.0], [10.0]])
    near, weight = neighbours(points, np.array([0, 2]), np.array([1]), 4)
    assert [*near[0]] == [0, 2]
    assert weight[0] == pytest.approx([2.0 / 3.0, 1.0 / 3.0])


def test_the_farm_gives_long_jobs_to_a_worker_of_their_own():
    made = farm(Dice)(workers=3)
    workers = type(made).Engine()
    workers.open(made)
    ids = np.arange(12)
    workers.team.costs.measured(ids, np.where(ids == 7, 0.6, 0.05))
    lists = workers.team._split(ids, 3)
    workers.close()
    assert [*map(len, lists)] == [1, 6, 5]
    assert ids[lists[0]] == [7]


def test_costs_outlive_a_restart(tmp_path):
    jobs = {"member": np.arange(4), "mean": np.zeros(4)}
    made = farm(Dice)()
    call(made, [({"jobs_in": jobs}, 0.0)])
    workers, again = type(made).Engine(), type(made).Engine()
    workers.open(made)
    again.open(made)
    workers.team.costs.measured(np.array([3, 1]), np.array([2.0, 1.0]))
    workers.save(tmp_path / "costs")
    again.load(tmp_path / "costs")
    assert [*again.team.costs.of(np.array([1, 3]))] == [1.0, 2.0]
