"""The constraint against dense algebra, its limits, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import manyscale as ms
from manyscale_plugins.aggregation_constraint import AggregationConstraint, footprints, kernel
from manyscale_plugins.surface_energy_balance import kernel as balance

EVERY = settings(deadline=None, derandomize=True, max_examples=60)


def grid(size, west=0.0, north=0.0, down=-1.0, right=1.0):
    """A geotransform of square pixels."""
    return np.array([west, right * size, 0.0, north, 0.0, down * size])


def overlaps(coarse, count, fine, many, origin, size):
    """Part of every coarse pixel (count) that a fine pixel (many) is, by the definition."""
    a = np.sort(
        coarse[origin] + coarse[size] * np.stack([np.arange(count), np.arange(count) + 1]).T
    )
    b = np.sort(fine[origin] + fine[size] * np.stack([np.arange(many), np.arange(many) + 1]).T)
    low = np.maximum(a[:, None, 0], b[None, :, 0])
    high = np.minimum(a[:, None, 1], b[None, :, 1])
    return np.maximum(high - low, 0.0) / abs(coarse[size])


def dense(coarse, coarse_shape, fine, fine_shape):
    """A (coarse pixels, fine pixels) as one matrix."""
    rows = overlaps(coarse, coarse_shape[0], fine, fine_shape[0], 3, 5)
    columns = overlaps(coarse, coarse_shape[1], fine, fine_shape[1], 0, 1)
    return np.kron(rows, columns)


def correlations(count, length):
    taps = footprints.taps(length)
    apart = np.abs(np.arange(count)[:, None] - np.arange(count))
    return np.where(
        apart <= len(taps) // 2, taps[np.minimum(len(taps) // 2 + apart, len(taps) - 1)], 0
    )


def by_dense_algebra(model, valid, fine, seen, rule):
    """Temperature and standard deviation of the fine pixels, and the coarse ones that are held."""
    A = dense(seen.geotransform, seen.lst.shape, fine, model.shape) * valid.ravel()
    part = A.sum(axis=1)
    held = (part >= rule.min_cover) & seen.valid.ravel()
    A, c = A[held] / part[held, None], seen.lst.ravel()[held]
    size = abs(fine[1])
    K = np.kron(*(correlations(n, rule.correlation_length / size) for n in model.shape))
    sigma = np.where(seen.sigma > 0.0, seen.sigma, rule.observation_std).ravel()[held]
    R = np.diag((sigma / rule.model_std) ** 2) * (rule.method == "tikhonov")
    m = model.ravel()
    T = m.copy()
    for _ in range(50):
        power = rule.aggregate_in == "T4"
        J = A * T**3 / c[:, None] ** 3 if power else A
        lacks = (c**4 - A @ T**4) / (4.0 * c**3) if power else c - A @ T
        new = m + K @ J.T @ np.linalg.solve(J @ K @ J.T + R, lacks + J @ (T - m))
        done, T = np.abs(new - T).max() < 1e-12, new
        if done:
            break
    covariance = K - K @ J.T @ np.linalg.solve(J @ K @ J.T + R, J @ K)
    std = rule.model_std * np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return T.reshape(model.shape), std.reshape(model.shape), held.reshape(seen.lst.shape)


def random_scene(shape=(23, 31), coarse=(5, 6), seed=3, clouds=0.1, gaps=0.1):
    numbers = np.random.default_rng(seed)
    model = 300.0 + 5.0 * numbers.standard_normal(shape)
    lst = 300.0 + 3.0 * numbers.standard_normal(coarse)
    sigma = np.where(numbers.random(coarse) < 0.2, 0.0, 0.3 + numbers.random(coarse))
    return (
        model, numbers.random(shape) >= gaps, lst, numbers.random(coarse) >= clouds, sigma,
    )  # fmt: skip


COARSE = grid(50.0, 5.0, 7.0)  # begins before and ends behind some of the fine pixels
ALIGNMENTS = {
    "north up": (COARSE, grid(11.0)),
    "south up": (grid(50.0, 5.0, -243.0, down=1.0), grid(11.0)),
    "both turned": (grid(50.0, 305.0, -243.0, 1.0, -1.0), grid(11.0)),
    "fine turned": (COARSE, grid(11.0, 341.0, -253.0, 1.0, -1.0)),
}


@pytest.mark.parametrize("aggregate_in", ["T", "T4"])
@pytest.mark.parametrize("method", ["exact", "tikhonov"])
@pytest.mark.parametrize("length", [0.0, 40.0, 90.0])
def test_every_mode_is_the_dense_algebra(length, method, aggregate_in):
    model, valid, lst, clear, sigma = random_scene()
    rule = kernel.Rule(
        aggregate_in, method, model_std=1.7, observation_std=0.8, correlation_length=length
    )
    seen = kernel.Observation(lst, clear, sigma, COARSE)
    found = kernel.constrained(model, valid, grid(11.0), seen, rule, uncertainty=True)
    T, std, held = by_dense_algebra(model, valid, grid(11.0), seen, rule)
    np.testing.assert_array_equal(found.held, held)
    assert 20 < held.sum() < held.size
    np.testing.assert_allclose(found.lst[valid], T[valid], rtol=0.0, atol=1e-9)
    np.testing.assert_allclose(found.std[valid], std[valid], rtol=0.0, atol=1e-9)
    assert (found.lst[~valid] == 0.0).all()
    if method == "exact":
        assert np.abs(found.residual).max() <= 1e-9


@pytest.mark.parametrize("name", ALIGNMENTS)
def test_either_grid_may_run_either_way(name):
    coarse, fine = ALIGNMENTS[name]
    model, valid, lst, clear, sigma = random_scene(seed=4)
    rule = kernel.Rule(method="tikhonov", correlation_length=40.0)
    seen = kernel.Observation(lst, clear, sigma, coarse)
    found = kernel.constrained(model, valid, fine, seen, rule, uncertainty=True)
    T, std, held = by_dense_algebra(model, valid, fine, seen, rule)
    np.testing.assert_array_equal(found.held, held)
    np.testing.assert_allclose(found.lst[valid], T[valid], rtol=0.0, atol=1e-9)
    np.testing.assert_allclose(found.std[valid], std[valid], rtol=0.0, atol=1e-9)


def test_the_residual_is_what_it_says():
    model, valid, lst, clear, sigma = random_scene(seed=5)
    seen = kernel.Observation(lst, clear, sigma, COARSE)
    for power, name in ((1, "T"), (4, "T4")):
        rule = kernel.Rule(name, "tikhonov", correlation_length=40.0)
        found = kernel.constrained(model, valid, grid(11.0), seen, rule)
        A = dense(COARSE, lst.shape, grid(11.0), model.shape) * valid.ravel()
        with np.errstate(invalid="ignore"):
            mean = ((A @ found.lst.ravel() ** power) / A.sum(axis=1)) ** (1.0 / power)
        left = np.where(found.held.ravel(), mean - lst.ravel(), 0.0)
        np.testing.assert_allclose(found.residual.ravel(), left, atol=1e-10)
        assert np.abs(left).max() > 0.1  # uncertain means are not met


def scene(n=500, seed=1):
    """The recipe of the verification: surface, truth and the model's guess of it."""
    from scipy.ndimage import gaussian_filter

    numbers = np.random.default_rng(seed)
    x = gaussian_filter(numbers.standard_normal((n, n)), 6, mode="wrap")
    x = np.floor(12.0 * (x - x.min()) / np.ptp(x)).clip(0, 11) / 11.0
    x = (x + 0.05 * numbers.standard_normal((n, n))).clip(0.0, 1.0)
    ripple = gaussian_filter(numbers.standard_normal((n, n)), 10, mode="wrap")
    albedo = 0.28 - 0.12 * x**2 + 0.01 * ripple / ripple.std()
    moisture = gaussian_filter(numbers.standard_normal((n, n)), 25, mode="wrap")
    ra, rs = balance.resistances(0.1 + 0.8 * x)
    air = 800.0, 350.0, 298.15, 1500.0
    surface = albedo, 0.95 + 0.04 * x**2, ra
    hidden = np.exp(0.35 * moisture / moisture.std())
    truth = balance.surface_temperature(*surface, rs * hidden, *air)
    return truth, balance.surface_temperature(*surface, rs, *air)


