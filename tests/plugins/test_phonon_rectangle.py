"""Rectangles that must be films, bulk, channels, squares and gratings with known answers."""

import math
from itertools import pairwise

import numpy as np
import pytest

import manyscale as ms
from manyscale_plugins.phonon_bte import exact
from manyscale_plugins.phonon_bte.acceleration import Options
from manyscale_plugins.phonon_bte.quadrature import quadrant
from manyscale_plugins.phonon_bte.spectrum import spectrum
from manyscale_plugins.phonon_modes import PhononModes
from manyscale_plugins.phonon_rectangle import (
    PhononRectangle,
    PhononRectangleTransient,
    kernel,
)
from manyscale_plugins.phonon_rectangle.rectangle import Rectangle
from manyscale_plugins.phonon_rectangle.walls import Wall

OPTIONS = Options("dsa_gmres", 1e-8, 500)
SLAB = {0.1: 0.91570, 1.0: 0.55341, 10.0: 0.116745}  # as in the tests of phonon_bte
HOT, COLD = Wall("isothermal", 1.0), Wall("isothermal", 0.0)
MIRROR, ROUGH, PERIOD = Wall("specular"), Wall("diffuse"), Wall("periodic")


def gray(tau, lifetime=None):
    """One mode with L/Lambda = tau over unit length and C v = 1."""
    tau_r = 1.0 / tau if lifetime is None else lifetime
    v = 1.0 / (tau * tau_r)
    return spectrum(np.array([1.0 / v]), np.array([v]), np.array([tau_r]))


def rectangle(modes, walls, cells=(40, 40), lengths=(1.0, 1.0), directions=(8, 8), **given):
    heating = given.pop("heating", np.zeros(cells[::-1]))
    return Rectangle(modes, lengths, heating, walls, directions, **given)


def solved(*args, **kwargs):
    return kernel.solve(rectangle(*args, **kwargs), OPTIONS)


@pytest.mark.parametrize("across", [MIRROR, PERIOD])
@pytest.mark.parametrize(("tau", "known"), SLAB.items())
def test_between_mirrors_or_periods_a_rectangle_is_a_film(tau, known, across):
    shape, directions = (200, 3), (16, 16)
    found = solved(gray(tau), (HOT, COLD, across, across), shape, directions=directions)
    np.testing.assert_allclose(4.0 * found.flux_x, known, atol=1e-4)
    assert np.abs(found.flux_y).max() < 1e-12
    turned = solved(gray(tau), (across, across, HOT, COLD), shape[::-1], directions=directions)
    np.testing.assert_array_equal(turned.flux_y, found.flux_x.T)
    np.testing.assert_array_equal(turned.theta, found.theta.T)
    flat = solved(gray(tau), (HOT, COLD, across, across), (200, 1), directions=directions)
    np.testing.assert_allclose(flat.flux_x[0], found.flux_x[0], rtol=1e-3)


@pytest.mark.parametrize("delta", [0.1, 0.5, 1.0, 2.0, 5.0, 10.0])
def test_along_a_period_between_rough_walls_heat_flows_as_fuchs_found(delta):
    walls = (PERIOD, PERIOD, ROUGH, ROUGH)
    found = solved(gray(1.0), walls, (3, 100), (1.0, delta), (16, 16), jump=1.0)
    k = 3.0 * found.flux_x[:, 0].mean()
    assert k == pytest.approx(exact.fuchs_sondheimer(delta), abs=1e-3)
    np.testing.assert_allclose(found.flux_x[:, 0], found.flux_x[:, 2], rtol=1e-7)


def test_two_interfaces_are_no_obstacle():
    for tau in (0.1, 3.0, 50.0):
        walls = (Wall("interface", 1.0), Wall("interface", 0.0), MIRROR, MIRROR)
        found = solved(gray(tau), walls, (50, 2))
        np.testing.assert_allclose(found.flux_x, 1.0 / (3.0 * tau), rtol=1e-7)
        np.testing.assert_allclose(found.theta[0], 0.99 - 0.02 * np.arange(50), atol=1e-6)


