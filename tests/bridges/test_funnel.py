"""The funnel: who is kept, what is lost and what is saved, alone and coupled."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import manyscale as ms
from manyscale import testing
from manyscale.bridges.funnel import Funnel, kernel
from manyscale.hosting.in_process import run
from manyscale.testing import Component
from toys.interrupted import resumed
from toys.screening import RHO

STEADY = settings(derandomize=True, deadline=None, max_examples=60, database=None)
RECALL = [  # rho, fraction kept, true top, recall from the bivariate normal distribution
    (0.8, 0.01, 0.001, 0.717151),
    (0.8, 0.001, 0.0001, 0.546106),
    (0.5, 0.01, 0.001, 0.231304),
]
PARTS = {
    "campaign": Component("toys.screening:Campaign"),
    "funnel": Component("manyscale.bridges.funnel:Funnel"),
    "cheap": Component("toys.screening:Cheap", 2),
    "exact": Component("toys.screening:Exact", 3),
}
WIRES = {
    "campaign.offered": "funnel.candidates_in",
    "funnel.candidates_out": "cheap.asked",
    "cheap.answer": "funnel.score_in",
    "funnel.selected_out": "exact.asked",
    "exact.answer": "funnel.result_in",
    "funnel.ranking_out": "campaign.ranking",
}
SETTINGS = {
    "funnel.keep": 0.1,
    "funnel.record": "ranking_out;selected_out",
    "campaign.record": "final",
}


def spec_of(folder, parts=PARTS, **given):
    named = {name.replace("__", "."): value for name, value in given.items()}
    return testing.write_spec(folder, parts, WIRES, {**SETTINGS, **named})


def screened(model, ids, features, score, result, workers=2, seed=0):
    """Ranking of candidates; score and result are functions of the features."""
    start = ms.Start(0.0, seed, {"candidates_out": workers, "selected_out": workers})
    came = ms.Contact(0.0, None, {"ids": ids, "features": features})
    state = model.f_init(start, ms.Received({"candidates_in": came}))

    def answers(name, judge, port):
        sent = model.o_i(state)[port]
        one = [{"ids": m["ids"], name: judge(m["features"])} for m in sent]
        return [ms.Contact(0.0, None, fields) for fields in one]

    assert model.clock(state).timeline == "cheap"
    state = model.s(state, ms.Received({"score_in": answers("score", score, "candidates_out")}))
    assert model.clock(state).timeline == "expensive"
    state = model.s(state, ms.Received({"result_in": answers("result", result, "selected_out")}))
    assert model.clock(state).to is None
    return model.o_f(state)["ranking_out"]


def drawn(seed, n, rho=RHO):
    """Ids in any order with (score, value) of this correlation as features."""
    random = np.random.default_rng(seed)
    value, noise = random.normal(size=(2, n))
    score = rho * value + math.sqrt(1 - rho * rho) * noise
    return random.permutation(n).astype(np.int64), np.stack([score, value], axis=1)


def first(features):
    return features[:, 0].copy()


def second(features):
    return features[:, 1].copy()


def test_cost_against_brute_force():
    assert kernel.speed_up(1e4, 1e-3) == pytest.approx(909.09, abs=5e-3)
    assert kernel.speed_up(1e4, 1e-2) == pytest.approx(99.01, abs=5e-3)
    ids, features = drawn(0, 1000)
    ranking = screened(Funnel(keep=0.01, rho=0.8), ids, features, first, second)
    assert ranking["speed_up"] == kernel.speed_up(1e4, 1e-2)


@pytest.mark.parametrize(("rho", "fraction", "top", "value"), RECALL)
def test_expected_recall(rho, fraction, top, value):
    assert kernel.expected_recall(rho, fraction, top) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(("rho", "fraction", "top", "value"), RECALL)
def test_recall_of_a_million(rho, fraction, top, value):
    n = 1_000_000
    random = np.random.default_rng(7)
    true, noise = random.normal(size=(2, n))
    score = rho * true + math.sqrt(1 - rho * rho) * noise
    ids = np.arange(n, dtype=float)
    kept = kernel.best(score, round(fraction * n), ids)
    hits = np.intersect1d(kept, kernel.best(true, round(top * n), ids)).size
    sd = math.sqrt(value * (1 - value) * top * n)
    assert abs(hits - value * top * n) <= 3 * sd


def test_a_perfect_score_loses_nothing():
    for fraction, top in ((0.01, 0.01), (0.01, 0.001), (1.0, 0.5)):
        assert kernel.expected_recall(1.0, fraction, top) == 1.0
    assert kernel.expected_recall(1.0, 0.01, 0.02) == 0.5
    assert kernel.expected_recall(0.0, 0.01, 0.001) == pytest.approx(0.01)
    ids, features = drawn(1, 500, rho=1.0)
    ranking = screened(Funnel(keep=0.1, rho=1.0), ids, features, first, second)
    true = ids[np.argsort(features[:, 1])[-50:]]
    assert set(ranking["ids"][ranking["stage"] == 1]) == set(true)


@STEADY
@given(
    st.integers(0, 10**6), st.integers(1, 60), st.floats(0.01, 1.0), st.integers(1, 7),
    st.sampled_from(["id", "random"]), st.floats(0.0, 0.5),
)  # fmt: skip
def test_permuting_candidates_keeps_the_same(seed, n, keep, workers, tie_break, explore):
    random = np.random.default_rng(seed)
    ids, features = random.permutation(3 * n)[:n], random.integers(0, 4, (n, 2)).astype(float)
    model = Funnel(keep=keep, tie_break=tie_break, explore=explore, rho=0.5)
    other = random.permutation(n)
    one = screened(model, ids, features, first, second, workers)
    two = screened(model, ids[other], features[other], first, second, workers + 3)
    for name in one:
        assert np.array_equal(one[name], two[name], equal_nan=True), name
    assert sorted(one["ids"]) == sorted(ids)
    assert np.array_equal(np.isfinite(one["expensive"]), one["stage"] > 0)


@STEADY
@given(st.integers(0, 10**6), st.integers(1, 200), st.integers(1, 200))
def test_the_best_are_the_best(seed, n, count):
    random = np.random.default_rng(seed)
    score = random.integers(0, 20, n).astype(float)
    score[random.random(n) < 0.1] = np.nan
    tie = random.permutation(n).astype(float)
    found = kernel.best(score, count, tie)
    order = sorted(
        (k for k in range(n) if not np.isnan(score[k])), key=lambda k: (-score[k], tie[k])
    )
    assert found.tolist() == sorted(order[:count])


def test_equal_candidates_are_looked_at_once():
    ids = np.arange(6)
    features = np.array([[1.0], [2.0], [1.0], [3.0], [3.0], [0.0]])
    asked = []

    def judge(some):
        asked.append(len(some))
        return first(some)

    ranking = screened(Funnel(keep=0.25, rho=0.5), ids, features, judge, first, workers=1)
    assert asked == [4]
    assert ranking["stage"].tolist() == [0, 0, 0, 1, 1, 0]
    assert ranking["expensive"][3:5].tolist() == [3.0, 3.0]
    asked.clear()
    screened(Funnel(keep=0.25, rho=0.5, dedupe=False), ids, features, judge, first, workers=1)
    assert asked == [6]


def test_the_lowest_can_be_the_best():
    ids, features = drawn(2, 100)
    ranking = screened(Funnel(keep=0.1, rho=0.8, best="lowest"), ids, features, first, second)
    kept = ranking["cheap"][ranking["stage"] == 1]
    assert kept.max() == np.sort(features[:, 0])[9]


def test_random_picks_tell_the_correlation_without_bias():
    ids, features = drawn(5, 100_000)
    ranking = screened(Funnel(keep=0.05, explore=0.5), ids, features, first, second)
    assert ranking["rho"] == pytest.approx(RHO, abs=3 * (1 - RHO**2) / math.sqrt(2500))
    kept = ranking["stage"] == 1
    biased = kernel.correlation(ranking["cheap"][kept], ranking["expensive"][kept])
    assert biased < 0.6  # on those that were kept alone it is far too small
    told = kernel.expected_recall(ranking["rho"], 0.05, 0.001)
    assert ranking["expected_recall"] == pytest.approx(told)
    assert (ranking["stage"] == 2).sum() == pytest.approx(2500 * 0.95, abs=60)
    unknown = screened(Funnel(keep=0.05), ids, features, first, second)
    assert math.isnan(unknown["expected_recall"])


def test_fewer_candidates_than_workers_and_none():
    ids, features = drawn(6, 3)
    ranking = screened(Funnel(keep=0.5, rho=0.5), ids, features, first, second, workers=8)
    assert (ranking["stage"] == 1).sum() == 2
    empty = screened(Funnel(), ids[:0], features[:0], first, second)
    assert len(empty["ids"]) == 0


def test_what_is_not_finite_fails_or_is_dropped():
    ids, features = np.arange(5), np.arange(5.0)[:, None]

    def lost(some):
        return np.where(some[:, 0] == 4.0, np.nan, some[:, 0])

    with pytest.raises(ms.Refused, match=r"the score of candidate 4 is nan; set not_finite: drop"):
        screened(Funnel(keep=0.2), ids, features, lost, first)
    with pytest.raises(ms.Refused, match=r"the result of candidate 4 is nan"):
        screened(Funnel(keep=0.2), ids, features, first, lost)
    ranking = screened(Funnel(keep=0.2, not_finite="drop"), ids, features, lost, first)
    assert ranking["stage"].tolist() == [0, 0, 0, 1, 0]
    features[2] = np.inf
    with pytest.raises(ValueError, match="candidate 2 has features that are not finite"):
        screened(Funnel(), ids, features, first, first)


def test_other_mistakes_are_refused():
    with pytest.raises(ms.Refused, match=r"keep is 0.*expected > 0, <= 1"):
        Funnel(keep=0.0)
    with pytest.raises(ValueError, match="candidate 1 comes more than once"):
        screened(Funnel(), np.array([1, 1]), np.zeros((2, 1)), first, first)
    with pytest.raises(ValueError, match="the answer and the question differ in item 9"):
        kernel.matched(np.array([1, 2]), np.array([1, 2, 9]), np.zeros(3))
    with pytest.raises(ValueError, match="differ in an item twice"):
        kernel.matched(np.array([1, 2]), np.array([1, 2, 2]), np.zeros(3))


def test_a_campaign_finds_its_best(tmp_path):
    out = run(spec_of(tmp_path, funnel__explore=0.5), record=["funnel.ranking_out"])
    for shown, best in zip(
        out.recorded["funnel.ranking_out"], out.states["campaign"].best, strict=True
    ):
        ranking = shown.messages[0]
        assert (ranking["stage"] == 1).sum() == 20
        assert best == np.nanmax(ranking["expensive"])


def test_mistakes_in_a_coupling_are_one_sentence(tmp_path):
    def with_cheap(name):
        return {**PARTS, "cheap": Component(f"toys.screening:{name}", 2)}

    with pytest.raises(ms.Refused, match=r"MS30[23]"):
        run(spec_of(tmp_path, with_cheap("InKelvin")))
    with pytest.raises(ms.Refused, match=r"MS3\d\d|expected"):
        run(spec_of(tmp_path, with_cheap("OnOtherAxis")))
    with pytest.raises(ms.Refused, match="the score of candidate 17 is nan") as found:
        run(spec_of(tmp_path, cheap__lost=17))
    assert "\n" not in str(found.value)


@pytest.mark.coupled
@pytest.mark.nightly
def test_a_killed_run_goes_on_to_the_same_ranking(tmp_path):
    spec = spec_of(tmp_path, campaign__steps=40, campaign__pause=0.02, funnel__explore=0.5)
    testing.run_in_process(spec, tmp_path / "here")
    again = resumed(spec, tmp_path, every=4.0)
    assert not (found := testing.differences(tmp_path / "here", again)), found
