"""The mixed layer against closed forms, its order, and the sky above it."""

import math
from itertools import pairwise

import numpy as np
import pytest

import manyscale as ms
from manyscale_plugins.mixed_layer import MixedLayer, kernel, monolithic
from manyscale_plugins.surface_energy_balance.kernel import resistances

RHO_CP, GAMMA = 1206.0, 66.0


def day(model, heat):
    """States of a whole run in which `heat(time, state)` gives sensible and latent heat."""
    state = model.f_init(ms.Start(0.0), ms.Received({}))
    states = [state]
    while (clock := model.clock(state)).to is not None:
        sensible, latent = heat(clock.now, state)
        message = ms.Contact(clock.now, None, {"sensible": sensible, "latent": latent})
        state = model.s(state, ms.Received({"heat_in": message}))
        states.append(state)
    return states


@pytest.mark.parametrize("scheme", ["explicit_euler", "adams_bashforth"])
def test_constant_heat_warms_and_moistens_linearly(scheme):
    model = MixedLayer(height=800.0, t_end=7200.0, scheme=scheme)
    end = day(model, lambda time, state: (150.0, 90.0))[-1]
    assert end.theta - model.theta == pytest.approx(150.0 * 7200.0 / (RHO_CP * 800.0), rel=1e-10)
    moistened = 90.0 * GAMMA * 7200.0 / (RHO_CP * 800.0)
    assert end.vapour - model.vapour_pressure == pytest.approx(moistened, rel=1e-10)
    assert end.height == 800.0


def test_encroachment_follows_the_lapse_rate():
    model = MixedLayer(height=300.0, t_end=36000.0, growth="encroachment", lapse_rate=4e-3)
    end = day(model, lambda time, state: (200.0, 100.0))[-1]
    height = math.sqrt(300.0**2 + 2.0 * 200.0 * 36000.0 / (RHO_CP * 4e-3))
    assert end.height == pytest.approx(height, rel=1e-12)
    assert end.theta - model.theta == pytest.approx(4e-3 * (height - 300.0), rel=1e-12)
    # the vapour of the layer is what it had, what came from below and what it grew into
    had = model.vapour_pressure * 300.0 + model.vapour_above * (height - 300.0)
    came = 100.0 * GAMMA * 36000.0 / RHO_CP
    assert end.vapour * height == pytest.approx(had + came, rel=1e-12)


def test_what_grows_stores_the_heat_it_gets():
    model = MixedLayer(height=250.0, growth="encroachment", scheme="explicit_euler")
    given = []

    def heat(time, state):
        given.append(300.0 * math.sin(2.0 * math.pi * time / 86400.0))
        return given[-1], 0.0

    states = day(model, heat)
    stored = 0.0
    for before, after in pairwise(states):
        mean = 0.5 * (before.height + after.height)  # a triangle of the profile above is filled
        stored += RHO_CP * mean * (after.theta - before.theta)
    assert stored == pytest.approx(sum(given) * model.dt, abs=1e-9 * sum(map(abs, given)) * 600.0)
    heights = [state.height for state in states]
    assert heights == sorted(heights)


def test_a_night_does_not_make_it_grow():
    model = MixedLayer(height=300.0, growth="encroachment", t_end=3600.0)
    end = day(model, lambda time, state: (-40.0, 0.0))[-1]
    assert end.height == 300.0
    assert end.theta - model.theta == pytest.approx(-40.0 * 3600.0 / (RHO_CP * 300.0), rel=1e-10)


@pytest.mark.parametrize(("scheme", "order"), [("explicit_euler", 1.0), ("adams_bashforth", 2.0)])
@pytest.mark.parametrize("growth", ["none", "encroachment"])
def test_order_in_time_of_a_layer_that_relaxes(scheme, order, growth):
    """H = rho cp (Ts - Theta) / ra over a daily wave of Ts."""

    def end(steps):
        model = MixedLayer(
            height=400.0, t_end=43200.0, dt=43200.0 / steps, scheme=scheme, growth=growth
        )

        def heat(time, state):
            surface = 295.0 + 8.0 * math.sin(2.0 * math.pi * time / 86400.0)
            return RHO_CP * (surface - state.theta) / 50.0, 0.0

        return day(model, heat)[-1].theta

    coarse, middle, fine = (end(steps) for steps in (144, 288, 576))
    assert math.log2(abs((coarse - middle) / (middle - fine))) == pytest.approx(order, abs=0.1)


