"""Growth rates of drift modes: the dispersion function, roots and their number, both species."""

import numpy as np
import pytest
from scipy.special import ive, jv, wofz

import manyscale as ms
from manyscale import Contact, Received, Start
from manyscale_plugins.gyrokinetic_dispersion import (
    GyrokineticDispersion,
    RadialDispersion,
    drift,
    fastest,
    kernel,
    roots,
    slab,
)
from manyscale_plugins.gyrokinetic_dispersion.dispersion_function import moments
from manyscale_plugins.gyrokinetic_dispersion.slab import Mode

NONE = roots.NO_NODES
HYDROGEN, DEUTERIUM = 1836.15267, 3670.48  # m_i/m_e


def mode(b, theta, kn, kt, curvature=0.0):
    return Mode(ive(0, b), b * (ive(0, b) - ive(1, b)), theta, kn, kt, curvature)


def of_zeta(z_star, eta, b, theta):
    """The mode whose w is zeta: s = 1, z* = -kn and z* eta = -kt."""
    return mode(b, theta, -z_star, -z_star * eta)


def any_mode(rng, curvature=0.0):
    """A mode of any temperature ratio, wave number and gradient; every fourth without d ln n."""
    b, theta = 10.0 ** rng.uniform(-3.0, 1.2), 10.0 ** rng.uniform(-0.7, 0.7)
    kn = rng.uniform(0.0, 20.0) * (rng.random() > 0.25)
    return b, mode(b, theta, kn, rng.uniform(0.1, 20.0), curvature)


def plasma(**changes):
    """A plasma of 2 keV at one radius of a compact high-field tokamak."""
    values = {
        "t_i": 2000.0, "t_e": 2000.0, "density": 1e20, "b_field": 5.4, "minor_radius": 0.21,
        "major_radius": 0.67, "a_over_ln": 1.0, "a_over_lti": 3.0, "a_over_lte": 3.0,
    } | changes  # fmt: skip
    return kernel.Plasma(**{name: np.array([value]) for name, value in values.items()})


def scan(ky, **changes):
    values = {
        "n_kpar": 32, "mass_ratio": DEUTERIUM, "ion_mass": 3.3435837768e-27, "curvature": False,
        "electrons_from": 1.0,
    } | changes  # fmt: skip
    return kernel.Scan(np.asarray(ky, dtype=float), **values)


def test_dispersion_function():
    x, y = np.meshgrid(np.linspace(-20.0, 20.0, 81), np.geomspace(1e-3, 20.0, 40))
    zeta = np.concatenate(((x + 1j * y).ravel(), (x - 0.2j * y).ravel(), x[0]))
    Z = 1j * np.sqrt(np.pi) * wofz(zeta)
    found = np.array([moments(complex(z)) for z in zeta]).T
    kept = np.abs(Z) < 1e100
    np.testing.assert_allclose(found[0][kept], Z[kept], rtol=1e-12)
    near = kept & (np.abs(zeta) < 5.0)  # farther out the formulas lose digits, the series does not
    for value, formula in ((found[1], 1.0 + zeta * Z), (found[2], zeta + (zeta**2 - 0.5) * Z)):
        np.testing.assert_allclose(value[near], formula[near], atol=1e-9)
    step = 1e-6
    ahead, behind = (np.array([moments(complex(z))[2] for z in zeta + d]) for d in (step, -step))
    far = np.abs(zeta) > 9.0
    slopes = (ahead - behind) / (2.0 * step)
    np.testing.assert_allclose(found[3][near], slopes[near], rtol=1e-6, atol=1e-6)
    upper = far & (zeta.imag > 0.0)
    np.testing.assert_allclose(found[2][upper], -0.5 * zeta[upper] ** -3, rtol=0.05)


