"""The sampler: distributions, designs, chaos and levels, alone and coupled."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import manyscale as ms
from manyscale import testing
from manyscale.bridges.sampler import Sampler, chaos, designs, distributions, kernel, multilevel
from manyscale.bridges.sampler.streams import seeds
from manyscale.coupling.prove import diagnose
from manyscale.hosting.in_process import run
from manyscale.testing import Component
from toys.interrupted import resumed
from toys.sampled import call_payoff, ishigami, sobol_g

STEADY = settings(derandomize=True, deadline=None, max_examples=50, database=None)
PI = math.pi
ANGLES = "; ".join(f"x{k} uniform {-PI} {PI}" for k in (1, 2, 3))
SIZES = {"n": 16, "n_outer": 4, "n_inner": 3, "order": 3}

# closed forms: Sobol and Levitan, Reliab. Eng. Syst. Saf. 64 (1999) 1
MEAN, VARIANCE = 3.5, 13.844587940719
S1 = np.array([0.313905191148, 0.442411144790, 0.0])
ST = np.array([0.557588855210, 0.442411144790, 0.243683664062])


def made(text):
    return distributions.parsed(text)


# ---- distributions


def test_a_line_of_text_declares_parameters():
    k, h, scheme, r = made(
        "k normal 1 0.1 W/(m K) epistemic; h uniform 5 10 W/(m2 K) aleatory;"
        " scheme discrete 1:0.2 2:0.8 ; r lognormal -1e0 .5"
    )
    assert (k.kind, k.numbers, k.unit, k.label) == ("normal", (1.0, 0.1), "W/(m K)", "epistemic")
    assert (h.name, h.unit, h.label) == ("h", "W/(m2 K)", "aleatory")
    assert (scheme.weights, scheme.whole, scheme.unit) == ((0.2, 0.8), True, "1")
    assert (r.numbers, r.unit, r.label) == ((-1.0, 0.5), "1", "")
    assert made("") == []
    assert not made("c discrete 1.0 2.0")[0].whole


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("k normal 1 0", "k normal has a standard deviation of 0, expected more than 0"),
        ("k normal 1 -2", "standard deviation of -2"),
        ("k lognormal 1", "k lognormal has 1 numbers, expected mean and sd of ln x"),
        ("k uniform 2 1", "goes from 2 to 1; the first must be smaller"),
        ("k nromal 1 2", "k is 'nromal'; did you mean normal?"),
        ("k discrete", "k discrete needs values"),
        ("k discrete 1:0.5 2:0.4", "probabilities of k must be positive and sum to 1"),
        ("k discrete 1 1", "needs values, each once"),
        ("k uniform 0 1; k normal 0 1", "names k twice"),
        ("k", "'k' is no 'name kind numbers unit label'"),
    ],
)
def test_what_is_no_distribution_is_refused(text, says):
    with pytest.raises(ValueError, match="distributions") as found:
        made(text)
    assert says in str(found.value)


def test_values_follow_their_distribution():
    u = (np.arange(999) + 0.5) / 999
    of_scipy = {
        "k uniform 2 5": stats.uniform(2, 3),
        "k normal -1 2": stats.norm(-1, 2),
        "k lognormal 0.5 0.3": stats.lognorm(0.3, scale=math.exp(0.5)),
    }
    for text, peer in of_scipy.items():
        (one,) = made(text)
        x = one.from_unit(u)
        np.testing.assert_allclose(x, peer.ppf(u), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(one.from_standard(one.standard(x)), x, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(one.moments, peer.stats("mv"), rtol=1e-12)
    (die,) = made("k discrete 1:0.25 3:0.5 4:0.25")
    assert np.bincount(die.from_unit((np.arange(400) + 0.5) / 400).astype(int)).tolist() == [
        0, 100, 0, 200, 100
    ]  # fmt: skip
    assert die.moments == pytest.approx((2.75, 1.1875))


# ---- designs


@STEADY
@given(st.integers(0, 2**62), st.integers(2, 40), st.integers(1, 5))
def test_points_lie_where_their_design_says(seed, n, d):
    u = designs.unit_points("lhs", n, d, seed)
    cells = np.sort(np.floor(u * n).astype(int), axis=0)
    assert (cells == np.arange(n)[:, None]).all()
    few, many = (designs.unit_points("mc", k, d, seed) for k in (n, n + 7))
    assert np.array_equal(many[:n], few)
    sobol = designs.unit_points("sobol", 32, d, seed)
    assert (np.sort(np.floor(sobol * 32), axis=0) == np.arange(32)[:, None]).all()
    for points in (u, few, sobol):
        assert ((points > 0) & (points < 1)).all()


def test_saltelli_rows_differ_in_one_parameter():
    plan = designs.plan("saltelli", made("a uniform 0 1; b normal 0 1; c uniform 5 6"), 3, **SIZES)
    theta = plan.theta.reshape(16, 5, 3)
    a, b = theta[:, 0], theta[:, 1]
    assert (a != b).all()
    for k in range(3):
        differs = theta[:, k + 2] != a
        assert (differs == (np.arange(3) == k)).all()
        assert np.array_equal(theta[:, k + 2, k], b[:, k])
    key = plan.seed.reshape(16, 5)
    assert (key[:, 2:] == key[:, :1]).all()  # what is drawn at random is frozen as well
    assert (key[:, 1] != key[:, 0]).all()


def test_nested_samples_hold_what_is_epistemic():
    plan = designs.plan("nested", made("a normal 0 1 1 epistemic; b normal 0 1 1 aleatory"), 3,
                        **SIZES)  # fmt: skip
    a, b = plan.theta.reshape(4, 3, 2).transpose(2, 0, 1)
    assert (a == a[:, :1]).all()
    assert np.unique(a).size == 4
    assert np.unique(b).size == 12
    assert np.unique(plan.seed).size == 12
    assert np.array_equal(plan.seed, seeds(3, plan.outer, plan.inner))


def test_a_seed_is_of_its_member_alone():
    rows = np.arange(200_000)
    found = seeds(1, rows, rows * 0)
    assert np.unique(found).size == found.size
    assert np.array_equal(found[500:510], seeds(1, rows[500:510], rows[500:510] * 0))
    bits = ((found[:, None] >> np.arange(63)) & 1).mean(axis=0)
    assert abs(bits - 0.5).max() < 5 * 0.5 / math.sqrt(len(rows))


# origin: rms over 30 seeds, computed independently; plain Monte Carlo: 0.682/sqrt(n)
RMS = {8: 1.7e-3, 10: 2.4e-4, 12: 3.8e-5, 14: 2.8e-6}


@pytest.mark.parametrize("power", RMS)
def test_sobol_points_integrate_g(power):
    n = 2**power
    found = {
        design: [sobol_g(designs.unit_points(design, n, 6, seed)).mean() - 1 for seed in range(30)]
        for design in ("sobol", "mc")
    }
    rms = {design: math.sqrt(np.mean(np.square(errors))) for design, errors in found.items()}
    assert rms["sobol"] == pytest.approx(RMS[power], rel=1.0)
    assert rms["sobol"] > RMS[power] / 2
    # the rms of 30 values is known to 13 %
    assert rms["mc"] * math.sqrt(n) == pytest.approx(0.682, rel=0.4)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"n": 1000}, "and Sobol points are balanced only in powers of 2; take 512 or 1024"),
        ({"design": "saltelli", "n": 3}, "take 2 or 4"),
        ({"design": "nested", "n_inner": 1}, "n_inner is 1, expected >= 2"),
        ({"design": "nested"}, "k has no label; in a nested design each parameter is aleatory or"),
        ({"distributions": ""}, "distributions is empty; the design sobol needs a parameter"),
        ({"distributions": "k normal 1 -0.1"}, "standard deviation of -0.1"),
        ({"design": "pce", "distributions": "; ".join(f"k{i} uniform 0 1" for i in range(9))},
         "387,420,489 members, too many; take sobol points, whose indices come by regression"),
        ({"design": "pce", "pce_order": 1, "distributions": "k discrete 1 2 3"},
         "k has 3 values, and pce_order 1 uses at most 2; raise it to 2"),
        ({"design": "sobl"}, "design is 'sobl', expected one of"),
    ],
)  # fmt: skip
def test_what_is_no_design_is_refused(given, says):
    with pytest.raises(ms.Refused) as found:
        Sampler(**{"distributions": "k uniform 1 2", **given})
    assert says in str(found.value)
    assert "\n" not in str(found.value)


# ---- polynomial chaos


def expanded(order, total=True):
    plan = designs.plan("pce", made(ANGLES), 1, **{**SIZES, "order": order})
    tensor = chaos.projected(made(ANGLES), order, ishigami(plan.theta)[:, None])
    return chaos.flat(tensor, order if total else None)


def test_chaos_of_order_14_knows_ishigami():
    powers, c = expanded(14)
    mean, variance = chaos.moments(powers, c)
    assert mean[0] == pytest.approx(MEAN, rel=1e-8)
    assert variance[0] == pytest.approx(VARIANCE, rel=1e-8)
    first, total = chaos.indices(powers, c)
    np.testing.assert_allclose(first[0], S1, atol=1e-8)
    np.testing.assert_allclose(total[0], ST, atol=1e-8)
    assert chaos.interaction(powers, c, [0, 2])[0] == pytest.approx(0.243683664062, abs=1e-8)


# origin: projection on (order + 1)**3 Gauss nodes, computed independently
@pytest.mark.parametrize(
    ("order", "error"),
    [(4, 2.0e-1), (6, 4.5e-2), (8, 1.8e-3), (10, 2.3e-5), (12, 1.3e-7), (14, 3.6e-10)],
)
def test_chaos_converges_as_it_should(order, error):
    found = np.abs(chaos.indices(*expanded(order))[0][0] - S1).max()
    assert error / 2 < found < error * 2
    assert np.abs(chaos.indices(*expanded(order, total=False))[0][0] - S1).max() < error * 1.01


@STEADY
@given(st.sampled_from(["k uniform -2 7", "k normal 3 2", "k lognormal 0 1",
                        "k discrete 1:0.2 4:0.5 9:0.3"]), st.integers(1, 20))  # fmt: skip
def test_polynomials_are_orthonormal(text, order):
    (one,) = made(text)
    z, w = chaos.gauss(one, order)
    phi = chaos.basis(one, order, z)
    np.testing.assert_allclose((phi.T * w) @ phi, np.eye(phi.shape[1]), atol=1e-9)


@STEADY
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(1, 6))
def test_a_total_order_has_all_its_powers(limits, order):
    powers = chaos.total_order(limits, order)
    grid = np.indices(limits).reshape(len(limits), -1).T
    wanted = {tuple(row) for row in grid if row.sum() <= order}
    assert {tuple(row) for row in powers} == wanted
    assert len(powers) == len(wanted) == chaos._terms(limits, order)


def test_regression_finds_a_polynomial_and_says_what_it_cannot():
    parameters = made("a uniform 0 1; b normal 1 2; c discrete 1 2 4; d lognormal 0 0.3")
    plan = designs.plan("sobol", parameters, 2, **{**SIZES, "n": 256})
    a, b, c, d = plan.theta.T
    y = np.stack([a * b + c**2, 3.0 + np.log(d) * b], axis=1)
    fit = chaos.fitted(parameters, plan.theta, y)
    assert fit.order == 2
    np.testing.assert_allclose(fit.q2, 1.0, atol=1e-12)
    first, total = chaos.indices(fit.powers, fit.coefficients)
    # Var(ab) = E a2 E b2 - (E a E b)**2, Var c2 = 42 of 1, 4, 16
    parts = np.array([1 / 12, 0.25 * 4, 42.0, 0.0, 4 / 12])
    np.testing.assert_allclose(first[0], parts[:4] / parts.sum(), atol=1e-10)
    np.testing.assert_allclose(total[1], [0, 0.8, 0, 1], atol=1e-10)  # b is 1 + 2 w
    wild = np.sin(37.0 * plan.theta[:, :1] * plan.theta[:, 1:2])
    assert chaos.fitted(parameters, plan.theta, wild).q2[0] < 0.2
    assert chaos.fitted(parameters, plan.theta[:8], y[:8]) is None


@pytest.mark.parametrize("design", ["mc", "lhs", "sobol"])
def test_errors_of_a_regression_cover_the_truth(design):
    parameters, inside = made(ANGLES), []
    for seed in range(10):
        plan = designs.plan(design, parameters, seed, **{**SIZES, "n": 256})
        fit = chaos.fitted(parameters, plan.theta, ishigami(plan.theta)[:, None], most=7)
        errors = chaos.index_errors(fit)
        for found, error, exact in zip(
            chaos.indices(fit.powers, fit.coefficients), errors, (S1, ST), strict=True
        ):
            inside += (np.abs(found - exact) <= 1.96 * error).ravel().tolist()
    assert np.mean(inside) > 0.9


# ---- levels


def called(eps, seed=1, pilot=200):
    """A multilevel estimate of the call, the members per level, and what they cost."""
    plan = multilevel.first([], seed, 3, pilot)
    y = call_payoff(plan.seed, plan.level)
    for _ in range(20):
        more = multilevel.further([], seed, plan, y[:, None], eps=eps, growth=2.0, pilot=pilot,
                                  most=10)  # fmt: skip
        if not len(more.member):
            break
        plan = multilevel.joined(plan, more)
        y = np.append(y, call_payoff(more.seed, more.level))
    found = multilevel.differences(plan, y[:, None])
    return found.means.sum(), found, np.exp2(plan.level).sum()


def test_levels_price_a_call_within_their_error():
    exact = 10.4505836  # Black and Scholes: S = K = 100, r = 0.05, sigma = 0.2, T = 1
    costs = []
    for eps in (0.4, 0.2, 0.1):
        price, found, cost = called(eps)
        assert abs(price - exact) <= 3 * eps
        costs.append(cost * eps**2)
        assert (np.diff(found.pairs) <= 0).all()
    # Milstein: variances fall faster than costs grow, so cost x eps**2 is bounded
    assert max(costs) / min(costs) < 2.5
    slopes = np.diff(np.log2(found.variances[1:, 0]))
    assert slopes.mean() < -1.5


def test_levels_are_shared_out_at_least_cost():
    variances, costs = np.array([[4.0], [1.0], [0.25]]), np.array([1.0, 2.0, 4.0])
    pairs = multilevel.allocation(0.1, variances, costs)
    assert (variances[:, 0] / pairs).sum() <= 0.5 * 0.01
    best = (pairs * costs).sum()
    for k in range(3):
        for other in range(3):
            moved = pairs.astype(float)
            moved[k] *= 1.2
            rest = 0.5 * 0.01 - (variances[:, 0] / moved).sum() + variances[other, 0] / moved[other]
            if other != k and rest > 0:
                moved[other] = variances[other, 0] / rest
                assert (moved * costs).sum() >= best * 0.999 - costs.sum()


def test_a_pair_does_not_depend_on_when_it_is_asked_for():
    parameters = made("k normal 0 1")
    whole = multilevel.first(parameters, 5, 2, 10)
    half = multilevel.first(parameters, 5, 2, 4)
    rest = multilevel.pairs(parameters, 5, np.array([6, 6]), np.array([4, 4]), len(half.member))
    for name in ("theta", "seed"):
        a = np.sort(np.ravel(getattr(whole, name)))
        b = np.sort(np.concatenate([np.ravel(getattr(p, name)) for p in (half, rest)]))
        assert np.array_equal(a, b)


# ---- the model, by hand


def asked(model, slots=0):
    start = ms.Start(0.0, 0, {"settings_out": slots, "params_out": slots} if slots else {})
    return model.f_init(start, ms.Received({}))


def answered(model, state, fields, port="qoi_in"):
    both = {"qoi_in": None, "answers_in": None}
    came = (
        [ms.Contact(0.0, None, {"y": y}) for y in fields]
        if port == "answers_in"
        else ms.Contact(0.0, None, fields)
    )
    return model.s(state, ms.Received({**both, port: came}))


def test_batches_ask_every_member_once():
    model = Sampler(distributions=ANGLES, n=16, batch=5)
    state, seen = asked(model), []
    while model.clock(state).to is not None:
        sent = model.o_i(state)["samples_out"]
        seen += sent["member"].tolist()
        assert (model.clock(state).next is None) == (len(seen) == 16)
        state = answered(
            model,
            state,
            {"member": sent["member"][::-1], "y": ishigami(sent["theta"])[::-1],
             "provenance": np.arange(len(sent["member"]), dtype=np.int32)},
        )  # fmt: skip
    assert seen == list(range(16))
    table = model.o_f(state)["table_out"]
    assert np.array_equal(table["y"], ishigami(table["theta"]))
    assert table["provenance"].tolist() == [4, 3, 2, 1, 0] * 3 + [0]


def test_components_of_their_own_get_settings_and_parameters():
    text = "a normal 1 0.1 m; b uniform 0 1; c discrete 1 5"
    model = Sampler(distributions=text, n=4, design="lhs")
    state = asked(model, slots=3)
    sent = model.o_i(state)
    assert [set(one) for one in sent["settings_out"]] == [{"a", "b", "c"}] * 3
    assert {type(one["c"]) for one in sent["settings_out"]} == {int}
    assert sent["params_out"][0]["parameter_units"] == "m;1;1"
    state = answered(model, state, [np.float64(1.0), 2.0, 3.0], "answers_in")
    sent = model.o_i(state)  # one is left for three
    assert sent["settings_out"][0] == sent["settings_out"][2]
    state = answered(model, state, [4.0, 4.0, 4.0], "answers_in")
    assert model.o_f(state)["table_out"]["y"].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_answers_that_are_missing_or_no_number_are_named():
    model = Sampler(distributions=ANGLES, n=4)
    state = asked(model)
    four = np.arange(4)
    with pytest.raises(ValueError, match=r"members 1, 3 of 4 did not come back"):
        answered(model, state, {"member": np.array([0, 2]), "y": np.zeros(2)})
    with pytest.raises(ValueError, match=r"member 9 came back without being asked for"):
        answered(model, state, {"member": np.append(four, 9), "y": np.zeros(5)})
    with pytest.raises(ValueError, match=r"5 answers came for 4 members"):
        answered(model, state, {"member": np.append(four, 2), "y": np.zeros(5)})
    y = np.array([1.0, np.nan, 2.0, np.inf])
    with pytest.raises(ms.Refused, match=r"members 1, 3 answered no finite number; set not_finite"):
        answered(model, state, {"member": four, "y": y})
    dropping = Sampler(distributions=ANGLES, n=4, not_finite="drop")
    state = answered(dropping, asked(dropping), {"member": four, "y": y})
    assert np.isnan(dropping.o_f(state)["table_out"]["y"][1])
    with pytest.raises(ms.Refused, match="y has 3 rows for 4 members"):
        answered(model, asked(model), {"member": four, "y": np.zeros(3)})
    with pytest.raises(ms.Refused, match="hears no answers; connect qoi_in or answers_in"):
        model.s(asked(model), ms.Received({"qoi_in": None, "answers_in": None}))
    with pytest.raises(ValueError, match=r"an answer has the shape \(2,\), those before had \(\)"):
        kernel.grown(np.zeros(3), slice(3, 6), (2,), 6)
    with pytest.raises(ms.Refused, match="the design mlmc sends its members with their level"):
        asked(Sampler(distributions="", design="mlmc", n=4), slots=2)


# ---- coupled

PARTS = {
    "sampler": Component("manyscale.bridges.sampler:Sampler"),
    "model": Component("toys.sampled:Function"),
    "stats": Component("manyscale.bridges.gather:Gather"),
}
WIRES = {
    "sampler.samples_out": "model.asked",
    "model.answer": "sampler.qoi_in",
    "sampler.table_out": "stats.samples_in",
}
SHARED = {"distributions": ANGLES, "design": "sobol", "stats.record": "stats_out",
          "sampler.record": "table_out;samples_out"}  # fmt: skip


def spec_of(folder, parts=PARTS, wires=WIRES, **given):
    named = {name.replace("__", "."): value for name, value in given.items()}
    return testing.write_spec(folder, parts, wires, {**SHARED, **named})


def told(out):
    return out.recorded["stats.stats_out"][0].messages[0]


def test_a_coupled_study_finds_the_indices(tmp_path):
    one = told(run(spec_of(tmp_path, design="pce", pce_order=10)))
    assert one["mean"][0] == pytest.approx(MEAN, rel=1e-6)
    np.testing.assert_allclose(one["S1"][0], S1, atol=5e-5)
    for design in ("saltelli", "sobol"):
        found = told(run(spec_of(tmp_path / design, design=design, n=2048)))
        assert (np.abs(found["S1"][0] - S1) <= 3 * found["S1_se"][0] + 1e-9).all()
        assert (np.abs(found["ST"][0] - ST) <= 3 * found["ST_se"][0] + 1e-9).all()


def test_batches_and_one_message_give_the_same_table(tmp_path):
    tables = [
        run(spec_of(tmp_path / str(batch), sampler__batch=batch, n=64)).recorded[
            "sampler.table_out"
        ]
        for batch in (0, 1, 7)
    ]
    for other in tables[1:]:
        for name, value in tables[0][0].messages[0].items():
            assert np.array_equal(value, other[0].messages[0][name]), name


def test_levels_in_a_coupling(tmp_path):
    parts = {**PARTS, "model": Component("toys.sampled:Call")}
    wires = {**WIRES}
    wires["sampler.levels_out"] = wires.pop("sampler.samples_out")
    spec = spec_of(tmp_path, parts, wires, design="mlmc", distributions="", sampler__n=200,
                   sampler__eps=0.2, sampler__record="table_out")  # fmt: skip
    found = told(run(spec))
    assert found["mean"][0] == pytest.approx(10.4505836, abs=0.6)
    assert found["mean_se"][0] < 0.2
    price, levels, _ = called(0.2)
    assert found["mean"][0] == pytest.approx(price, rel=1e-12)
    assert found["level_pairs"].tolist() == levels.pairs.tolist()
    (problem,) = diagnose(
        [spec_of(tmp_path / "wrong", PARTS, WIRES, design="mlmc", distributions="")],
        trusted=True, with_machine=False,
    ).errors  # fmt: skip
    assert problem.code == "UQ02"


MANY = "a normal 1 0.1 m; b uniform 0 1; c discrete 1 5"


@pytest.mark.parametrize("kind", ["settings", "params"])
def test_an_ensemble_of_components(tmp_path, kind):
    model = "Single" if kind == "settings" else "Listener"
    parts = {**PARTS, "model": Component(f"toys.sampled:{model}", 3)}
    into = "model.muscle_settings_in" if kind == "settings" else "model.asked"
    wires = {f"sampler.{kind}_out": into, "model.found": "sampler.answers_in",
             "sampler.table_out": "stats.samples_in"}  # fmt: skip
    spec = spec_of(tmp_path, parts, wires, distributions=MANY, n=8, design="lhs",
                   sampler__record="table_out")  # fmt: skip
    table = run(spec).recorded["sampler.table_out"][0].messages[0]
    a, b, c = table["theta"].T
    y = table["y"] if kind == "settings" else table["y"][:, 0]
    assert np.array_equal(y, a * b + c)
    if kind == "settings":
        wrong = spec_of(tmp_path / "w", parts, wires, distributions="d normal 1 2; a uniform 0 1",
                        n=8, design="lhs", sampler__record="table_out")  # fmt: skip
        (problem,) = diagnose([wrong], trusted=True, with_machine=False).errors
        assert problem.code == "UQ01"
        assert "varies d, which no component that it samples has as a setting" in problem.text


@pytest.mark.coupled
def test_an_ensemble_under_muscle_is_that_of_one_process(tmp_path):
    parts = {**PARTS, "model": Component("toys.sampled:Single", 3)}
    wires = {
        "sampler.settings_out": "model.muscle_settings_in",
        "model.found": "sampler.answers_in",
        "sampler.table_out": "stats.samples_in",
    }
    spec = spec_of(tmp_path, parts, wires, distributions=MANY, n=8, design="lhs",
                   sampler__record="table_out")  # fmt: skip
    testing.run_in_process(spec, tmp_path / "here")
    there = testing.run_with_muscle(spec, tmp_path / "there")
    assert not (found := testing.differences(tmp_path / "here", there)), found


@pytest.mark.coupled
@pytest.mark.nightly
def test_a_killed_study_goes_on_to_the_same_table(tmp_path):
    spec = spec_of(tmp_path, sampler__batch=2, n=128, model__pause=0.05)
    testing.run_in_process(spec, tmp_path / "here")
    again = resumed(spec, tmp_path, every=0.3, clock="wallclock_time")
    assert not (found := testing.differences(tmp_path / "here", again)), found


def test_mistakes_in_a_coupling_are_one_sentence(tmp_path):
    with pytest.raises(ms.Refused, match="member 3 answered no finite number") as found:
        run(spec_of(tmp_path, n=16, model__lost=3))
    assert "\n" not in str(found.value)
    with pytest.raises(ms.Refused, match="member 3 of 16 did not come back"):
        run(spec_of(tmp_path, n=16, model__missing=3))
    out = told(run(spec_of(tmp_path, n=16, model__lost=3, sampler__not_finite="drop")))
    assert (out["members"], out["dropped"].tolist()) == (16, [3])
    with pytest.raises(ms.Refused, match=r"MS411 error: .*n is 100, and Sobol points"):
        run(spec_of(tmp_path, n=100))
