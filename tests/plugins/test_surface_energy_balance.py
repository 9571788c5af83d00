"""The surface energy balance against pixels solved elsewhere, and its limits."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq

import manyscale as ms
from manyscale_plugins.surface_energy_balance import SurfaceEnergyBalance, air, kernel

NOON = kernel.Weather(800.0, 350.0, 298.15, 1500.0)
SOIL = kernel.Surface()
# albedo, emissivity, ra, rs, S, L, Ta, ea -> T: each solved twice by independent programs
PIXELS = {
    "vegetation": ((0.20, 0.97, 50.0, 100.0, 800.0, 350.0, 298.15, 1500.0), 303.291390),
    "dry": ((0.25, 0.95, 60.0, 500.0, 800.0, 350.0, 298.15, 1500.0), 309.967749),
    "night": ((0.20, 0.97, 60.0, 1000.0, 0.0, 300.0, 288.15, 1200.0), 284.824256),
}


def imbalance(T, albedo, eps, ra, rs, S, L, Ta, ea, cg=0.1):
    """f(T) as it stands in the physics page, in W/m2."""
    es = 611.2 * math.exp(17.67 * (T - 273.15) / (T - 29.65))
    net = (1.0 - albedo) * S + eps * (L - 5.670374419e-8 * T**4)
    heat = 1206.0 * (T - Ta) / ra + 1206.0 / 66.0 * max(es - ea, 0.0) / (ra + rs)
    return (1.0 - cg) * net - heat


def scene(rows=40, columns=30, seed=3):
    numbers = np.random.default_rng(seed)
    ndvi = (0.05 + 0.9 * numbers.random((rows, columns))).astype(np.float32)
    albedo = (0.1 + 0.3 * numbers.random((rows, columns))).astype(np.float32)
    emissivity = (0.9 + 0.1 * numbers.random((rows, columns))).astype(np.float32)
    return albedo, ndvi, emissivity, numbers.random((rows, columns)) < 0.9


@pytest.mark.parametrize("name", PIXELS)
def test_pixels_that_were_solved_independently(name):
    given, expected = PIXELS[name]
    assert float(kernel.surface_temperature(*given)) == pytest.approx(expected, abs=1e-6)


def test_random_pixels_agree_with_brent():
    numbers = np.random.default_rng(5)
    count = 300
    low = (0.05, 0.85, 20.0, 20.0, 0.0, 150.0, 250.0, 0.0)
    high = (0.5, 1.0, 200.0, 5000.0, 1200.0, 500.0, 320.0, 4000.0)
    pixels = [numbers.uniform(a, b, count) for a, b in zip(low, high, strict=True)]
    for given in zip(*pixels, strict=True):
        expected = brentq(imbalance, 150.0, 500.0, given, xtol=1e-11)
        assert float(kernel.surface_temperature(*given)) == pytest.approx(expected, abs=2e-9)


def test_a_scene_is_its_pixels():
    albedo, ndvi, emissivity, valid = scene()
    found = kernel.balance(albedo, ndvi, emissivity, valid, NOON, SOIL)
    fv = np.clip((ndvi.astype(float) - 0.1) / 0.8, 0.0, 1.0) ** 2
    rs = np.exp(np.log(1500.0) + (np.log(80.0) - np.log(1500.0)) * fv)
    ra = 70.0 - 30.0 * fv
    for i, j in np.argwhere(valid)[::17]:
        given = float(albedo[i, j]), float(emissivity[i, j]), ra[i, j], rs[i, j], *NOON
        expected = brentq(imbalance, 250.0, 400.0, given, xtol=1e-11)
        assert found.temperature[i, j] == pytest.approx(expected, abs=2e-9)
    assert (found.temperature[~valid] == 0.0).all()


def test_what_the_ground_does_not_take_leaves_as_heat():
    albedo, ndvi, emissivity, valid = scene()
    found = kernel.balance(albedo, ndvi, emissivity, valid, NOON, SOIL, 1e-11)
    T = found.temperature[valid]
    a, eps = albedo[valid].astype(float), emissivity[valid].astype(float)
    net = (1.0 - a) * NOON.shortwave + eps * (NOON.longwave - air.SIGMA * T**4)
    heat = found.sensible.sum() + found.latent.sum()
    assert 0.9 * net.sum() == pytest.approx(heat, rel=1e-12)
    assert found.pixels.sum() == valid.sum()


def test_no_water_no_wind_no_ground_is_a_grey_body():
    given = 0.3, 0.95, 1e9, 1e12, 600.0, 300.0, 290.0, 8000.0, 0.0
    expected = ((0.7 * 600.0 / 0.95 + 300.0) / air.SIGMA) ** 0.25
    assert float(kernel.surface_temperature(*given)) == pytest.approx(expected, abs=1e-4)


def test_much_wind_makes_the_surface_as_warm_as_the_air():
    given = 0.3, 0.95, 1e-6, 1e12, 600.0, 300.0, 290.0, 1500.0
    assert float(kernel.surface_temperature(*given)) == pytest.approx(290.0, abs=1e-5)


@pytest.mark.parametrize("ea", [0.0, 1500.0, 3000.0, 4000.0])
def test_the_kink_of_evaporation_does_not_matter(ea):
    for S in np.linspace(0.0, 1400.0, 57):
        given = 0.2, 0.97, 40.0, 0.01, S, 350.0, 298.15, ea
        expected = brentq(imbalance, 200.0, 400.0, given, xtol=1e-12)
        assert float(kernel.surface_temperature(*given)) == pytest.approx(expected, abs=2e-9)


def test_bisection_finds_the_same_where_newton_is_not_asked():
    for given, expected in PIXELS.values():
        albedo, eps, ra, rs, S, L, Ta, ea = given
        gain = 0.9 * ((1.0 - albedo) * S + eps * L)
        a, v = 1206.0 / ra, 1206.0 / 66.0 / (ra + rs)
        k = 0.9 * eps * air.SIGMA
        assert kernel._bisected(gain, k, a, v, Ta, ea, 1e-10) == pytest.approx(expected, abs=1e-6)


def test_a_tolerance_below_rounding_ends_in_bisection_and_not_in_a_circle():
    given, expected = PIXELS["vegetation"]
    found = float(kernel.surface_temperature(*given, 0.1, 1e-30))
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_do_not_change_the_bits(threads):
    given = *scene(), NOON, SOIL
    one, many = kernel.balance(*given, threads=1), kernel.balance(*given, threads=threads)
    for first, second in zip(one, many, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("emissivity", 0.0, r"emissivity is 0 in row 2, column 4, expected in \(0, 1\]"),
        ("emissivity", 97.0, r"emissivity is 97 in row 2, column 4, .* look at scale factor"),
        ("albedo", 1.5, r"albedo is 1.5 in row 2, column 4, expected 0..1"),
        ("ndvi", -2.0, r"ndvi is -2 in row 2, column 4, expected -1..1"),
    ],
)
def test_surfaces_that_do_not_exist_are_refused(field, value, says):
    message = dict(SurfaceEnergyBalance.example().messages["fine_in"])
    message[field] = message[field].copy()
    message[field][2, 4] = value
    with pytest.raises(ms.Refused, match=says):
        called(message)
    message["valid"] = message["valid"].copy()
    message["valid"][2, 4] = False
    called(message)  # what is not valid is not looked at


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("air_temperature", 25.0, r"air_temperature is 25 K, .*in degrees Celsius\?"),
        ("vapour_pressure", 1e5, r"vapour_pressure is 100000 Pa, expected 0..8000 Pa"),
        ("longwave", 0.0, r"longwave is 0 W/m2, expected 50..600 W/m2"),
    ],
)
def test_air_that_does_not_exist_is_refused(name, value, says):
    messages = SurfaceEnergyBalance.example().messages
    with pytest.raises(ms.Refused, match=says):
        called(messages["fine_in"], {**messages["air_in"], name: value})


def test_a_surface_without_balance_is_refused():
    fine = dict(SurfaceEnergyBalance.example().messages["fine_in"])
    fine["emissivity"] = np.full_like(fine["emissivity"], 1e-4)  # shines so little that it melts
    with pytest.raises(
        ms.Refused, match=r"between 100 K and 1000 K balances .* in row 0, column 0"
    ):
        called(fine, ra_min=1e12, ra_max=1e12)


def called(fine, weather=None, **settings):
    """The State after one call in this process."""
    model = SurfaceEnergyBalance(**settings)
    given = {"fine_in": ms.Contact(0.0, None, fine), "coarse_in": None, "air_in": None}
    if weather is not None:
        given["air_in"] = ms.Contact(0.0, None, weather)
    return model.f_init(ms.Start(0.0), ms.Received(given))
