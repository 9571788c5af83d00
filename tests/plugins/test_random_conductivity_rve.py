"""Random samples: exact means and variances, conduction against exact and dual solutions."""

import math

import numpy as np
import pytest

import manyscale as ms
from manyscale.bridges.gather import total_variance
from manyscale_plugins.random_conductivity_rve import (
    RandomConductivityRve,
    conduction,
    exact,
    kernel,
)

S_T, S_A = 0.2, 0.8


def answered(model, theta, seed):
    message = {"theta": np.asarray(theta, dtype=float), "seed": seed}
    came = ms.Received({"sample_in": ms.Contact(2.0, None, message)})
    state = model.f_init(ms.Start(2.0), came)
    assert model.clock(state) == (2.0, None, None, "", None, None)
    return model.o_f(state)["k_out"]["k_eff"]


def nested(law, n, outer, inner, s_t=S_T, s_a=S_A):
    """Answers (outer, inner, 1) of a law with normal theta."""
    random = np.random.default_rng(11)
    theta = s_t * random.standard_normal(outer)
    z = random.standard_normal((outer, inner, n))
    return np.array([[law(t, one, s_a) for one in rows] for t, rows in zip(theta, z, strict=True)])[
        ..., None
    ]


def lognormal(theta, z, s_a):
    return kernel.lognormal(theta, z, s_a, 1.0)


# origin: closed form; E Var A at n = 4, 8, 32, 64 as 1/n of that at 16
ALEATORY = {4: 0.460440, 8: 0.230220, 16: 0.1151100, 32: 0.057555, 64: 0.028778}


def test_closed_forms_have_their_values():
    for n, value in ALEATORY.items():
        slow, fast = exact.lognormal(S_T, S_A, n)
        assert slow == pytest.approx(0.0805555, abs=5e-8)
        assert fast == pytest.approx(value, abs=1e-6)
    assert sum(exact.lognormal(S_T, S_A, 16)) == pytest.approx(0.1956655, abs=5e-8)
    assert exact.linear(0.3, S_A, 16) == pytest.approx((0.09, 0.04))


@pytest.mark.parametrize("n", ALEATORY)
def test_both_variances_of_a_lognormal_sample(n):
    told = total_variance.split(nested(lognormal, n, 400, 4))
    slow, fast = exact.lognormal(S_T, S_A, n)
    assert abs(told.epistemic[0] - slow) <= 4 * told.epistemic_se[0]
    assert abs(told.aleatory[0] - fast) <= 4 * told.aleatory_se[0]


def test_both_variances_of_a_linear_sample():
    told = total_variance.split(nested(kernel.linear, 16, 800, 3, s_t=0.3))
    slow, fast = exact.linear(0.3, S_A, 16)
    assert abs(told.epistemic[0] - slow) <= 4 * told.epistemic_se[0]
    assert abs(told.aleatory[0] - fast) <= 4 * told.aleatory_se[0]


def test_what_does_not_scatter_has_no_variance():
    assert total_variance.split(nested(lognormal, 16, 30, 4, s_a=0.0)).aleatory[0] == 0.0
    told = total_variance.split(nested(lognormal, 16, 300, 4, s_t=0.0))
    assert abs(told.epistemic[0]) <= 4 * told.epistemic_se[0]


# ---- conduction


def test_layers_conduct_in_series_and_in_parallel():
    k = np.array([1.0, 4.0, 0.5, 2.0])
    series = np.repeat(k[:, None], 3, axis=1)
    assert conduction.effective_conductivity(series) == pytest.approx(4 / (1 / k).sum(), rel=1e-13)
    assert conduction.effective_conductivity(series.T) == pytest.approx(k.mean(), rel=1e-13)
    assert conduction.effective_conductivity(np.full((5, 7), 2.5)) == pytest.approx(2.5, rel=1e-13)
    T = conduction.temperature(np.ones((8, 2)))
    np.testing.assert_allclose(T[:, 0], 1.0 - (np.arange(8) + 0.5) / 8, rtol=1e-12)


