"""Conservation, exact solutions, growth, shear, scattering and refusals of drift turbulence."""

import numpy as np
import pytest
from scipy.integrate import quad

import manyscale as ms
from manyscale_plugins.drift_turbulence import DriftTurbulence, kernel, measures, passes, plain
from manyscale_plugins.drift_turbulence.spectrum import ELECTRON, ION, columns, units
from manyscale_plugins.gyrokinetic_dispersion import GyrokineticDispersion

SMALL = kernel.Grid(32, 32.0)


def undriven(grid=SMALL, **settings):
    return kernel.Plasma(drive=np.zeros(grid.kept + 1), **settings)


def flow_of(grid, plasma, size=2.0, seed=1):
    return kernel.Flow(kernel.noise(grid, plasma, np.random.default_rng(seed), size), 0.0, 0)


def advanced(grid, plasma, flow, dt, time, **options):
    return kernel.Stepper(grid, plasma, dt, **options).advance(flow, round(time / dt))[0]


def single(grid, plasma, modes):
    """A flow of given potentials {(row, column): amplitude}."""
    phi = np.zeros((grid.n, grid.kept + 1), complex)
    for place, amplitude in modes.items():
        phi[place] = amplitude
    return kernel.Flow(kernel.hermitian(phi) * kernel.response(grid, plasma), 0.0, 0)


PLASMAS = [
    {"drift": 1.0, "zonal": False},
    {"drift": 1.0, "hyper": 1e-3, "nu": 0.01, "friction": 0.02},
    {"drift": 0.5, "hyper": 1e-3, "friction": 0.02, "pade": True, "electrons": 0.08},
]