def test_the_model_is_the_loop_of_the_reference():
    ground = pixels()
    model = MixedLayer(height=300.0, growth="encroachment", t_end=36000.0, start=14400.0)

    sky = model.sky(model.table()).at

    def heat(time, state):
        sent = model.o_i(state)["air_out"]
        assert (sent["shortwave"], sent["longwave"]) == sky(time, state.theta, state.vapour)
        return monolithic.heat(ground, sky, time, state.theta, state.vapour)

    layer = kernel.Layer(model.theta, model.vapour_pressure, model.height)
    above = kernel.Above(model.lapse_rate, model.vapour_above)
    expected = monolithic.stepped(ground, layer, above, sky, 600.0, 60)
    found = [[s.theta, s.vapour, s.height] for s in day(model, heat)]
    np.testing.assert_allclose(found, expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("height", "above", "known"),
    # growth begins within a step: the error of vapour and height then depends on where
    [(1000.0, None, 2), (300.0, kernel.Above(5e-3, 500.0), 1)],
)
def test_steps_of_the_reference_converge_to_the_day_it_resolves(height, above, known):
    ground = pixels()

    sky = MixedLayer().sky(np.zeros((0, 3))).at
    given = ground, kernel.Layer(290.0, 1200.0, height), above, sky
    exact = monolithic.resolved(*given, np.arange(0.0, 86401.0, 3600.0), 1e-10)
    errors = []
    for steps in (144, 288, 576):
        found = monolithic.stepped(*given, 86400.0 / steps, steps)[:: steps // 24]
        errors.append(np.abs(found - exact).max(axis=0)[:known])  # the largest of the day
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    np.testing.assert_allclose(orders, 2.0, atol=0.1)


def pixels():
    """A few kinds of surface."""
    ndvi = np.linspace(0.1, 0.9, 7)
    ra, rs = resistances(ndvi)
    return monolithic.Ground(0.28 - 0.12 * ndvi, 0.95 + 0.04 * ndvi, ra, rs, 0.1)


def test_the_sun_is_highest_at_noon_and_where_it_should_be():
    # solstice at 23.45 degrees north: in the zenith (Cooper's declination on day 172)
    assert kernel.sun_height(43200.0, math.radians(23.45), 172) == pytest.approx(1.0, abs=1e-6)
    # equinox at the equator: a cosine of the hour
    day_81 = [kernel.sun_height(t, 0.0, 81) for t in (21600.0, 43200.0, 57600.0)]
    np.testing.assert_allclose(day_81, [0.0, 1.0, math.cos(math.pi / 3.0)], atol=1e-12)
    assert kernel.clear_shortwave(-0.3) == 0.0
    # zenith angles of 0 and 60 degrees
    assert kernel.clear_shortwave(1.0) == pytest.approx(1098.0 * math.exp(-0.059), rel=1e-14)
    assert kernel.clear_shortwave(0.5) == pytest.approx(549.0 * math.exp(-0.118), rel=1e-14)


def test_the_sky_of_a_standard_day():
    # Brutsaert (1975): 1.24 (e / T)^(1/7) with e in hPa; 15 hPa at 290 K is an emissivity of 0.812
    sent = kernel.clear_longwave(290.0, 1500.0)
    assert sent / (5.670374419e-8 * 290.0**4) == pytest.approx(0.8123, abs=2e-4)


def test_forcing_from_a_file(tmp_path):
    file = tmp_path / "sky.csv"
    file.write_text("time, shortwave, longwave\n0, 0, 300\n3600, 400, 320\n7200, 0, 340\n")
    model = MixedLayer(forcing=str(file), t_end=7200.0, dt=1800.0)
    seen = []
    day(model, lambda time, state: seen.append(model.o_i(state)["air_out"]) or (0.0, 0.0))
    assert [round(one["shortwave"], 9) for one in seen] == [0.0, 200.0, 400.0, 200.0]
    assert [round(one["longwave"], 9) for one in seen] == [300.0, 310.0, 320.0, 330.0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hour,S,L\n0,1,2\n", r"begins with the columns hour, S, L, expected time, shortwave,"),
        ("", r"begins with the columns none, expected"),
        ("time,shortwave,longwave\n0,1\n", r"has rows that are not three numbers"),
        ("time,shortwave,longwave\n0,1,2\n9,1,x\n", r"has rows that are not three numbers"),
        ("time,shortwave,longwave\n0,1,2\n", r"needs two or more rows"),
        ("time,shortwave,longwave\n9,1,2\n0,1,2\n", r"needs two or more rows .* ascending"),
        ("time,shortwave,longwave\n0,1,2\n9,1,2\n", r"covers 0 s to 9 s, expected 0 s to 3600 s"),
    ],
)
def test_forcing_files_that_do_not_do_are_refused(tmp_path, text, says):
    file = tmp_path / "sky.csv"
    file.write_text(text)
    with pytest.raises(ms.Refused, match=says):
        MixedLayer(forcing=str(file), t_end=3600.0).f_init(ms.Start(0.0), ms.Received({}))


@pytest.mark.parametrize(
    ("settings", "heat", "says"),
    [
        ({"forcing": "no/such.csv"}, 0.0, r"the forcing file no/such.csv cannot be read"),
        ({"t_end": 1000.0}, 0.0, r"t_end = 1000 s is 1.66667 steps of 600 s"),
        ({"height": 50.0}, 9e3, r"9000 W/m2 of sensible heat bring the layer of 50 m to"),
    ],
)
def test_days_that_do_not_work_are_refused(settings, heat, says):
    with pytest.raises(ms.Refused, match=says):
        day(MixedLayer(**settings), lambda time, state: (heat, 0.0))