@pytest.mark.parametrize(
    ("z_star", "eta", "b", "theta", "root", "tolerance"),
    [  # computed independently, specification of the system
        (-2.0, 5.0, 0.1, 1.0, -0.767641 + 0.679884j, 1e-6),
        (-5.0, 5.0, 0.1, 1.0, -0.643017 + 1.146788j, 1e-6),
        (-3.0, 6.0, 0.2, 1.0, -1.245339 + 1.117345j, 2e-6),
        (-8.0, 4.0, 0.3, 1.0, -1.327899 + 1.425599j, 2e-6),
    ],
)
def test_most_unstable_roots(z_star, eta, b, theta, root, tolerance):
    found, counted = roots.growing(1.0, 1e-6, of_zeta(z_star, eta, b, theta), NONE, NONE)
    assert counted == len(found) == 1
    assert abs(found[0] - root) < tolerance


@pytest.mark.parametrize(
    ("b", "threshold"), [(1e-6, 2.00000), (0.1, 1.680655), (0.3, 1.323629), (0.5, 1.137980)]
)
def test_threshold_of_long_waves_is_that_of_kadomtsev_and_pogutse(b, threshold):
    ratio = ive(1, b) / ive(0, b)
    assert 2.0 / (1.0 + 2.0 * b * (1.0 - ratio)) == pytest.approx(threshold, abs=1e-5)

    def grows(eta):
        return slab.widest(mode(b, 1.0, 1.0, eta)) > 0.0

    assert lowest(grows) == pytest.approx(threshold, abs=1e-5)


@pytest.mark.parametrize(("b", "threshold"), [(1e-6, 2.00005), (0.1, 1.68072), (0.5, 1.13814)])
def test_threshold_of_the_root_finder(b, threshold):
    def grows(eta):
        return roots.growing(1.0, 1e-8, of_zeta(-200.0, eta, b, 1.0), NONE, NONE)[0].size > 0

    assert lowest(grows) == pytest.approx(threshold, abs=2e-5)
    assert lowest(lambda eta: slab.widest(of_zeta(-200.0, eta, b, 1.0)) > 1.0) == pytest.approx(
        threshold, abs=2e-5
    )


def lowest(grows):
    """The eta from which something grows, by bisection."""
    low, high = 0.5, 4.0
    while high - low > 1e-7:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if grows(middle) else (middle, high)
    return high


def test_no_root_is_missed_in_a_thousand_modes():
    rng, closed = np.random.default_rng(7), 0
    for _ in range(1000):
        _, one = any_mode(rng)
        s = 10.0 ** rng.uniform(-1.5, 1.5)
        found, counted = roots.growing(s, 1e-4 * s, one, NONE, NONE)
        assert len(found) == counted
        for root in found:
            assert abs(slab.response(root, s, one)[0]) < 1e-9 * (1.0 + abs(root / s) * one.kt)
        # the closed form counts those too that grow exponentially slowly
        grows = s < slab.widest(one)
        assert counted <= grows
        if 0.25 < s / max(slab.widest(one), 1e-9) < 0.9:
            assert counted == 1
            closed += 1
    assert closed > 50


def test_fastest_mode_does_not_depend_on_the_samples():
    rng = np.random.default_rng(3)
    table = np.array([list(any_mode(rng)[1]) for _ in range(200)])
    places = []
    for samples in (4, 32, 101):
        s, w = np.zeros((200, samples)), np.zeros((200, samples), np.complex128)
        none, one = np.zeros((200, 0), complex), np.zeros(200, np.int64)
        at, root, fate = fastest.fastest(table, one, none, none, s, w)
        assert not fate.any()
        assert (root.imag >= w.imag.max(axis=1) * (1.0 - 1e-12)).all()
        places.append((at, root))
    for _, root in places[1:]:
        np.testing.assert_allclose(root, places[0][1], rtol=1e-6)
        np.testing.assert_allclose(root.imag, places[0][1].imag, rtol=1e-12)
    grows = places[0][0] > 0.0
    assert 50 < grows.sum() < 200
    top = np.array([slab.widest(Mode(*row)) for row in table[grows]])
    part = places[0][0][grows] / top
    assert part.min() > 0.2
    assert part.max() < 0.6


