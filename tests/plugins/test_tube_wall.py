"""The wall of an elastic tube: its law, its wave speed, and what it refuses."""

import math

import numpy as np
import pytest

import manyscale as ms
from manyscale_plugins.tube_wall import TubeWall, kernel

R0, C = 0.5641895835477563, kernel.wave_speed(1e4, 1.0, 0.5641895835477563, 1.0)


def answered(pressure, **settings):
    wall = TubeWall(**({"nodes": len(pressure)} | settings))
    came = ms.Contact(2.0, None, {"pressure": np.asarray(pressure)})
    state = wall.f_init(ms.Start(2.0), ms.Received({"pressure_in": came}))
    assert wall.clock(state) == ms.Clock(2.0)
    return wall.o_f(state)["loaded_out"]


def test_speed_of_moens_and_korteweg():
    # E/(2 r0) with r0 = 1/sqrt(pi)
    assert pytest.approx(1e4 * math.sqrt(math.pi) / 2.0, rel=1e-14) == C**2
    assert kernel.wave_speed(2e5, 1e-3, 1e-2, 1e3) == pytest.approx(math.sqrt(10.0))


def test_published_law():
    p = np.linspace(-500.0, 500.0, 11)
    found = answered(p)["cross_section"]
    np.testing.assert_allclose(found, ((0.0 - 2.0 * C**2) / (p - 2.0 * C**2)) ** 2, rtol=1e-14)


@pytest.mark.parametrize("pressure", [-300.0, 0.0, 211.0, 5000.0])
def test_slope_is_the_local_wave_speed(pressure):
    """Bramwell and Hill: C2 = a/(rho da/dp), here C2 = c2 - p/(2 rho)."""
    density, step = 1.5, 1e-3
    speed = kernel.wave_speed(1e4, 1.0, R0, density)
    p = np.array([pressure - step, pressure, pressure + step])
    below, here, above = kernel.cross_section(p, R0, speed, density)
    local = here / (density * (above - below) / (2.0 * step))
    assert local == pytest.approx(speed**2 - pressure / (2.0 * density), rel=1e-7)


def test_rest_without_a_partner():
    wall = TubeWall(nodes=7, radius=0.1)
    state = wall.f_init(ms.Start(0.0), ms.Received({"pressure_in": None}))
    sent = wall.o_f(state)["loaded_out"]
    np.testing.assert_allclose(sent["cross_section"], np.full(7, math.pi * 0.01), rtol=1e-15)
    assert not sent["pressure"].any()
    assert wall.o_f(state)["section_out"].keys() == {"cross_section"}


def test_a_bursting_tube_is_refused():
    with pytest.raises(ValueError, match=r"reaches 20000 Pa, but the tube bursts at .* 17724\.5"):
        answered([0.0, 2e4, 0.0, 0.0])


@pytest.mark.parametrize("settings", [{"radius": 0.0}, {"young_modulus": -1.0}, {"nodes": 3}])
def test_settings_out_of_bounds_are_refused(settings):
    with pytest.raises(ms.Refused, match=next(iter(settings))):
        TubeWall(**settings)