def observed(truth, fine, coarse, coarse_shape):
    """What a perfect instrument sees of a truth."""
    rows = overlaps(coarse, coarse_shape[0], fine, truth.shape[0], 3, 5)
    columns = overlaps(coarse, coarse_shape[1], fine, truth.shape[1], 0, 1)
    weight = np.outer(rows.sum(axis=1), columns.sum(axis=1))
    lst = rows @ truth @ columns.T / np.where(weight > 0.0, weight, 1.0)
    return kernel.Observation(lst, weight > 0.0, np.zeros_like(lst), coarse)


def rmse(field, truth):
    return float(np.sqrt(np.mean((field - truth) ** 2)))


def test_the_scene_of_the_verification():
    truth, model = scene()
    fine, coarse, everywhere = grid(30.0), grid(500.0), np.ones(truth.shape, bool)
    seen = observed(truth, fine, coarse, (30, 30))
    found = kernel.constrained(model, everywhere, fine, seen)
    assert np.abs(found.residual).max() <= 1e-9
    assert found.held.all()
    # every coarse pixel corrected for itself leaves what its neighbours do to it
    owner = ((np.arange(500) + 0.5) * 30.0 // 500.0).astype(int)
    means = observed(model, fine, coarse, (30, 30)).lst
    naive = model + (seen.lst - means)[owner][:, owner]
    left = np.abs(observed(naive, fine, coarse, (30, 30)).lst - seen.lst).max()
    assert 2.7e-2 / 2.0 < left < 2.7e-2 * 2.0  # of another realisation, computed independently
    alone, constrained = rmse(model, truth), rmse(found.lst, truth)
    assert constrained < 0.25 * alone
    assert constrained == pytest.approx(0.217, rel=0.1)  # likewise
    smooth = kernel.Rule(correlation_length=1000.0)
    better = kernel.constrained(model, everywhere, fine, seen, smooth)
    assert np.abs(better.residual).max() <= 1e-9
    assert rmse(better.lst, truth) < 0.6 * constrained


def test_equal_pixels_take_what_was_observed():
    model, valid, _, _, _ = random_scene((7, 9), (7, 9), gaps=0.0)
    lst = 290.0 + np.arange(63.0).reshape(7, 9)
    seen = kernel.Observation(lst, lst > 0.0, 0.0 * lst, grid(30.0))
    for name in ("T", "T4"):
        found = kernel.constrained(model, valid, grid(30.0), seen, kernel.Rule(name), True)
        np.testing.assert_allclose(found.lst, lst, rtol=0.0, atol=1e-12)
        np.testing.assert_allclose(found.std, 0.0, atol=1e-12)


def test_constant_properties_give_the_field_of_least_norm():
    """The same as the pseudo-inverse of A, which knows nothing of this algorithm."""
    coarse, fine, shape, count = grid(50.0), grid(11.0), (50, 50), (11, 11)
    lst = 300.0 + np.random.default_rng(7).standard_normal(count)
    seen = kernel.Observation(lst, lst > 0.0, 0.0 * lst, coarse)
    everywhere = np.ones(shape, bool)
    found = kernel.constrained(np.full(shape, 299.0), everywhere, fine, seen)
    A = dense(coarse, count, fine, shape)
    least = 299.0 + np.linalg.pinv(A) @ (lst.ravel() - A @ np.full(2500, 299.0))
    np.testing.assert_allclose(found.lst.ravel(), least, rtol=0.0, atol=1e-9)


def test_a_single_coarse_pixel_in_closed_form():
    n, s, sigma = 36, 2.0, 0.5
    model, everywhere = np.full((6, 6), 300.0), np.ones((6, 6), bool)
    one = np.full((1, 1), 303.0)
    seen = kernel.Observation(one, one > 0.0, np.full((1, 1), sigma), grid(60.0))
    rule = kernel.Rule(method="tikhonov", model_std=s)
    found = kernel.constrained(model, everywhere, grid(10.0), seen, rule, True)
    gain = (s**2 / n) / (s**2 / n + sigma**2)
    np.testing.assert_allclose(found.lst, 300.0 + 3.0 * gain, rtol=1e-14)
    np.testing.assert_allclose(found.std, s * np.sqrt(1.0 - gain / n), rtol=1e-13)


def test_certain_and_useless_observations_are_the_limits_of_uncertain_ones():
    model, valid, lst, clear, _ = random_scene(seed=8)
    exact = kernel.Rule(correlation_length=60.0)
    given = model, valid, grid(11.0)
    for sigma, limit in ((1e-7, None), (1e7, model)):
        seen = kernel.Observation(lst, clear, np.full(lst.shape, sigma), COARSE)
        rule = kernel.Rule(method="tikhonov", correlation_length=60.0)
        found = kernel.constrained(*given, seen, rule, True)
        if limit is None:
            limit = kernel.constrained(*given, seen, exact).lst
        else:
            np.testing.assert_allclose(found.std[valid], 1.0, atol=1e-12)
        np.testing.assert_allclose(found.lst[valid], limit[valid], atol=1e-6)


def test_the_posterior_is_as_wide_as_its_errors():
    """Truths drawn from the prior and observed with noise: errors over std have variance 1."""
    shape, count, fine, coarse, s = (44, 44), (9, 9), grid(11.0), grid(50.0), 1.3
    rule = kernel.Rule(method="tikhonov", model_std=s, correlation_length=80.0)
    root = np.linalg.cholesky(correlations(44, 80.0 / 11.0) + 1e-12 * np.eye(44))
    numbers = np.random.default_rng(11)
    everywhere, model, ratios = np.ones(shape, bool), np.full(shape, 300.0), []
    sigma = 0.2 + 0.8 * numbers.random(count)
    for _ in range(40):
        truth = model + s * root @ numbers.standard_normal(shape) @ root.T
        seen = observed(truth, fine, coarse, count)
        noisy = seen._replace(lst=seen.lst + sigma * numbers.standard_normal(count), sigma=sigma)
        found = kernel.constrained(model, everywhere, fine, noisy, rule, True)
        ratios.append((found.lst - truth) / found.std)
    every = np.array(ratios)
    assert every.var() == pytest.approx(1.0, abs=0.05)  # some 40 x 80 independent ones
    assert abs(every.mean()) < 0.1


@given(
    ratio=st.floats(1.0, 9.0),
    shift=st.tuples(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0)),
    shape=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    count=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    gaps=st.floats(0.0, 0.6),
    length=st.sampled_from([0.0, 0.0, 1.5]),
    seed=st.integers(0, 10_000),
)
@EVERY
def test_any_two_grids_any_gaps(ratio, shift, shape, count, gaps, length, seed):
    """Means are met where they can be, nothing else changes, and doing it again changes nothing."""
    model, valid, lst, clear, sigma = random_scene(shape, count, seed, 0.2, gaps)
    coarse = grid(ratio, *shift)
    seen = kernel.Observation(lst, clear, sigma, coarse)
    rule = kernel.Rule(correlation_length=length * ratio)
    A = dense(coarse, count, grid(1.0), shape) * valid.ravel()
    part = A.sum(axis=1)
    held = (part >= 0.5) & clear.ravel()
    A = A[held] / part[held, None]
    K = np.kron(*(correlations(n, rule.correlation_length) for n in shape))
    condition = np.linalg.cond(A @ K @ A.T) if held.any() else 1.0
    try:
        found = kernel.constrained(model, valid, grid(1.0), seen, rule)
    except kernel.NotConverged:
        assert condition > 1e9  # coarse pixels share nearly all their fine ones
        return
    np.testing.assert_array_equal(found.held.ravel(), held)
    mean = A @ found.lst.ravel()
    np.testing.assert_allclose(mean, lst.ravel()[held], rtol=0.0, atol=1e-9)
    if length == 0.0:
        apart = valid.ravel() & (A.sum(axis=0) == 0.0)
        np.testing.assert_array_equal(found.lst.ravel()[apart], model.ravel()[apart])
    again = kernel.constrained(found.lst, valid, grid(1.0), seen, rule)
    np.testing.assert_allclose(again.lst, found.lst, rtol=0.0, atol=1e-9 * condition**0.5)