@pytest.mark.parametrize(("mass_ratio", "square_root"), [(HYDROGEN, 42.8504), (DEUTERIUM, 60.5845)])
@pytest.mark.parametrize("curvature", [False, True])
def test_electrons_are_ions_on_another_scale(mass_ratio, square_root, curvature):
    k = np.geomspace(0.1, 0.8, 8) if curvature else np.geomspace(0.1, 2.0, 60)
    given = {"mass_ratio": mass_ratio, "curvature": curvature}
    ions = kernel.branch(plasma(), scan(k, **given), kernel.ION)
    scaled = k * np.sqrt(mass_ratio)
    electrons = kernel.branch(plasma(), scan(scaled, **given), kernel.ELECTRON)
    assert np.sqrt(mass_ratio) == pytest.approx(square_root, abs=5e-5)
    np.testing.assert_allclose(electrons.gamma / ions.gamma, np.sqrt(mass_ratio), rtol=1e-6)
    np.testing.assert_allclose(electrons.omega, -ions.omega * np.sqrt(mass_ratio), rtol=1e-9)
    speeds = (electrons.gamma / scaled).max() / (ions.gamma / k).max()
    assert speeds == pytest.approx(1.0, abs=1e-10)
    np.testing.assert_allclose(electrons.k_par, ions.k_par, rtol=1e-8)


def test_si_units():
    """One root by hand: omega = zeta k_par vt at the k_par that is given."""
    e, m = 1.602176634e-19, 3.3435837768e-27
    here = plasma(t_i=1000.0, a_over_ln=0.7, a_over_lti=4.0)
    found = kernel.branch(here, scan([0.4]), kernel.ION)
    vt, rho = np.sqrt(2.0 * 1000.0 * e / m), np.sqrt(1000.0 * e * m) / (e * 5.4)
    rho_s = here.rho_s(m)[0]
    assert rho_s == pytest.approx(np.sqrt(2000.0 * e * m) / (e * 5.4), rel=1e-12)
    k_y, k_par = 0.4 / rho_s, found.k_par[0, 0]
    zeta = (found.omega[0, 0] + 1j * found.gamma[0, 0]) / (k_par * vt)
    z_star = -k_y * 1000.0 / (5.4 * 0.21 / 0.7) / (k_par * vt)  # -k_y T/(e B L_n)
    b = (k_y * rho) ** 2
    assert response_of_zeta(zeta, z_star, 4.0 / 0.7, b, 0.5) == pytest.approx(0.0, abs=1e-10)


def response_of_zeta(zeta, z_star, eta, b, theta):
    """The dispersion relation as it stands in the docstring of the model."""
    Z, G0, G1 = 1j * np.sqrt(np.pi) * wofz(zeta), ive(0, b), ive(1, b)
    bracket = (zeta + (zeta**2 - 0.5) * Z) * G0 + b * (G1 - G0) * Z
    return 1.0 + theta + G0 * (zeta - z_star) * Z - z_star * eta * bracket


def test_derivatives_of_the_slab():
    one, w, s = mode(0.3, 0.8, 1.5, 4.0), -0.7 + 0.4j, 0.6
    _, slope, along = slab.response(w, s, one)
    by_w = [slab.response(w + d, s, one)[0] for d in (1e-5, -1e-5)]
    by_s = [slab.response(w, s + d, one)[0] for d in (1e-5, -1e-5)]
    assert slope == pytest.approx((by_w[0] - by_w[1]) / 2e-5, rel=1e-7)
    assert along == pytest.approx((by_s[0] - by_s[1]) / 2e-5, rel=1e-7)