def test_one_interface_leaves_the_resistance_of_the_other_wall():
    # half-space with a black wall: the extrapolation of Milne's problem, 0.710446 Lambda
    found = solved(gray(50.0), (HOT, Wall("interface", 0.0), MIRROR, MIRROR), (400, 1))
    assert found.flux_x[0, 0] == pytest.approx(1.0 / 3.0 / (50.0 + 0.710446), rel=1e-5)


def test_a_ballistic_square_exchanges_by_view_factors():
    modes, walls = gray(1e-3), (HOT, COLD, COLD, COLD)
    errors = []
    for n in (4, 8, 16):
        found = solved(modes, walls, (60, 60), directions=(4, n))
        opposite = 4.0 * found.flux_x[:, -1].mean()
        errors.append(abs(opposite - (math.sqrt(2.0) - 1.0)))  # crossed strings
    assert errors[-1] < 3e-3
    assert errors[-1] < errors[0]
    sides = 4.0 * (found.flux_y[-1] - found.flux_y[0]).mean()
    assert sides == pytest.approx(2.0 - math.sqrt(2.0), abs=3e-3)


def laplace_square(x, y):
    """T in a unit square, 1 on x = 0 and 0 on the rest, by its series."""
    n = np.arange(1, 200, 2)[:, None]
    # sinh(n pi (1 - x))/sinh(n pi), without overflow
    decay = np.exp(-n * np.pi * x) * -np.expm1(-2.0 * n * np.pi * (1.0 - x))
    return (4.0 / (np.pi * n) * np.sin(n * np.pi * y) * decay).sum(axis=0)


def test_a_thick_square_is_a_problem_of_laplace():
    found = solved(gray(1000.0), (HOT, COLD, COLD, COLD), (41, 41), directions=(4, 4))
    centres = (np.arange(41) + 0.5) / 41.0
    for i in (10, 20, 30):
        known = laplace_square(np.full(41, centres[i]), centres)
        np.testing.assert_allclose(found.theta[:, i], known, atol=3e-3)


