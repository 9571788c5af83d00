"""Fixed points by relaxation and quasi-Newton steps: counts of evaluations and what is kept."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyscale.bridges.relaxation import kernel, quasi_newton
from manyscale.bridges.relaxation.kernel import Options

settings.register_profile("seeded", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("seeded")

SLABS = [-0.5, -2.0, -100.0]


DEFAULTS = Options()


def solve(G, x, options=DEFAULTS, rtol=1e-12, windows=1, offsets=None, max_iter=200):
    """Return x and the evaluations of every window; G(x, window)."""
    memory, counts = kernel.begin([0, len(x)] if offsets is None else offsets), []
    for window in range(windows):
        for _ in range(max_iter):
            memory = kernel.evaluated(options, memory, x, G(x, window))
            if kernel.converged(memory, rtol, 0.0):
                break
            x = kernel.proposed(options, memory)
        counts.append(memory.tried)
        memory = kernel.settled(options, memory)
    return x, np.array(counts)


def three_equations(v):
    x, y, z = v
    return np.array(
        [
            np.cos((y - 1) * z) / 3 + 1 / 6,
            np.sqrt(x * x + np.sin(z) + 1.06) / 9 + 0.9,
            -np.exp(-x * (y - 1)) / 20 - (10 * np.pi - 3) / 60,
        ]
    )


@pytest.mark.parametrize(
    "options", [Options("fixed", omega0=1.0), Options("anderson", max_columns=2)]
)
def test_the_sample_of_kinsol(options):
    # kinAnalytic_fp of SUNDIALS: 5 evaluations, with and without acceleration
    memory, x = kernel.begin([0, 3]), np.array([0.1, 0.1, -0.1])
    while True:
        memory = kernel.evaluated(options, memory, x, three_equations(x))
        before, x = x, kernel.proposed(options, memory)
        if np.abs(x - before).max() < 1.49012e-6:
            break
    assert memory.tried == 5
    np.testing.assert_allclose(x, [0.5, 1.0, -np.pi / 6], atol=1e-6)


@pytest.mark.parametrize("n", [30, 200, 3000])
@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("method", ["anderson", "iqn_ils"])
def test_k_eigenvalues_take_k_and_two_evaluations(n, k, method):
    # the residual polynomial of GMRES vanishes at k eigenvalues after k directions
    random = np.random.default_rng(n + k)
    values, b = np.resize([-4.0, 0.7, -1.5][:k], n), random.normal(size=n)
    Q = np.linalg.qr(random.normal(size=(n, n)))[0] if n < 1000 else None

    def image(x, _):
        return values * x + b if Q is None else Q @ (values * (Q.T @ x)) + b

    _, counts = solve(image, np.zeros(n), Options(method), rtol=1e-10)
    assert counts.tolist() == [k + 2]


@pytest.mark.parametrize("g", SLABS)
@pytest.mark.parametrize("method", ["aitken", "anderson", "iqn_ils"])
def test_two_steady_slabs_take_three_evaluations(g, method):
    # the first step overshoots 50- to 100-fold, and the residual feels round-off 101-fold
    rtol = 1e-13 if method == "aitken" else 1e-10
    x, counts = solve(lambda x, _: g * x + 1.0, np.zeros(1), Options(method), rtol=rtol)
    assert counts.tolist() == [3]
    assert x[0] == pytest.approx(1.0 / (1.0 - g), rel=rtol)


@pytest.mark.parametrize("g", SLABS)
def test_the_best_relaxation_takes_two_evaluations(g):
    options = Options("fixed", omega0=1.0 / (1.0 - g))
    _, counts = solve(lambda x, _: g * x + 1.0, np.zeros(1), options, rtol=1e-13)
    assert counts.tolist() == [2]


def sequence(seed):
    random = np.random.default_rng(seed)
    Q = np.linalg.qr(random.normal(size=(30, 30)))[0]
    values = np.concatenate((random.uniform(-3, 0.5, 5), random.uniform(-0.3, 0.3, 25)))
    b = random.normal(size=(20, 30))
    return lambda x, window: (Q * values) @ (Q.T @ x) + b[window]


@pytest.mark.parametrize("seed", range(5))
def test_columns_of_earlier_windows_save_evaluations(seed):
    G = sequence(seed)
    _, alone = solve(G, np.zeros(30), Options(reuse=0), rtol=1e-6, windows=20)
    _, reused = solve(G, np.zeros(30), Options(reuse=8), rtol=1e-6, windows=20)
    assert reused.sum() <= 0.7 * alone.sum()
    assert 0.33 <= reused.sum() / alone.sum() <= 0.50  # 0.38 to 0.44 in these five
    assert (reused <= alone).all()
    assert 10.5 <= alone.mean() <= 13.5


def radiating(stiffness):
    """Conduction to a wall that radiates, x = (0.3^4 + k (L 1.2 - L x))^(1/4), 40 places."""
    k = stiffness * (1.0 + 0.5 * np.sin(np.pi * np.linspace(0.0, 1.0, 40)))
    mixed = np.eye(40) + 0.2 * (np.eye(40, k=1) + np.eye(40, k=-1))
    return lambda x, w: (
        np.maximum(0.3**4 + k * (mixed @ (1.2 + 0.05 * np.sin(0.3 * w) - x)), 1e-12) ** 0.25
    )


def stiffening(stiffest, seed=1, n=60):
    """Return -A (tanh(x/2) + x/2) + b(t) with eigenvalues of A from `stiffest` to 1e-3."""
    random = np.random.default_rng(seed)
    Q = np.linalg.qr(random.normal(size=(n, n)))[0]
    b = np.cumsum(0.1 * random.normal(size=(20, n)), axis=0)
    A = (Q * np.geomspace(stiffest, 1e-3, n)) @ Q.T
    return lambda x, w: b[w] - A @ (np.tanh(0.5 * x) + 0.5 * x)


@pytest.mark.parametrize(
    ("G", "start", "most"),
    [
        (lambda x, w: -2.0 * x + 1.0 + w, np.zeros(1), 41),
        (lambda x, w: -100.0 * x + 1.0 + 0.1 * w, np.zeros(1), 41),
        (lambda x, w: 0.9 * x + 1.0 + w, np.zeros(1), 41),
        (sequence(0), np.zeros(30), 105),
        (radiating(0.5), np.full(40, 0.6), 70),
        (radiating(3.0), np.full(40, 1.0), 92),
        (stiffening(3.0), np.zeros(60), 145),
        (stiffening(300.0), np.zeros(60), 200),
    ],
    ids=["g=-2", "g=-100", "g=0.9", "30x30", "radiating", "radiating more", "stiff", "stiffer"],
)
def test_the_defaults_are_good_without_tuning(G, start, most):
    """20 windows; `most` is the count measured plus a tenth, not more than aitken needs."""
    _, counts = solve(G, start, Options(), rtol=1e-6, windows=20)
    assert counts.max() < 40
    assert counts.sum() <= most
    _, aitken = solve(G, start, Options("aitken"), rtol=1e-6, windows=20)
    assert counts.sum() <= aitken.sum()


def test_many_unknowns_give_the_coefficients_of_few(monkeypatch):
    G, few = sequence(3), solve(sequence(3), np.zeros(30), rtol=1e-6, windows=8)
    monkeypatch.setattr(kernel, "LARGE", 0)
    many = solve(G, np.zeros(30), rtol=1e-6, windows=8)
    assert many[1].tolist() == few[1].tolist()
    np.testing.assert_allclose(many[0], few[0], rtol=1e-6)


columns = st.integers(0, 2**32 - 1)


@given(columns, st.sampled_from([1e-1, 1e-3, 1e-5]))
def test_the_filter_drops_what_is_not_new(seed, eps):
    random = np.random.default_rng(seed)
    V = random.normal(size=(8, 20))
    V[3] = V[0] - 2.0 * V[1] + 0.1 * eps * random.normal(size=20) / np.sqrt(20.0)
    V[5] = 0.0
    Q, R, kept = quasi_newton.orthogonalised(V, eps)
    assert 5 not in kept
    assert 3 not in kept
    np.testing.assert_allclose(Q.T @ Q, np.eye(len(kept)), atol=1e-12)
    np.testing.assert_allclose(Q @ R, V[kept].T, atol=1e-12)
    lengths = np.linalg.norm(V[kept], axis=1)
    assert (np.abs(np.diag(R)) > eps * lengths).all()
    _, by_products = quasi_newton.factorised(V @ V.T, eps)
    assert by_products.tolist() == kept.tolist()


@given(columns, st.floats(1e-6, 1e6))
def test_the_unit_of_a_field_changes_nothing(seed, unit):
    random = np.random.default_rng(seed)
    A = random.normal(size=(12, 12)) * 0.3
    size = np.where(np.arange(12) < 5, 1.0, unit)

    def counted(size):
        def image(x, _):
            return size * (A @ (x / size) + 1.0)

        return solve(image, np.zeros(12), rtol=1e-8, windows=2, offsets=[0, 5, 12])

    (x, plain), (y, scaled) = counted(np.ones(12)), counted(size)
    np.testing.assert_allclose(y / size, x, rtol=1e-5, atol=1e-8)
    assert np.abs(plain - scaled).max() <= 1


@given(columns)
def test_least_squares_are_least(seed):
    random = np.random.default_rng(seed)
    V, r = random.normal(size=(4, 9)), random.normal(size=9)
    c, kept = quasi_newton.coefficients(V, r, 1e-3)
    expected = np.linalg.lstsq(V[kept].T, -r, rcond=None)[0]
    np.testing.assert_allclose(c, expected, rtol=1e-9, atol=1e-12)


def test_memory_is_never_changed():
    memory, x, options = kernel.begin([0, 2, 4]), np.ones(4), Options()
    for i in range(4):
        for part in (x, *memory):
            if isinstance(part, np.ndarray):
                part.setflags(write=False)
        memory = kernel.evaluated(options, memory, x, np.cos(x * np.arange(1.0, 5.0)))
        x = kernel.proposed(options, memory)
        memory = kernel.settled(options, memory) if i == 2 else memory
    assert len(memory.V_past) == 2


def test_columns_age_and_are_bounded():
    options, memory = Options(reuse=2, max_columns=4), kernel.begin([0, 40])
    random = np.random.default_rng(0)
    for window in range(5):
        for _ in range(3):
            memory = kernel.evaluated(options, memory, *random.normal(size=(2, 40)))
            assert len(memory.V_now) + len(memory.V_past) <= 4
        memory = kernel.settled(options, memory)
        assert (
            memory.born.tolist() == [window, window, window - 1, window - 1][: 2 + 2 * (window > 0)]
        )


def test_damped_anderson_with_full_memory_still_finds_the_linear_point():
    options = Options("anderson", damping=0.5)
    x, _ = solve(lambda x, _: np.array([-3.0, 0.5, 0.2]) * x + 1.0, np.zeros(3), options)
    np.testing.assert_allclose(x, 1.0 / np.array([4.0, 0.5, 0.8]), rtol=1e-11)
    memory = kernel.evaluated(options, kernel.begin([0, 1]), np.zeros(1), np.ones(1))
    assert kernel.proposed(options, memory) == 0.5  # the first step is damped too


@pytest.mark.parametrize(("order", "power"), [(0, 0), (1, 1), (2, 2)])
def test_prediction_is_exact_for_its_order(order, power):
    past = np.array([[float(t) ** power] for t in (5, 4, 3)])
    assert kernel.extrapolated(past, order) == pytest.approx(6.0**power)
    assert kernel.extrapolated(past[:1], order) == past[0]


def test_a_field_of_zeros_is_no_obstacle():
    x, counts = solve(
        lambda x, _: np.array([-2.0, 0.0]) * x + [1.0, 0.0], np.zeros(2), offsets=[0, 1, 2]
    )
    assert counts.tolist() == [3]
    np.testing.assert_allclose(x, [1 / 3, 0.0])


@pytest.mark.parametrize("method", ["anderson", "iqn_ils"])
@pytest.mark.parametrize("nearness", [0.0, 1e-12, 1e-6])
def test_a_guess_that_fits_one_field_is_no_sign_of_divergence(method, nearness):
    # parallel arrangement: y is what the first solver gives for x, x is far off
    random = np.random.default_rng(0)
    A, B = 0.4 * random.normal(size=(2, 5, 5))
    c, x = random.normal(size=(2, 5))
    z, options = np.concatenate((x, (1.0 + nearness) * (A @ x))), Options(method=method)
    memory, most = kernel.begin([0, 5, 10]), 0.0
    while memory.tried < 30:
        image = np.concatenate((B @ z[5:] + c, A @ z[:5]))
        memory = kernel.evaluated(options, memory, z, image)
        most = max(most, kernel.growth(memory))
        if kernel.converged(memory, 1e-10, 0.0):
            break
        z = kernel.proposed(options, memory)
    np.testing.assert_allclose(z[:5], np.linalg.solve(np.eye(5) - B @ A, c), rtol=1e-8)
    assert 1.0 < most < 1e5  # far below `max_growth`, over which it would be an error