@pytest.mark.parametrize(
    ("b", "w", "s"), [(0.1, -1.0 + 1.5j, 1.0), (0.5, -1.0 + 1.2j, 0.0), (2.0, 2.0 + 1.5j, 2.0)]
)
def test_drift_against_quadrature_over_velocities(b, w, s):
    one = mode(b, 0.8, 1.5, 4.0, 0.35)
    x, of_x = np.polynomial.hermite.hermgauss(200)
    y, of_y = np.polynomial.laguerre.laggauss(150)
    X, Y = np.meshgrid(x, y)
    ratio = (w + one.kn + one.kt * (X**2 + Y - 1.5)) / (w - s * X + 0.35 * (2.0 * X**2 + Y))
    gyration = jv(0, np.sqrt(2.0 * b * Y)) ** 2
    integral = (of_y[:, None] * of_x * gyration * ratio).sum() / np.sqrt(np.pi)
    found, slope, along = drift.response(w, s, one, *drift.nodes(b))
    assert found == pytest.approx(1.8 - integral, abs=1e-9)
    ahead, behind = (drift.response(w + d, s, one, *drift.nodes(b))[0] for d in (1e-5, -1e-5))
    assert slope == pytest.approx((ahead - behind) / 2e-5, rel=1e-7)
    ahead, behind = (drift.response(w, s + d, one, *drift.nodes(b))[0] for d in (1e-5, -1e-5))
    assert along == pytest.approx((ahead - behind) / 2e-5, rel=1e-6, abs=1e-9)


def test_drift_without_curvature_is_the_slab():
    differences = []
    for curvature in (1e-2, 1e-3):
        one = mode(0.3, 1.0, 1.0, 3.0, curvature)
        D, *_ = drift.response(-0.5 + 0.3j, 0.4, one, *drift.nodes(0.3))
        differences.append(abs(D - slab.response(-0.5 + 0.3j, 0.4, one)[0]))
    assert differences[1] < 2e-2
    assert np.log10(differences[0] / differences[1]) == pytest.approx(1.0, abs=0.1)


def test_no_root_of_the_torus_is_missed():
    rng, growing = np.random.default_rng(5), 0
    for _ in range(100):
        b, one = any_mode(rng, rng.uniform(0.05, 0.6))
        s = rng.choice([0.0, 10.0 ** rng.uniform(-1.5, 1.0)])
        found, counted = roots.growing(s, fastest.FLOOR * one.kt, one, *drift.nodes(b))
        assert len(found) == counted
        growing += counted
    assert growing > 20


def test_the_torus_grows_faster_than_the_slab():
    k = np.geomspace(0.1, 0.6, 8)
    curved = kernel.branch(plasma(), scan(k, curvature=True), kernel.ION)
    straight = kernel.branch(plasma(), scan(k), kernel.ION)
    assert (curved.gamma > 1.5 * straight.gamma).all()
    assert (curved.omega < 0.0).all()


def test_where_one_kinetic_species_is_enough():
    """Both species kinetic, at the k_par of the fastest adiabatic mode: how far off gamma is."""
    k = np.array([0.1, 0.5, 1.0, 12.0, 30.0, 60.0])
    for species, chosen in ((kernel.ION, k[:3]), (kernel.ELECTRON, k[3:])):
        alone = kernel.branch(plasma(), scan(chosen), species)
        for place, ky in enumerate(chosen):
            rate = ky / plasma().rho_s(3.3435837768e-27)[0] * 2000.0 / (5.4 * 0.21)
            start = complex(alone.omega[0, place], alone.gamma[0, place]) / rate
            k_par = alone.k_par[0, place] * 0.21
            both = newton(lambda w, ky=ky, k_par=k_par: of_both(w, ky, k_par), start)
            assert start.imag == pytest.approx(both.imag, rel=0.07)