@pytest.mark.parametrize(
    ("walls", "tau", "heated", "least"),
    [
        ((COLD,) * 4, 2.0, 1.0, 1.9),
        ((COLD,) * 4, 10.0, 1.0, 1.9),
        ((COLD, ROUGH, MIRROR, COLD), 10.0, 1.0, 1.9),
        ((HOT, COLD, COLD, COLD), 2.0, 0.0, 0.85),  # first order: walls jump at two corners
    ],
)
def test_second_order_in_cells_but_for_jumps(walls, tau, heated, least):
    def temperature(n):
        heating = np.full((n, n), heated)
        theta = solved(gray(tau), walls, (n, n), directions=(4, 4), heating=heating).theta
        return theta.reshape(5, n // 5, 5, n // 5).mean(axis=(1, 3))

    fine = temperature(320)
    errors = [np.abs(temperature(n) - fine)[1:-1, 1:-1].max() for n in (20, 40, 80)]
    assert min(math.log2(a / b) for a, b in pairwise(errors)) > least


def test_heat_put_in_leaves_through_the_walls():
    box = np.array([0.1, 0.45, 0.3, 1.0])
    heating = kernel.heating((40, 30), (1.0, 2.0), box, 5.0)
    assert heating.sum() * (1.0 / 30.0) * (2.0 / 40.0) == pytest.approx(5.0 * 0.35 * 0.7)
    for walls in ((COLD, ROUGH, COLD, MIRROR), (ROUGH, MIRROR, Wall("interface"), ROUGH)):
        found = solved(gray(1.0), walls, lengths=(1.0, 2.0), heating=heating, directions=(4, 4))
        dx, dy = 1.0 / 30.0, 2.0 / 40.0
        out = dy * (found.flux_x[:, -1] - found.flux_x[:, 0]).sum()
        out += dx * (found.flux_y[-1] - found.flux_y[0]).sum()
        assert out == pytest.approx(5.0 * 0.35 * 0.7, rel=1e-7)
        for wall, flux in ((walls[0], found.flux_x[:, 0]), (walls[1], found.flux_x[:, -1])):
            if wall.kind in ("diffuse", "specular"):
                assert np.abs(flux).max() < 1e-7


def test_silicon_in_a_rough_channel_conducts_less_than_a_film_and_more_than_nothing():
    modes = spectrum(*PhononModes(n_modes=16).modes(300.0))
    hot, cold = Wall("isothermal", 0.5), Wall("isothermal", -0.5)
    rough = solved(modes, (hot, cold, ROUGH, ROUGH), (30, 10), (3e-7, 1e-7), (4, 4))
    smooth = solved(modes, (hot, cold, MIRROR, MIRROR), (30, 10), (3e-7, 1e-7), (4, 4))
    np.testing.assert_allclose(rough.flux_x.sum(axis=0), rough.flux_x.sum(axis=0)[0], rtol=1e-6)
    assert 0.3 * smooth.flux_x.mean() < rough.flux_x.mean() < 0.8 * smooth.flux_x.mean()


# --- in time


def grating(modes, kappa, dt, steps, directions):
    """Decay of a wave of temperature in an unbounded crystal, step by step, angles as given.

    Every mode and direction is a complex amplitude: (1 + tau/dt + i Lambda mu kappa) phi = theta
    + tau/dt phi_before, sum (C/tau) (theta - <phi>) = 0.
    """
    mu_x, _, weight = quadrant(*directions)
    mu, w = np.concatenate([mu_x, -mu_x]), np.concatenate([weight, weight]) * 2.0
    tau = (modes.free_path / modes.velocity)[:, None]
    below = 1.0 + tau / dt + 1j * kappa * modes.free_path[:, None] * mu
    share = (modes.exchange / modes.exchange.sum())[:, None] * w
    phi, found = np.ones(below.shape, complex), []
    for _ in range(steps):
        carried = (share * (tau / dt) * phi / below).sum()
        theta = carried / (1.0 - (share / below).sum())
        phi = (theta + tau / dt * phi) / below
        found.append(theta.real)
    return np.array(found)


def stepped(model, modes, steps, dt, start):
    """Advance a rectangle from a temperature (y, x), with the distribution of equilibrium."""
    past, found = kernel.at_rest(model, dt, 0.0), []
    past = past._replace(distribution=past.distribution + start[None, None, :, :, None])
    for _ in range(steps):
        last = kernel.solve(model, OPTIONS, past=past)
        past = past._replace(distribution=last.distribution, unknown=last.unknown)
        found.append(last)
    return found


@pytest.mark.parametrize("length", [1e-7, 1e-6, 1e-5])
def test_a_thermal_grating_in_silicon_decays_as_its_waves_do(length):
    modes = spectrum(*PhononModes(n_modes=16).modes(300.0))
    dt, steps = 0.05 * length**2 / 9e-5 / (2.0 * np.pi) ** 2 + 1e-12, 12
    waves = grating(modes, 2.0 * np.pi / length, dt, steps, (6, 6))
    assert waves[-1] < 0.95
    errors = []
    for n in (16, 32, 64):
        wave = np.cos(2.0 * np.pi * (np.arange(n) + 0.5) / n)[None, :]
        walls = (PERIOD, PERIOD, MIRROR, MIRROR)
        model = rectangle(modes, walls, (n, 1), (length, 1.0), (6, 6))
        found = stepped(model, modes, steps, dt, wave)
        amplitude = np.array([2.0 * (one.theta * wave).mean() for one in found])
        errors.append(np.abs(amplitude - waves).max())
    assert errors[-1] < 2e-3
    assert min(math.log2(a / b) for a, b in pairwise(errors)) > 1.8


def test_a_mirror_at_half_the_period_makes_no_difference_to_a_grating():
    modes, n = gray(2.0, 1.0), 32
    wave = np.cos(np.pi * (np.arange(n) + 0.5) / n)[None, :]
    half = rectangle(modes, (MIRROR,) * 4, (n, 1), (0.5, 1.0), (6, 6))
    both = np.concatenate([wave, wave[:, ::-1]], axis=1)
    whole = rectangle(modes, (PERIOD, PERIOD, MIRROR, MIRROR), (2 * n, 1), (1.0, 1.0), (6, 6))
    one = stepped(half, modes, 4, 0.3, wave)[-1]
    other = stepped(whole, modes, 4, 0.3, both)[-1]
    np.testing.assert_allclose(one.theta[0], other.theta[0, :n], atol=1e-8)


def test_first_order_in_time():
    modes, n = gray(5.0, 0.2), 16
    wave = np.cos(2.0 * np.pi * (np.arange(n) + 0.5) / n)[None, :]
    model = rectangle(modes, (PERIOD, PERIOD, MIRROR, MIRROR), (n, 1), (1.0, 1.0), (4, 4))
    found = []
    for steps in (20, 40, 80, 160):
        last = stepped(model, modes, steps, 1.0 / steps, wave)[-1]
        found.append((last.theta * wave).mean())
    differences = [a - b for a, b in pairwise(found)]
    assert [math.log2(a / b) for a, b in pairwise(differences)] == pytest.approx([1, 1], abs=0.05)


@pytest.mark.parametrize("walls", [(HOT, COLD, ROUGH, MIRROR), (ROUGH, MIRROR, COLD, ROUGH)])
def test_energy_is_accounted_for_in_every_step(walls):
    heating = kernel.heating((8, 10), (1.0, 1.0), np.array([0.2, 0.7, 0.1, 0.9]), 3.0)
    modes = gray(2.0, 0.5)
    model = rectangle(modes, walls, heating=heating, directions=(4, 4))
    found = stepped(model, modes, 5, 0.2, np.zeros((8, 10)))
    held = [0.0, *(one.energy.mean() for one in found)]
    for one, (before, after) in zip(found, pairwise(held), strict=True):
        out = (one.flux_x[:, -1] - one.flux_x[:, 0]).mean()
        out += (one.flux_y[-1] - one.flux_y[0]).mean()
        assert (after - before) / 0.2 + out == pytest.approx(heating.mean(), rel=1e-6)


def test_long_steps_arrive_at_the_steady_state():
    modes, walls = gray(1.0, 1.0), (HOT, COLD, ROUGH, MIRROR)
    steady = solved(modes, walls, (12, 12), directions=(4, 4))
    model = rectangle(modes, walls, (12, 12), directions=(4, 4))
    last = stepped(model, modes, 12, 30.0, np.zeros((12, 12)))[-1]
    np.testing.assert_allclose(last.theta, steady.theta, atol=1e-6)
    np.testing.assert_allclose(last.flux_x, steady.flux_x, atol=1e-6)


# --- refusals and models


@pytest.mark.parametrize(
    ("walls", "says"),
    [
        ((PERIOD, HOT, MIRROR, MIRROR), "wall_left is periodic and wall_right is isothermal"),
        ((MIRROR,) * 4, r"all four walls are specular or periodic, .*ny = 1"),
        ((PERIOD, PERIOD, MIRROR, MIRROR), "all four walls are specular or periodic"),
    ],
)
def test_walls_that_cannot_be_swept_are_refused(walls, says):
    with pytest.raises(ValueError, match=says):
        solved(gray(1.0), walls, (4, 4))


def test_heat_without_a_way_out_is_refused():
    with pytest.raises(ValueError, match="no wall lets heat out, so it has no steady state"):
        solved(gray(1.0), (ROUGH, ROUGH, MIRROR, MIRROR), (4, 4), heating=np.ones((4, 4)))


def test_an_iteration_that_does_not_arrive_is_an_error_with_its_residual():
    model = rectangle(gray(30.0), (HOT, COLD, COLD, COLD), (20, 20))
    says = r"not in balance after 20 sweeps: the residual is \d.*solver dsa_gmres"
    with pytest.raises(ValueError, match=says):
        kernel.solve(model, Options("source_iteration", 1e-8, 20))


def received(interface=None, t_ref=300.0, **changes):
    modes = {**PhononModes(n_modes=8).modes(300.0)._asdict(), **changes}
    came = {"modes_in": ms.Contact(0.0, None, {**modes, "t_ref": t_ref})}
    facing = None if interface is None else ms.Contact(0.0, None, {"t_interface": interface})
    return ms.Received({**came, "interface_in": facing})


SMALL = {"nx": 6, "ny": 5, "n_polar": 2, "n_azimuth": 4, "lx": 2e-7, "ly": 1e-7}


def test_the_interface_gives_its_mean_flux():
    model = PhononRectangle(
        **SMALL, wall_left="diffuse", wall_right="diffuse", wall_bottom="interface", source=1e16,
        source_box=[0.0, 1e-7, 5e-8, 1e-7],
    )  # fmt: skip
    sent = model.o_f(model.f_init(ms.Start(0.0), received(301.0)))
    shown = sent["field_out"]
    assert sent["interface_out"]["q_interface"] == pytest.approx(-shown["flux_y"][0].mean())
    assert sent["interface_out"]["q_interface"] * 2e-7 == pytest.approx(shown["heating"], rel=1e-6)
    assert shown["leaving"] == pytest.approx(shown["heating"], rel=1e-6)
    assert shown["heating"] == pytest.approx(1e16 * 1e-7 * 5e-8)
    assert shown["temperature"].shape == (5, 6)
    assert shown["temperature"].min() > 301.0


def run(model, calls, *args, **kwargs):
    state = None
    for call in range(calls):
        start = ms.Start(call * model.steps * model.dt, kept=state)
        state = model.f_init(start, received(*args, **kwargs))
    return state


def test_steps_of_a_call_add_up_and_the_source_ends_in_time():
    settings = {**SMALL, "source": 1e16, "wall_left": "diffuse", "dt": 1e-11, "heated_for": 2.5e-11}
    single = run(PhononRectangleTransient(**settings), 4)
    double = run(PhononRectangleTransient(**settings, steps=2), 2)
    np.testing.assert_array_equal(single.distribution, double.distribution)
    assert single.heating == 0.0
    area = 1e16 * 2e-7 * 1e-7
    assert run(PhononRectangleTransient(**settings), 3).heating == pytest.approx(0.5 * area)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"source_box": [0.0, 1.0]}, "source_box is .*expected four numbers x0 < x1, y0 < y1"),
        ({"source_box": [1.0, 0.0, 0.0, 1.0]}, "expected four numbers"),
        ({"wall_left": "interface", "wall_top": "interface"}, "wall_top is 'interface' and so is"),
        ({"lx": 0.0}, "lx is 0 m"),
        ({"wall_left": "mirror"}, "expected one of: isothermal, diffuse, specular"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, says):
    with pytest.raises(ms.Refused, match=says):
        PhononRectangle(**settings)


def test_an_interface_without_a_wall_for_it_is_refused():
    with pytest.raises(ms.Refused, match="brings a temperature, but no wall is an interface"):
        PhononRectangle(**SMALL).f_init(ms.Start(0.0), received(300.0))


def test_calls_at_other_times_and_other_modes_are_refused():
    model = PhononRectangleTransient(**SMALL, dt=1e-11)
    state = run(model, 1)
    with pytest.raises(
        ms.Refused, match=r"goes from t = 1e-11 s to 2e-11 s, but was asked at t = 5"
    ):
        model.f_init(ms.Start(5e-11, kept=state), received())
    with pytest.raises(ms.Refused, match=r"modes_in changed after 1 steps.*t_ref = 310 K from 300"):
        model.f_init(ms.Start(1e-11, kept=state), received(t_ref=310.0))