def test_temperatures_lie_between_those_of_the_sides():
    k = np.exp(np.random.default_rng(4).normal(size=(20, 30)))
    T = conduction.temperature(k)
    assert ((T > 0.0) & (T < 1.0)).all()
    bounds = 1.0 / (1.0 / k).mean(axis=0), k.mean(axis=1)
    effective = conduction.effective_conductivity(k)
    # columns kept apart conduct less, planes of one temperature more (Wiener 1912)
    assert bounds[0].mean() <= effective <= len(bounds[1]) / (1.0 / bounds[1]).sum()
    assert conduction.effective_conductivity(k[::-1]) == pytest.approx(effective, rel=1e-12)
    assert conduction.effective_conductivity(3.0 * k) == pytest.approx(3.0 * effective, rel=1e-12)


def checkerboard(cells, k1=1.0, k2=4.0, side=4):
    board = np.indices((side, side)).sum(axis=0) % 2
    return np.repeat(np.repeat(np.where(board, k2, k1), cells, axis=0), cells, axis=1)


def test_a_checkerboard_conducts_the_geometric_mean():
    # Keller (1964), Dykhne (1971): sqrt(k1 k2)
    fine = conduction.effective_conductivity(checkerboard(32))  # 128 x 128 cells
    assert fine == pytest.approx(2.0, rel=0.02)
    errors = [2.0 - conduction.effective_conductivity(checkerboard(n)) for n in (8, 16, 32)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    # at a corner T ~ r**a with tan(pi a/4)**2 = k1/k2, which leaves an order of 2 a = 1.18
    assert (orders > 1.1).all()


def test_a_field_that_looks_like_its_inverse_conducts_the_geometric_mean():
    # duality in the plane: E ln k = theta for any number of grains
    random = np.random.default_rng(6)
    found = np.log([kernel.field(0.3, random.standard_normal(9), S_A, 1.0, 8) for _ in range(300)])
    assert abs(found.mean() - 0.3) <= 4 * found.std() / math.sqrt(len(found)) + 0.01
    coarse = np.log([kernel.field(0.3, random.standard_normal(9), S_A, 1.0, 1) for _ in range(300)])
    assert coarse.mean() < found.mean()  # unresolved corners block


def test_a_conductivity_is_positive():
    with pytest.raises(ValueError, match="a conductivity is not positive"):
        conduction.effective_conductivity(np.array([[1.0, 0.0]]))


# ---- the model


@pytest.mark.parametrize("mode", ["linear", "lognormal", "field"])
def test_a_batch_is_its_members(mode):
    model = RandomConductivityRve(mode=mode, n=9)
    theta, seeds = np.linspace(0.1, 0.9, 5)[:, None], np.arange(100, 105)
    together = answered(model, theta, seeds)
    alone = [float(answered(model, t, int(s))) for t, s in zip(theta, seeds, strict=True)]
    assert together.tolist() == alone
    assert together.shape == (5,)
    order = [3, 0, 4]
    assert answered(model, theta[order], seeds[order]).tolist() == together[order].tolist()
    assert np.unique(together).size == 5


def test_the_reference_conductivity_is_a_factor():
    one, two = (RandomConductivityRve(k_ref=k) for k in (1.0, 2.0))
    assert answered(two, [0.1], 3) == pytest.approx(2.0 * answered(one, [0.1], 3), rel=1e-14)


def test_mistakes_are_refused():
    with pytest.raises(
        ms.Refused, match=r"n is 10, and a field is a square of grains; take 9 or 16"
    ):
        RandomConductivityRve(mode="field", n=10)
    with pytest.raises(ms.Refused, match="s_a is -1, expected >= 0, <= 3"):
        RandomConductivityRve(s_a=-1.0)
    with pytest.raises(ms.Refused, match="theta has 2 parameters, expected one"):
        answered(RandomConductivityRve(), [0.1, 0.2], 3)


def test_scales_reach_from_a_grain_to_the_sample():
    length = RandomConductivityRve(mode="field", n=16, grain=1e-5).scales().length
    assert (length.grain, length.extent) == pytest.approx((1e-5, 4e-5))