def of_both(w, ky, k_par):
    """The response of ions and electrons of equal temperature, a/L_n = 1, a/L_T = 3."""
    total = 0.0
    for sign, rho in ((-1.0, 1.0), (1.0, DEUTERIUM**-0.5)):
        one = mode((ky * rho) ** 2, 0.0, 1.0, 3.0)
        own = slab.response(
            w if sign < 0.0 else -np.conj(w), np.sqrt(2.0) * k_par / (ky * rho), one
        )
        total += own[0] if sign < 0.0 else np.conj(own[0])
    return total


def newton(function, w):
    for _ in range(50):
        step = 1e-6 * abs(w)
        w = w - 2.0 * step * function(w) / (function(w + step) - function(w - step))
    assert abs(function(w)) < 1e-8
    return w


def received(**fields):
    return Received({"profile_in": Contact(0.0, None, fields) if fields else None})


def spectrum(model, **fields):
    return model.o_f(model.f_init(Start(0.0), received(**fields)))["spectrum_out"]


def test_both_species_in_one_spectrum():
    model = GyrokineticDispersion(nk=48)
    found = spectrum(model)
    ky, gamma, branch = found["ky_rhos"], found["gamma"], found["branch"]
    assert set(branch[ky < 0.99]) == {kernel.ION}
    assert set(branch[ky > 2.0]) == {kernel.ELECTRON}
    assert (np.sign(found["omega"]) == np.where(branch == kernel.ION, -1.0, 1.0)).all()
    assert gamma[ky > 0.8].max() / gamma[ky <= 0.8].max() > 40.0
    assert found["grad_te"] == pytest.approx(3.0 / 0.21)
    assert branch.dtype == np.int32


def test_nothing_grows_without_a_temperature_gradient():
    found = spectrum(GyrokineticDispersion(nk=8, a_over_lt=0.0))
    assert not found["gamma"].any()
    assert not found["omega"].any()
    assert set(found["branch"]) == {kernel.STABLE}
    steep = spectrum(GyrokineticDispersion(nk=8, a_over_lt=1.8, a_over_ln=2.1))  # eta < 0.9
    assert not steep["gamma"].any()


def test_a_profile_comes_before_settings():
    fields = {"a_over_lt": 4.0, "a_over_ln": 0.5, "theta": 0.8, "t_e": 1500.0, "b_field": 2.0,
              "a_over_lte": 5.0, "density": 3e19, "minor_radius": 0.6}  # fmt: skip
    came = spectrum(GyrokineticDispersion(nk=12), **fields)
    assert came["t_i"] == pytest.approx(1200.0)
    assert came["grad_te"] == pytest.approx(5.0 / 0.6)
    assert came["grad_ti"] == pytest.approx(4.0 / 0.6)
    equal = fields | {"a_over_lte": 4.0}
    by_settings = spectrum(
        GyrokineticDispersion(nk=12, t_i=1200.0, t_e=1500.0, b_field=2.0, density=3e19,
                              minor_radius=0.6, a_over_lt=4.0, a_over_ln=0.5)
    )  # fmt: skip
    by_profile = spectrum(GyrokineticDispersion(nk=12), **equal)
    np.testing.assert_allclose(by_profile["gamma"], by_settings["gamma"], rtol=1e-9)