@pytest.mark.parametrize("length", [0.0, 600.0])
@pytest.mark.parametrize(("coarse_size", "core"), [(500.0, 6), (463.3127, 7), (1000.0, 4)])
def test_a_part_with_its_halo_is_part_of_the_whole(coarse_size, core, length):
    numbers = np.random.default_rng(2)
    fine, coarse = grid(30.0), grid(coarse_size)
    count = 30 if length == 0.0 else 44
    n = int(count * coarse_size / 30.0)
    model = 300.0 + 3.0 * numbers.standard_normal((n, n))
    valid = numbers.random((n, n)) > 0.05
    lst = 300.0 + 0.3 * numbers.standard_normal((count, count))
    seen = kernel.Observation(lst, numbers.random(lst.shape) > 0.1, 0.0 * lst, coarse)
    rule = kernel.Rule(correlation_length=length)
    whole = kernel.constrained(model, valid, fine, seen, rule)
    halo, _ = kernel.halo(coarse, fine, lst.shape, model.shape, length)
    first = (count - core) // 2
    low, high = max(first - halo, 0), min(first + core + halo, count)
    assert length > 0.0 or low > 0
    pixels = slice(int(low * coarse_size / 30.0), int(np.ceil(high * coarse_size / 30.0)))
    part = kernel.Observation(
        *(x[low:high, low:high] for x in seen[:3]),
        grid(coarse_size, low * coarse_size, -low * coarse_size),
    )
    corner = grid(30.0, pixels.start * 30.0, -pixels.start * 30.0)
    found = kernel.constrained(model[pixels, pixels], valid[pixels, pixels], corner, part, rule)
    inside = slice(
        int(np.ceil(first * coarse_size / 30.0)), int((first + core) * coarse_size / 30.0)
    )
    there = slice(inside.start - pixels.start, inside.stop - pixels.start)
    np.testing.assert_allclose(
        found.lst[there, there], whole.lst[inside, inside], rtol=0.0, atol=1e-9
    )