@pytest.mark.parametrize("settings", PLASMAS)
def test_passes_do_what_plain_numpy_does(settings):
    plasma = kernel.Plasma(drive=0.1 * SMALL.ky, **settings)
    flow = flow_of(SMALL, plasma)
    found = advanced(SMALL, plasma, flow, 0.02, 0.4).q
    expected = flow.q
    for _ in range(20):
        expected = plain.step(SMALL, plasma, expected, 0.02)
    np.testing.assert_allclose(found, expected, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("zonal", [True, False])
def test_order_in_time_without_drive_and_damping(zonal):
    plasma = undriven(drift=1.0, zonal=zonal)
    flow = flow_of(SMALL, plasma)
    errors = []
    for dt in (0.04, 0.02, 0.01):
        near, true = (advanced(SMALL, plasma, flow, step, 4.0).q for step in (dt, dt / 8))
        errors.append(np.linalg.norm(near - true))
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(slopes, 4.0, atol=0.2)


@pytest.mark.parametrize("zonal", [True, False])
def test_energy_and_enstrophy_over_a_hundred_turnovers(zonal):
    plasma = undriven(drift=1.0, zonal=zonal)
    flow = flow_of(SMALL, plasma, 1.0)
    begun = kernel.Stepper(SMALL, plasma, 1.0).sample(flow).sums
    time = 100.0 / np.sqrt(begun[2])  # of the rms vorticity
    drifts = []
    for steps in (1000, 2000, 4000):
        stepper = kernel.Stepper(SMALL, plasma, time / steps)
        ended = stepper.sample(stepper.advance(flow, steps)[0]).sums
        drifts.append(np.abs(ended[4:6] / begun[4:6] - 1.0))
    slopes = np.log2(np.array(drifts[:-1]) / drifts[1:])  # 5: the error of RK4 is dissipative
    assert slopes.min() >= 3.8
    assert np.max(drifts[-1]) <= 1e-10


@pytest.mark.parametrize("settings", [{"zonal": False}, {"pade": True, "electrons": 0.08}])
def test_waves_of_one_length_pass_through_each_other(settings):
    # modes with one k2 make q a multiple of phi: no product is left, each drifts at its own pace
    plasma = undriven(drift=0.7, **settings)
    places = {(4, 3): 2.0, (3, 4): 1.0j, (-3, 4): 0.5, (5, 0): 0.0, (0, 5): -1.0}
    flow = single(SMALL, plasma, places)
    found = advanced(SMALL, plasma, flow, 0.02, 10.0).q
    M = 1.0 + _own(plasma, 25.0 * SMALL.ky[1] ** 2)
    for (row, column), amplitude in places.items():
        phase = np.exp(-10j * 0.7 * SMALL.ky[column] / M)
        assert found[row, column] == pytest.approx(amplitude * M * phase, abs=1e-10)


def _own(plasma, b):
    return b / (1.0 + b) + plasma.electrons * b if plasma.pade else b


def test_both_ranges_have_the_response_of_each_alone():
    grid = kernel.Grid(128, 512.0)
    both = kernel.response(grid, undriven(grid, pade=True, electrons=2.0 / 3670.48))
    ion = kernel.response(grid, undriven(grid))
    b = grid.kx[:, None] ** 2 + grid.ky**2
    large = (b < 1e-3) & (b > 0.0)
    np.testing.assert_allclose(both[large], ion[large], rtol=2e-3)
    fine = kernel.Grid(64, 2.0)  # k rho_s of 3 and more
    both = kernel.response(fine, undriven(fine, pade=True, electrons=2.0 / 3670.48))
    b = fine.kx[:, None] ** 2 + fine.ky**2
    small = b > 300.0
    np.testing.assert_allclose(both[small], 2.0 * (1.0 + b / 3670.48)[small], rtol=5e-3)


def contact(**fields):
    return ms.Contact(0.0, None, fields)


RHO_S, RATIO = 1.2e-3, 3670.48
PLASMA = {
    "rho_s": RHO_S, "mass_ratio": RATIO, "t_i": 2e3, "t_e": 2e3, "density": 1e20, "b_field": 5.4,
    "grad_n": 1.0 / 0.21, "grad_ti": 2.0 / 0.21, "grad_te": 2.0 / 0.21,
}  # fmt: skip
RATE = units(RHO_S, 2e3, 5.4, 0.21, 1.0).rate


def spectrum(ky=None, gamma=0.26, species=ION, **changes):
    """Growth that peaks at k_y rho = 0.5, of ions or by their isomorphism of electrons."""
    root = RATIO**0.5 if species == ELECTRON else 1.0
    ky = np.linspace(0.05, 2.0, 40) if ky is None else ky
    growth = gamma * (ky / 0.5) * np.exp(1.0 - ky / 0.5)
    return contact(
        ky_rhos=ky * root, gamma=growth * RATE * root, omega=-0.5 * growth * RATE * root,
        branch=np.full(len(ky), species, np.int32), **{**PLASMA, **changes},
    )  # fmt: skip


def model(**settings):
    small = {"n": 32, "box": 32.0, "run_length": 2e-6, "samples": 10}
    return DriftTurbulence(**{**small, **settings})


def passed(one, spectrum=None, decision=None, eddy=None, kept=None, seed=3):
    """The last State of a pass."""
    given = {"spectrum_in": spectrum, "decision_in": decision}
    state = one.f_init(ms.Start(0.0, seed=seed, kept=kept), ms.Received(given))
    while one.clock(state).to is not None:
        state = one.s(state, ms.Received({"eddy_in": eddy}))
    return state


@pytest.mark.parametrize("scale", ["ion", "electron"])
def test_modes_grow_as_their_spectrum_says(scale):
    # given at the wave numbers of the box, without hyperviscosity, and too small to be scattered
    ky = 2.0 * np.pi / 32.0 * np.arange(1, 11)
    species = ION if scale == "ion" else ELECTRON
    root = 1.0 if scale == "ion" else RATIO**0.5
    one = model(scale=scale, hyper_nu=0.0, noise=1e-14, dt=2e-8 / root, run_length=2e-6 / root)
    given = spectrum(ky, species=species)
    state = passed(one, given)
    begun = one.f_init(
        ms.Start(0.0, seed=3), ms.Received({"spectrum_in": given, "decision_in": None})
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.log(np.abs(state.phi / begun.phi)) / one.run_length
    growth = rate[0, 1:11]
    np.testing.assert_allclose(growth, given.gamma, rtol=1e-4)
    oblique = given.gamma[1] * (4.0 / 13.0) ** 2  # 3 waves in x, 2 in y
    assert rate[3, 2] == pytest.approx(oblique, rel=1e-4)


def test_the_scales_are_isomorphic():
    root = RATIO**0.5
    common = {"zonal": "off", "hyper_nu": 1e-3, "noise": 5.0}
    ion = passed(model(scale="ion", **common), spectrum())
    given = spectrum(species=ELECTRON)
    electron = passed(
        model(scale="electron", dt=2e-8 / root, run_length=2e-6 / root, **common), given
    )
    np.testing.assert_allclose(electron.phi, ion.phi, atol=1e-10 * np.abs(ion.phi).max())
    # fluxes of both are those of gyro-Bohm units, rho2 v/a
    assert electron.own_nu == pytest.approx(ion.own_nu / root, rel=1e-9)
    assert electron.fluxes[-1, 1] == pytest.approx(ion.fluxes[-1, 0] / root, rel=1e-9)


def sheared_rate(plasma, kx, ky, shear, time):
    """Growth of a wave whose kx is carried along, from quadrature."""

    def rate(t):
        b = (kx - shear * t * ky) ** 2 + ky**2
        return plasma.drive[1] * (ky**2 / b) ** 2 - plasma.nu * b - plasma.hyper * b**4

    return quad(rate, 0.0, time, epsrel=1e-12)[0]


def test_a_sheared_wave_is_exact_and_of_fourth_order():
    grid = kernel.Grid(64, 32.0)
    shear, time = 0.5, 16.0  # the tilt passes one half eight times
    plasma = kernel.Plasma(np.full(22, 0.2), hyper=1e-3, nu=0.01, shear=shear, zonal=False)
    flow = single(grid, plasma, {(6, 1): 1e-3})
    expected = np.exp(sheared_rate(plasma, 6 * grid.ky[1], grid.ky[1], shear, time))
    errors = []
    for dt in (0.2, 0.1, 0.05):
        after = advanced(grid, plasma, flow, dt, time)
        place = 6 - round(shear * time)  # and no tilt is left
        assert after.tilt == pytest.approx(0.0, abs=1e-12)
        assert np.count_nonzero(np.abs(after.q) > 1e-12) == 1
        errors.append(abs(after.q[place, 1] / flow.q[6, 1] - expected))
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(slopes, 4.0, atol=0.2)
    assert errors[-1] < 1e-5 * expected


def test_an_imposed_shear_suppresses_the_electrons():
    root = RATIO**0.5
    one = model(
        scale="electron", zonal="off", n=64, box=48.0, dt=3e-10, run_length=1.5e-6, settle=0.5
    )
    fastest = 0.26 * RATE * root
    free, sheared = (
        passed(one, spectrum(species=ELECTRON), contact(active=True, wE=shear, index=np.ones(4)))
        for shear in (0.0, fastest)
    )

    def square(state):
        return float((np.abs(state.phi) ** 2).sum())

    assert square(free) > 10.0 * square(sheared)
    assert free.own_q_e > 10.0 * sheared.own_q_e


@pytest.mark.nightly
def test_electron_eddies_that_damp_zonal_flows_raise_the_ion_flux():
    # near the threshold, where zonal flows hold the eddies down (Maeyama et al. 2017)
    one = model(n=64, box=64.0, dt=2.5e-8, run_length=1e-4, exchanges=6, polarisation="pade")
    eddies = contact(nu_turb=0.05 * units(RHO_S, 2e3, 5.4, 0.21, 1.0).diffusivity, q_e=0.0)
    torus = GyrokineticDispersion(drift="toroidal", a_over_lt=1.5, mass_ratio=25.0, ky_max=15.0)
    found = torus.f_init(ms.Start(0.0), ms.Received({"profile_in": None}))
    given = contact(**torus.o_f(found)["spectrum_out"])
    alone, damped = (passed(one, given, eddy=eddy).fluxes[2:, 0] for eddy in (None, eddies))
    error = np.hypot(*(flux.std(ddof=1) / len(flux) ** 0.5 for flux in (alone, damped)))
    assert damped.mean() - alone.mean() > 2.0 * error
    assert damped.mean() > 1.3 * alone.mean()


def test_scattering_takes_energy_in_turnovers():
    # one shell, in which nothing else moves: dA/dt = -c w A with w ~ A, so A0/(1 + c w t)
    plasma = undriven(scattering=0.3, zonal=False)
    flow = single(SMALL, plasma, {(4, 3): 0.8, (3, 4): 0.4, (-4, 3): 0.6j})
    energy = 0.5 * kernel.Stepper(SMALL, plasma, 1.0).sample(flow).sums[1]
    turnover = np.sqrt((5 * SMALL.ky[1]) ** 3 * energy / SMALL.ky[1])
    errors = []
    for dt in (0.2, 0.1, 0.05):
        left = advanced(SMALL, plasma, flow, dt, 8.0).q[4, 3] / flow.q[4, 3]
        errors.append(abs(left - 1.0 / (1.0 + 0.3 * turnover * 8.0)))
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(slopes, 1.0, atol=0.1)  # the rate is held over a step
    assert errors[-1] < 0.01


def test_half_of_what_is_scattered_comes_back_in_all_directions():
    grid, dt = kernel.Grid(64, 64.0), 0.02
    plasma = undriven(grid, scattering=0.3, returned=0.5, zonal=False)
    flow = single(grid, plasma, {(0, 12): 3.0, (12, 0): 3.0})
    k = 12 * grid.ky[1]
    b = grid.kx[:, None] ** 2 + grid.ky**2
    shell = (np.abs(np.sqrt(b) / grid.ky[1] - 12.0) < 0.5) & (flow.q == 0.0)
    weight = np.where(grid.ky > 0.0, 2.0, 1.0) * b / kernel.response(grid, plasma) ** 2
    found = []
    for seed in range(40):
        stepper = kernel.Stepper(grid, plasma, dt, lambda step, s=seed: ms.random_numbers(s, step))
        after = stepper.advance(flow, 1)[0].q
        np.testing.assert_allclose(after[:, 0], kernel.hermitian(after)[:, 0], atol=1e-15)
        found.append((weight * np.abs(after) ** 2)[shell].sum())
    v2 = stepper.sample(flow).sums[1]
    rate = 0.3 * np.sqrt(k**3 * 0.5 * v2 / grid.ky[1])
    lost = v2 * (1.0 - np.exp(-2.0 * rate * dt))
    modes = 0.5 * np.where(grid.ky > 0.0, 2.0, 1.0) * np.ones_like(b)
    part = modes[shell].sum() / (modes[shell].sum() + 2.0)  # what the two waves keep is not seen
    assert np.mean(found) == pytest.approx(0.5 * lost * part, rel=0.05)


def test_fluxes_and_viscosity_of_one_wave():
    # chi = vx2 gamma/(gamma2 + omega2), q = n T chi/L_T, nu = v2/(2 w), in SI
    one = model(noise=1.0)
    given = spectrum(2.0 * np.pi / 32.0 * np.arange(1, 11))
    state = one.f_init(ms.Start(0.0), ms.Received({"spectrum_in": given, "decision_in": None}))
    of = units(RHO_S, 2e3, 5.4, 0.21, 1.0)
    plasma = undriven()
    flow = single(SMALL, plasma, {(0, 3): 0.5})
    sample = kernel.Stepper(SMALL, plasma, 1.0).sample(flow)
    seen = measures.seen([sample], of, state.columns, state.gradients)
    k = 3 * SMALL.ky[1] / RHO_S  # 1/m
    volts = 2.0 * 0.5 * of.volts * RHO_S / 0.21  # amplitude of the cosine
    v2 = 0.5 * (k * volts / 5.4) ** 2  # (E/B)2, mean over a wave
    gamma, omega = given.gamma[2], given.omega[2]
    chi = v2 * gamma / (gamma**2 + omega**2)
    pressure_gradient = 1e20 * 2e3 * 1.602176634e-19 * 2.0 / 0.21
    assert seen.q_i[0] == pytest.approx(chi * pressure_gradient, rel=1e-9)
    assert seen.q_e[0] == 0.0
    assert seen.nu[0] == pytest.approx(0.5 * np.sqrt(v2) / k, rel=1e-9)
    mean = measures.means(seen, 0.0, of)
    assert mean.k == pytest.approx(k, rel=1e-9)
    assert mean.shear == pytest.approx(0.0, abs=1e-9)


def autoregressive(memory, samples, seed):
    """x[n] = memory x[n-1] + noise, whose autocorrelation is memory**n."""
    from scipy.signal import lfilter

    noise = np.random.default_rng(seed).standard_normal(samples + 500)
    return lfilter([1.0], [1.0, -memory], noise)[500:]


@pytest.mark.parametrize("memory", [0.0, 0.8, 0.95])
def test_errors_of_a_mean_are_those_of_many_repetitions(memory):
    time = 0.5 * (1.0 + memory) / (1.0 - memory)  # sum of memory**n, n = 0 counts half
    long = autoregressive(memory, 100_000, 1)
    assert measures.correlation_time(long) == pytest.approx(time, rel=0.1)
    found = [measures.mean_and_error(autoregressive(memory, 1000, n)) for n in range(400)]
    means, errors = np.array(found).T
    assert np.median(errors) == pytest.approx(means.std(), rel=0.15)


def test_columns_follow_the_spectrum_between_its_points():
    given = contact(
        ky_rhos=np.array([0.2, 0.4, 2.0, 4.0]), gamma=np.array([1.0, 3.0, 8.0, 6.0]),
        omega=np.array([1.0, 0.0, 8.0, 2.0]), branch=np.array([0, 0, 1, 1], np.int32),
    )  # fmt: skip
    of = units(1.0, 1.0, 1.0, 1.0, 1.0)
    ky = np.array([0.0, 0.1, 0.3, 0.4, 1.2, 3.0, 5.0])
    found = columns(given, ky, of, 1.0, (ION, ELECTRON))
    np.testing.assert_allclose(found.drive, [0.0, 0.5, 2.0, 3.0, 1.5 + 4.0, 7.0, 0.0])
    np.testing.assert_allclose(
        found.ion_time, [0.5, 0.5, (0.5 + 1 / 3) / 2, 1 / 3, 1 / 6, 0.0, 0.0]
    )
    np.testing.assert_allclose(found.electron_time[-2:], [(1 / 16 + 0.15) / 2, 0.0])


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_and_pieces_change_no_bit(threads):
    plasma = kernel.Plasma(
        0.1 * SMALL.ky, hyper=1e-3, scattering=0.3, returned=0.5, shear=0.2, zonal=False
    )
    flow = flow_of(SMALL, plasma)

    def random(step):
        return ms.random_numbers(5, step)

    whole = kernel.Stepper(SMALL, plasma, 0.02, random).advance(flow, 40)[0]
    piece = flow
    for _ in range(4):
        piece = kernel.Stepper(SMALL, plasma, 0.02, random, threads).advance(piece, 10)[0]
    np.testing.assert_array_equal(piece.q, whole.q)
    assert piece.tilt == whole.tilt


def test_an_electron_scale_that_is_not_wanted_gives_its_last_answer():
    one = model(scale="electron", dt=3e-10, run_length=3e-8)
    given = spectrum(species=ELECTRON)

    def called(active, kept):
        return passed(one, given, contact(active=active, wE=0.0, index=np.ones(4)), kept=kept)

    never = called(False, None)
    assert one.o_f(never)["eddy_out"] == {"nu_turb": 0.0, "q_e": 0.0}
    once = called(True, never)
    answer = one.o_f(once)["eddy_out"]
    assert answer["nu_turb"] > 0.0
    again = called(False, once)
    assert one.o_f(again)["eddy_out"] == answer
    np.testing.assert_array_equal(again.phi, once.phi)
    assert again.step == once.step == 100
    assert called(True, again).step == 200
    # or the ions go on without a viscosity that nobody has just measured
    aware = model(scale="electron", dt=3e-10, run_length=3e-8, idle="none")
    assert aware.o_f(once)["eddy_out"] == answer
    assert aware.o_f(again)["eddy_out"] == {**answer, "nu_turb": 0.0}


def test_the_potential_map_is_that_of_its_modes():
    one = model(noise=1.0)
    state = one.f_init(
        ms.Start(0.0, seed=3), ms.Received({"spectrum_in": None, "decision_in": None})
    )
    shown = one.o_i(state)["map_out"]
    of = one._default_units()
    assert shown["phi"].std() == pytest.approx(of.potential, rel=1e-6)
    assert shown["x"][1] == pytest.approx(of.rho, rel=1e-12)  # 32 points on 32 rho
    both = np.fft.rfft2(shown["phi"] / of.potential, norm="forward")[:, :11]
    np.testing.assert_allclose(both, state.phi, atol=1e-14)


@pytest.mark.parametrize(
    ("settings", "given", "says"),
    [
        ({"n": 48}, {}, "n is 48, which is no power of 2; the nearest are 32 and 64"),
        ({"n": 16}, {}, "n is 16, expected >= 32"),
        ({"dt": 2e-6}, {}, r"dt is 2e-06 s, above the growth limit 1\.3\d*e-06 s"),
        ({"run_length": 2.01e-6}, {}, r"100\.5 steps of 2e-08 s; .* the nearest is 2e-06 s"),
        ({"noise": 200.0}, {}, r"dt is 2e-08 s, above the advective limit \S+ s = 2\.8/"),
        ({"scale": "electron"}, {}, r"k_y rho_s from 0\.05 to 2, but the electron box holds 11\.9"),
        ({"box": 1000.0}, {"ky": np.array([1.0, 2.0])}, "the ion box holds 0.006283 to 0.06283"),
        ({"dt": -1.0}, {}, "dt is -1 s, expected > 0 s"),
        ({"returned": 1.0}, {}, "returned is 1, expected >= 0, < 1"),
    ],
)
def test_refusals(settings, given, says):
    with pytest.raises((ValueError, ms.Refused), match=says):
        passed(model(**settings), spectrum(**given))


def test_the_step_and_shear_of_a_decision_are_refused_too():
    decision = contact(active=True, wE=1e9, index=np.ones(4))
    with pytest.raises(ValueError, match=r"growth limit 5e-10 s = 0\.5/\(1e\+09 1/s\)"):
        passed(model(), spectrum(), decision)


def test_a_remapped_mode_that_leaves_the_grid_is_dropped():
    q = np.zeros((32, 11), complex)
    q[-10, 3] = q[10, 3] = 1.0
    moved = passes.tilted_back(q, 1, SMALL.live)
    assert moved[7, 3] == 1.0
    assert np.count_nonzero(moved) == 1