@pytest.mark.parametrize("bend", ["none", "toroidal"])
def test_many_radii_at_once_are_each_alone(bend):
    example = RadialDispersion.example()
    settings = {**example.settings, "drift": bend}
    profiles, model = example.messages["profiles_in"], RadialDispersion(**settings)
    state = model.f_init(Start(0.0), Received({"profiles_in": Contact(0.0, None, profiles)}))
    spectra = model.o_f(state)["spectrum_out"]
    for radius, together in enumerate(spectra):
        alone = spectrum(
            GyrokineticDispersion(**settings),
            theta=profiles["t_i"][radius] / profiles["t_e"][radius],
            a_over_lt=profiles["a_over_lti"][radius],
            minor_radius=profiles["minor_radius"],
            major_radius=profiles["major_radius"],
            **{n: profiles[n][radius] for n in ("a_over_ln", "a_over_lte", "t_e", "density",
                                                "b_field")},
        )  # fmt: skip
        assert together.keys() == alone.keys()
        for name, value in together.items():
            np.testing.assert_allclose(value, alone[name], rtol=1e-9, err_msg=name)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"t_i": -2000.0}, r"t_i is -2000 eV, expected > 0"),
        ({"t_e": 0.0}, r"t_e is 0 eV, expected > 0"),
        ({"density": -1e20}, r"density is -1e\+20 1/m3, expected > 0"),
        ({"mass_ratio": 1.0}, r"mass_ratio is 1, expected > 1 \(m_i/m_e\)"),
        ({"a_over_lt": 25.0}, r"a_over_lt is 25, expected >= 0, <= 20"),
        ({"n_kpar": 3}, r"n_kpar is 3, expected >= 4"),
        ({"ky_max": 0.01}, r"ky_max is 0.01 and ky_min 0.05; ky_max must be the larger one"),
        ({"drift": "torus"}, r"drift is 'torus', expected one of: none, toroidal"),
    ],
)
def test_bad_settings_are_refused(settings, says):
    with pytest.raises(ms.Refused, match=says):
        GyrokineticDispersion(**settings)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"theta": -1.0}, r"profile_in gives t_i = -2000, expected > 0"),
        ({"density": -1e19}, r"profile_in gives density = -1e\+19, expected > 0"),
        ({"a_over_lt": 30.0}, r"gives a_over_lti = 30, expected 0 to 20; look at the profile"),
        ({"a_over_ln": -30.0}, r"gives a_over_ln = -30, expected -20 to 20"),
    ],
)
def test_bad_profiles_are_refused(fields, says):
    given = {"a_over_lt": 3.0, "a_over_ln": 1.0, "theta": 1.0} | fields
    with pytest.raises(ms.Refused, match=says):
        spectrum(GyrokineticDispersion(nk=4), **given)


def test_bad_radii_are_refused():
    example = RadialDispersion.example()
    model, came = RadialDispersion(**example.settings), example.messages["profiles_in"]
    with pytest.raises(ms.Refused, match=r"brings 3 radii, but spectrum_out feeds 2: make the"):
        model.f_init(
            Start(0.0, slots={"spectrum_out": 2}),
            Received({"profiles_in": Contact(0.0, None, came)}),
        )
    cold = came | {"t_e": np.array([2000.0, -1.0, 500.0])}
    with pytest.raises(ms.Refused, match=r"profiles_in gives t_e = -1 at radius 1, expected > 0"):
        model.f_init(Start(0.0), Received({"profiles_in": Contact(0.0, None, cold)}))


def test_a_missed_root_is_an_error():
    with pytest.raises(ValueError, match=r"1 of 3 wave numbers, the first at k_y rho = 0.2, have"):
        kernel._refuse_missed(np.array([0, fastest.MISSED, 0]), np.array([0.1, 0.2, 0.3]))


@pytest.mark.parametrize("curvature", [False, True])
def test_radii_in_parts_give_the_same_bits(curvature):
    one = np.ones(5)
    here = kernel.Plasma(
        2000.0 * one, 1800.0 * one, 1e20 * one, 5.4 * one, 0.21 * one, 0.67 * one, 0.7 * one,
        np.linspace(2.0, 5.0, 5), np.linspace(2.0, 5.0, 5),
    )  # fmt: skip
    asked = scan(np.geomspace(0.1, 2.0, 5), curvature=curvature)
    whole = kernel.branch(here, asked, kernel.ION)
    parts = [kernel.branch(here.part(p), asked, kernel.ION) for p in (slice(0, 2), slice(2, 5))]
    for all_of_it, some in zip(whole, zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(all_of_it, np.concatenate(some))