def test_std_of_a_large_scene_is_that_of_its_tiles():
    """More coarse pixels than a tile of the factorisation, against the dense inverse."""
    model, valid, lst, clear, sigma = random_scene((8, 200), (2, 52), clouds=0.05)
    rule = kernel.Rule(method="tikhonov", correlation_length=9.0)
    seen = kernel.Observation(lst, clear, sigma, grid(3.9))
    found = kernel.constrained(model, valid, grid(1.0), seen, rule, True)
    _, std, _ = by_dense_algebra(model, valid, grid(1.0), seen, rule)
    np.testing.assert_allclose(found.std[valid], std[valid], rtol=0.0, atol=1e-9)


@pytest.mark.parametrize("threads", ["1", "2", "3"])
def test_threads_do_not_change_the_bits(threads, monkeypatch):
    model, valid, lst, clear, sigma = random_scene()
    seen = kernel.Observation(lst, clear, sigma, COARSE)
    rule = kernel.Rule("T4", "tikhonov", correlation_length=40.0)
    found = []
    for count in ("1", threads):
        monkeypatch.setenv("OMP_NUM_THREADS", count)
        found.append(kernel.constrained(model, valid, grid(11.0), seen, rule, True))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_to_hold_leaves_the_model():
    model, valid, lst, clear, sigma = random_scene()
    seen = kernel.Observation(lst, np.zeros_like(clear), sigma, COARSE)
    found = kernel.constrained(model, valid, grid(11.0), seen, kernel.Rule(), True)
    np.testing.assert_array_equal(found.lst, np.where(valid, model, 0.0))
    assert not found.held.any()
    assert set(np.unique(found.std)) == {0.0, 1.0}
    empty = kernel.Observation(*(x[:0, :0] for x in seen[:3]), COARSE)
    none = kernel.constrained(model[:0, :0], valid[:0, :0], grid(11.0), empty, kernel.Rule(), True)
    assert none.lst.shape == none.std.shape == none.residual.shape == (0, 0)


