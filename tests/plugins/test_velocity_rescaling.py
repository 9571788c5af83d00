"""The two thermostats on a kinetic energy alone, against their exact laws."""

import math

import numpy as np
import pytest
from scipy import stats

import manyscale as ms
from manyscale_plugins.velocity_rescaling import VelocityRescaling, kernel

TAU, TARGET = 1e-12, 40.0


def call(model, temperature, kept=None, freedoms=9, interval=1e-13):
    seen = {"temperature": temperature, "degrees_of_freedom": freedoms, "interval": interval}
    received = ms.Received({"observed": ms.Contact(0.0, None, seen)})
    return model.f_init(ms.Start(0.0, seed=11, kept=kept), received)


def relaxed(method, temperature, calls, **seen):
    """Temperatures when nothing but the thermostat changes the velocities."""
    model = VelocityRescaling(temperature=TARGET, time_constant=TAU, method=method)
    found, state = [temperature], None
    for _ in range(calls):
        state = call(model, found[-1], state, **seen)
        found.append(found[-1] * model.o_f(state)["scaled"]["velocity_factor"] ** 2)
    return np.array(found)


@pytest.mark.parametrize("begin", [10.0, 160.0])
@pytest.mark.parametrize("interval", [1e-14, 1e-13, 1e-12])
def test_weak_coupling_decays_in_equal_shares(begin, interval):
    found = relaxed("weak", begin, 8, interval=interval)
    expected = TARGET + (begin - TARGET) * (1.0 - interval / TAU) ** np.arange(9)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_weak_coupling_decays_exponentially_in_the_limit_of_short_intervals():
    ends = []
    for steps in (100, 200):
        end = relaxed("weak", 80.0, steps, interval=2.0 * TAU / steps)[-1]
        ends.append(abs((end - TARGET) / (80.0 - TARGET) - math.exp(-2.0)))
    assert ends[0] < 3e-3
    assert math.log2(ends[0] / ends[1]) == pytest.approx(1.0, abs=0.05)


def drawn(ratio, passed, freedoms, count, steps=1):
    """Ratios after `steps` scalings of independent systems."""
    found = np.full(count, ratio)
    for step in range(steps):
        for system in range(count):
            numbers = ms.random_numbers(system, step)
            found[system] *= kernel.stochastic(found[system], passed, freedoms, numbers) ** 2
    return found


@pytest.mark.parametrize(("freedoms", "passed"), [(3, 0.4), (9, 0.1), (765, 0.1), (9, 3.0)])
def test_stochastic_moments_are_those_of_the_square_root_process(freedoms, passed):
    """Mean and variance of dK = (K0 - K) dt + 2 sqrt(K K0/N) dW from a fixed K (Cox and others)."""
    begin, count = 2.0, 20_000
    found, kept = drawn(begin, passed, freedoms, count), math.exp(-passed)
    mean = 1.0 + (begin - 1.0) * kept
    variance = begin * 4.0 / freedoms * (kept - kept**2) + 2.0 / freedoms * (1.0 - kept) ** 2
    error = math.sqrt(variance / count)
    assert found.mean() == pytest.approx(mean, abs=4.0 * error)
    assert found.var() == pytest.approx(variance, rel=0.06)


@pytest.mark.parametrize("freedoms", [3, 9, 765])
def test_stochastic_samples_the_gamma_distribution(freedoms):
    """K/K0 of the canonical ensemble is chi square over N, whatever it began with."""
    found = drawn(2.0, 1.5, freedoms, 3000, steps=8)
    assert stats.kstest(found, stats.gamma(freedoms / 2, scale=2 / freedoms).cdf).pvalue > 0.01


def test_one_long_chain_samples_it_too():
    """Calls of one model have numbers of their own: mean and variance over time."""
    chain = relaxed("stochastic", TARGET, 20_000, interval=TAU)[100:] / TARGET
    assert chain.mean() == pytest.approx(1.0, abs=0.02)
    assert chain.var() == pytest.approx(2.0 / 9.0, rel=0.05)


def test_the_sign_turns_velocities_round_only_for_few_freedoms():
    signs = [kernel.stochastic(0.05, 1.0, 1, ms.random_numbers(n)) < 0.0 for n in range(400)]
    assert 0.05 < np.mean(signs) < 0.6
    assert all(kernel.stochastic(1.0, 0.1, 765, ms.random_numbers(n)) > 0.0 for n in range(400))


def test_answers_are_counted_and_repeat():
    one, other = (relaxed("stochastic", 80.0, 5) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert len(set(one)) == 6


def test_refusals():
    with pytest.raises(ValueError, match="every 2 time constants"):
        call(VelocityRescaling(method="weak"), 80.0, interval=2e-12)
    with pytest.raises(ms.Refused, match="temperature = 0 K"):
        call(VelocityRescaling(), 0.0)
