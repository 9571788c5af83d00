"""The gather: moments, indices and the split of a variance, with errors that hold."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import manyscale as ms
from manyscale.bridges.gather import Gather, indices, kernel, statistics, total_variance
from manyscale.bridges.sampler import designs, distributions
from toys.sampled import sobol_g

STEADY = settings(derandomize=True, deadline=None, max_examples=50, database=None)
P = (0.05, 0.5, 0.95)
SIZES = {"n": 256, "n_outer": 100, "n_inner": 2, "order": 3}
UNIT = distributions.parsed("; ".join(f"x{k} uniform 0 1" for k in range(6)))

# Sobol G, a = (0, 1, 4.5, 9, 99, 99), closed form
S1 = np.array([0.716342525, 0.179085631, 0.0236807446, 0.00716342525, 7.16342525e-5, 7.16342525e-5])
ST = np.array([0.787256894, 0.242232890, 0.0343218264, np.nan, 1.04964087e-4, np.nan])

# Y = c (theta + s_a mean(z)) + s_m e with c = 2, s_t = 0.3, s_a = 0.8, n = 16, s_m = 0.25
EPISTEMIC, ALEATORY = 0.36, 0.2225


def chain(random, outer, inner, repeats=1):
    """Answers (repeats, outer, inner, 1) of the linear chain."""
    theta = 0.3 * random.normal(size=(repeats, outer, 1))
    z = random.normal(size=(2, repeats, outer, inner))
    return (2.0 * (theta + 0.8 / 4.0 * z[0]) + 0.25 * z[1])[..., None]


# ---- moments


def test_errors_of_moments_are_those_of_repeats():
    random = np.random.default_rng(1)
    samples = [random.gamma(2.0, size=(400, 1)) for _ in range(800)]
    told = [kernel.moments(y, P) for y in samples]
    exact = {"mean": [2.0], "variance": [2.0], "quantiles": [[0.355362, 1.678347, 4.743865]]}
    for name, value in exact.items():
        found = np.array([getattr(one, name) for one in told])
        errors = np.array([getattr(one, f"{name}_se") for one in told])
        assert np.allclose(found.mean(axis=0), value, rtol=0.03)
        assert np.allclose(errors.mean(axis=0), found.std(axis=0), rtol=0.2), name
        covered = np.abs(found - value) <= 1.96 * errors
        assert covered.mean() > 0.9


@STEADY
@given(arrays.arrays(float, st.tuples(st.integers(2, 60), st.integers(1, 3)),
                     elements=st.floats(-1e6, 1e6)))  # fmt: skip
def test_moments_are_those_of_numpy(y):
    told = kernel.moments(y, P)
    np.testing.assert_allclose(told.mean, y.mean(axis=0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(told.variance, y.var(axis=0, ddof=1), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(told.quantiles.T, np.quantile(y, P, axis=0), rtol=1e-9, atol=1e-9)
    assert (told.variance_se >= 0).all()
    assert (told.quantiles_se >= 0).all()


# ---- indices


def of_g(seed, n):
    plan = designs.plan("saltelli", UNIT, seed, **{**SIZES, "n": n})
    return indices.saltelli(sobol_g(plan.theta).reshape(n, 8, 1))


def test_indices_of_g_within_their_errors():
    found = of_g(1, 4096)
    assert (np.abs(found.first[0] - S1) <= 3 * found.first_se[0]).all()
    known = ~np.isnan(ST)
    assert (np.abs(found.total[0] - ST) <= 3 * found.total_se[0])[known].all()


@pytest.mark.parametrize("n", [128, 1024])
def test_intervals_of_indices_hold(n):
    known, inside = ~np.isnan(ST), []
    for seed in range(60):
        found = of_g(seed, n)
        inside += (np.abs(found.first[0] - S1) <= 1.96 * found.first_se[0]).tolist()
        inside += (np.abs(found.total[0] - ST) <= 1.96 * found.total_se[0])[known].tolist()
    assert np.mean(inside) > 0.93


def test_errors_of_indices_are_those_of_independent_rows():
    random, found = np.random.default_rng(3), []
    for _ in range(300):
        a, b = random.random((2, 500, 6))
        mixed = np.repeat(a[:, None], 8, axis=1)
        mixed[:, 1] = b
        for k in range(6):
            mixed[:, k + 2, k] = b[:, k]
        found.append(indices.saltelli(sobol_g(mixed)[..., None]))
    for name in ("first", "total"):
        values = np.array([getattr(one, name)[0] for one in found])
        errors = np.array([getattr(one, f"{name}_se")[0] for one in found])
        assert np.allclose(errors.mean(axis=0), values.std(axis=0), rtol=0.2), name


def test_indices_of_a_constant_are_unknown():
    found = indices.saltelli(np.ones((16, 4, 1)))
    assert np.isnan(found.first).all()
    assert np.isnan(found.total_se).all()


# ---- law of total variance


# origin: mean of 2000 repeats and closed form of the deviation, computed independently
REPEATS = [
    (100, 2, 0.3610, 0.0688),
    (100, 5, 0.3584, 0.0576),
    (100, 20, 0.3606, 0.0527),
    (1000, 2, 0.3607, 0.0217),
]


@pytest.mark.parametrize(("outer", "inner", "mean", "deviation"), REPEATS)
def test_repeats_of_the_split(outer, inner, mean, deviation):
    random = np.random.default_rng(5)
    repeats = 2000 if outer == 100 else 1000
    told = [total_variance.split(y) for y in chain(random, outer, inner, repeats)]
    found = np.array([one.epistemic[0] for one in told])
    assert found.mean() == pytest.approx(mean, abs=0.005)
    assert found.std(ddof=1) == pytest.approx(deviation, rel=0.05)
    closed = total_variance.deviation(EPISTEMIC, ALEATORY, outer, inner)
    assert closed == pytest.approx(deviation, rel=0.005)
    bare = np.mean([one.uncorrected[0] for one in told])
    assert bare == pytest.approx(EPISTEMIC + ALEATORY / inner, abs=0.005)
    if inner == 2 and outer == 100:
        assert bare == pytest.approx(0.473, abs=0.005)
    assert np.mean([one.aleatory[0] for one in told]) == pytest.approx(ALEATORY, abs=0.002)
    errors = np.array([one.epistemic_se[0] for one in told])
    assert errors.mean() == pytest.approx(found.std(), rel=0.06)
    frozen = np.array([one.pick_freeze[0] for one in told])
    assert frozen.mean() == pytest.approx(EPISTEMIC, abs=0.006)


@STEADY
@given(
    arrays.arrays(float, st.tuples(st.integers(2, 9), st.integers(2, 6), st.just(1)),
                  elements=st.floats(-1e3, 1e3)), st.floats(-1e6, 1e6)
)  # fmt: skip
def test_squares_add_up(y, offset):
    told = total_variance.split(y + offset)
    parts = told.between[0] + told.within[0]
    assert told.total[0] == pytest.approx(parts, rel=1e-12, abs=1e-18)


def test_what_is_not_there_is_zero():
    random = np.random.default_rng(2)
    same = np.repeat(random.normal(size=(200, 1, 1)), 3, axis=1)
    assert total_variance.split(same).aleatory[0] == 0.0
    negative = 0
    for _ in range(40):
        told = total_variance.split(random.normal(size=(50, 3, 1)))
        assert abs(told.epistemic[0]) <= 4 * told.epistemic_se[0] + 1e-12
        negative += told.epistemic[0] < 0
    assert 8 < negative < 32  # reported as it is, not clipped


def test_two_inner_samples_are_best_unless_outer_ones_are_dear():
    assert total_variance.best_inner(EPISTEMIC, ALEATORY, 2000) == 2
    assert total_variance.best_inner(EPISTEMIC, ALEATORY, 2000, dear=20.0) > 2
    few, many = (
        total_variance.deviation(EPISTEMIC, ALEATORY, n, m) for n, m in ((1000, 2), (100, 20))
    )
    assert many / few == pytest.approx(2.4, abs=0.05)


# ---- whole tables


def table(design, y, parameters=UNIT, **sizes):
    plan = designs.plan(design, parameters, 4, **{**SIZES, **sizes})
    values = y(plan) if callable(y) else y
    return statistics.Table(
        *plan[:5], np.asarray(values, dtype=float).reshape(len(plan.member), -1)
    )


def found(design, some, parameters=UNIT):
    return statistics.found(design, parameters, some, order=3, probabilities=P)


def test_a_nested_table_counts_members_of_one_theta_as_alike():
    parameters = distributions.parsed("theta normal 0 0.3 1 epistemic")
    random = np.random.default_rng(8)
    means, errors, quantiles = [], [], []
    for _ in range(200):
        y = chain(random, 50, 8)
        told = found("nested", table("nested", y, parameters, n_outer=50, n_inner=8), parameters)
        means.append(told["mean"][0])
        errors.append((told["mean_se"][0], told["variance_se"][0], told["quantiles_se"][0, 1]))
        quantiles.append((told["variance"][0], told["quantiles"][0, 1]))
    of_mean, of_variance, of_median = np.mean(errors, axis=0)
    assert of_mean == pytest.approx(np.std(means), rel=0.15)
    spread = np.std(quantiles, axis=0)
    assert of_variance == pytest.approx(spread[0], rel=0.2)
    assert of_median == pytest.approx(spread[1], rel=0.35)


def test_a_member_without_an_answer_takes_its_row_along():
    def lossy(plan):
        y = sobol_g(plan.theta)
        y[[5, 6, 83]] = np.nan
        return y

    some = table("saltelli", lossy, n=64)
    told = found("saltelli", some)
    assert told["dropped"].tolist() == [5, 6, 83]
    kept = np.delete(some.y.reshape(64, 8, 1), [0, 10], axis=0)
    assert np.array_equal(told["S1"], indices.saltelli(kept).first)
    short = distributions.parsed("x uniform 0 1; y uniform 0 1")
    lost = table("pce", np.where(np.arange(16) == 3, np.nan, 1.0), short)
    with pytest.raises(ValueError, match="member 3 gave no number, and the design pce needs every"):
        found("pce", lost, short)
    with pytest.raises(ValueError, match="1 members are left"):
        found("mc", table("mc", [1.0, np.nan], short, n=2), short)


def test_a_regression_that_explains_little_tells_no_indices():
    random = np.random.default_rng(1)
    told = found("sobol", table("sobol", random.normal(size=256)))
    assert told["explained"][0] < 0.1
    assert np.isnan(told["S1"]).all()
    good = found("sobol", table("sobol", lambda plan: plan.theta[:, 0] + plan.theta[:, 1]))
    np.testing.assert_allclose(good["S1"][0], [0.5, 0.5, 0, 0, 0, 0], atol=0.02)


def test_a_chaos_table_has_quantiles_of_the_chaos():
    parameters = distributions.parsed("a normal 1 2; b uniform 0 1")
    some = table("pce", lambda plan: plan.theta[:, 0] + 3.0, parameters, order=3)
    told = found("pce", some, parameters)
    np.testing.assert_allclose(
        told["quantiles"][0], 4.0 + 2.0 * np.array([-1.645, 0, 1.645]), atol=0.01
    )
    np.testing.assert_allclose(told["S1"], [[1.0, 0.0]], atol=1e-12)
    assert math.isnan(told["mean_se"][0])


# ---- the model, by hand


def gathered(model, samples=None, slots=None):
    came = None if samples is None else ms.Contact(0.0, None, samples)
    many = None if slots is None else [ms.Contact(0.0, None, {"y": y}) for y in slots]
    state = model.f_init(ms.Start(0.0), ms.Received({"samples_in": came, "qoi_in": many}))
    return model.o_f(state)["stats_out"]


def members(n=8, parameters=1):
    one = np.arange(n)
    return {"member": one, "outer": one, "inner": one * 0, "theta": np.ones((n, parameters)),
            "y": np.arange(float(n))}  # fmt: skip


def test_members_come_in_any_order_or_as_components():
    model = Gather(design="mc")
    one = gathered(model, members())
    order = np.random.default_rng(1).permutation(8)
    other = gathered(model, {name: value[order] for name, value in members().items()})
    three = gathered(model, slots=list(np.arange(8.0)))
    for told in (other, three):
        for name, value in one.items():
            assert np.array_equal(value, told[name], equal_nan=True), name
    two = gathered(model, slots=[np.array([k, 2.0 * k]) for k in range(5)])
    assert two["mean"].tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "hears no members; connect samples_in or qoi_in"),
        ({"samples": members(), "slots": [1.0, 2.0]}, "hears members twice"),
        ({"samples": {**members(), "member": np.arange(8) + 1}}, "not numbered from 0"),
        ({"samples": members(parameters=2)}, "has 1 parameters, and the members that came have 2"),
        ({"slots": [1.0, np.zeros(2)]}, "the answers have the shapes"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(given, says):
    with pytest.raises((ms.Refused, ValueError)) as refused:
        gathered(Gather(design="mc", distributions="k uniform 0 1"), **given)
    assert says in str(refused.value)


def test_settings_that_fit_no_design_are_refused():
    with pytest.raises(ValueError, match="k normal has a standard deviation of -1"):
        gathered(Gather(distributions="k normal 0 -1"), members())
    with pytest.raises(ms.Refused, match=r"probabilities is 1.5, expected >= 0, <= 1"):
        Gather(probabilities=[0.5, 1.5])