def called(time=0.0, times=(0.0,), crs="EPSG:32632", coarse=None, **changed):
    """The State after one call in this process."""
    messages = AggregationConstraint.example().messages
    one = messages["coarse_in"]
    several = {name: np.repeat(one[name], len(times), 0) for name in ("lst", "valid", "sigma")}
    about = {"observation_time": np.array(times), "crs": crs, **(coarse or {})}
    ports = {
        "coarse_in": ms.Contact(0.0, None, {**one, **several, **about}),
        "model_in": ms.Contact(time, None, messages["model_in"]),
    }
    return AggregationConstraint(**changed).f_init(ms.Start(time), ms.Received(ports))


def test_it_acts_in_the_step_in_which_an_observation_lies():
    field = AggregationConstraint.example().messages["model_in"]["lst_model"]
    for time, acts in ((0.0, False), (600.0, True), (1200.0, False), (1800.0, True)):
        state = called(time, (700.0, 1800.0))
        assert bool(state.held.any()) == acts
        assert acts or (state.lst == field).all()
        assert acts or not state.residual.any()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"crs": "EPSG:4326"}, r"coarse_in is in EPSG:4326, model_in in EPSG:32632; bring both"),
        ({"times": (0.0, 100.0)}, r"observations at 0 s and 100 s lie in one step of 600 s from 0"),
        (
            {"coarse": {"geotransform": grid(5.0, 0.0, 100.0)}},
            r"the fine pixels of 10 are larger than the coarse ones of 5",
        ),
        (
            {"coarse": {"geotransform": np.array([0.0, 50.0, 1.0, 100.0, 0.0, -50.0])}},
            r"the coarse grid is rotated: bring it to a north-up grid",
        ),
        (
            {"coarse": {"lst": np.full((1, 2, 3), 27.5)}},
            r"lst is 27.5 K in row 0, column 0, expected 150..400 K: is it in degrees Celsius\?",
        ),
    ],
    ids=["crs", "two passes", "larger", "rotated", "celsius"],
)
def test_what_cannot_be_constrained_is_refused(changes, says):
    with pytest.raises(ms.Refused, match=says):
        called(**changes)


def test_means_that_contradict_one_another_are_refused():
    """Two coarse pixels that share their only valid fine pixel."""
    model, valid = np.full((1, 3), 300.0), np.array([[False, True, False]])
    lst = np.array([[300.0, 301.0]])
    seen = kernel.Observation(lst, lst > 0.0, 0.0 * lst, grid(1.5))
    rule = kernel.Rule(min_cover=0.1)
    with pytest.raises(
        kernel.NotConverged, match=r"did not converge: 1 K of a coarse pixel are left"
    ):
        kernel.constrained(model, valid, grid(1.0), seen, rule)
    weighed = kernel.Rule(method="tikhonov", min_cover=0.1)
    found = kernel.constrained(model, valid, grid(1.0), seen, weighed, True)
    assert 300.0 < found.lst[0, 1] < 301.0
