"""Films of one mode and of many against integral equations, closed forms, limits and each other."""

import math
from itertools import pairwise

import numpy as np
import pytest

import manyscale as ms
from manyscale_plugins.phonon_bte import PhononBte, exact, in_plane, kernel, sweep
from manyscale_plugins.phonon_bte.acceleration import Options
from manyscale_plugins.phonon_bte.share import Share
from manyscale_plugins.phonon_bte.spectrum import gray, spectrum
from manyscale_plugins.phonon_modes import PhononModes

# Q = q/(C v dT/4) at L/Lambda: integral equation and discrete ordinates, computed independently
SLAB = {0.1: 0.91570, 0.2: 0.84918, 0.5: 0.70417, 1.0: 0.55341, 2.0: 0.39006, 3.0: 0.30164,
        5.0: 0.20766, 10.0: 0.116745, 20.0: 0.06224}  # fmt: skip
WALL = {0.1: 0.57101, 1.0: 0.75815, 5.0: 0.91008, 10.0: 0.94945}
FUCHS = {0.1: 0.20913, 0.5: 0.52188, 1.0: 0.68386, 2.0: 0.81911, 5.0: 0.92505, 10.0: 0.96250}
TIGHT = Options("dsa_gmres", 1e-8, 500)


def one_mode(tau=1.0):
    return spectrum(np.ones(1), np.ones(1), np.array([1.0 / tau]))


def solved(modes, length=1.0, ncell=200, n_mu=16, options=TIGHT, walls=(1.0, 0.0), share=None):
    film = kernel.Film(modes, length, ncell, n_mu)
    inflow = kernel.black(film, *walls)
    found = kernel.solve(film, inflow, options, share or kernel.ALONE)
    return film, inflow, found


def silicon(temperature=300.0, **settings):
    return PhononModes(**settings).modes(temperature)


@pytest.mark.parametrize(("tau", "known"), SLAB.items())
def test_heat_flux_of_a_gray_slab(tau, known):
    _, _, found = solved(one_mode(tau))
    assert 4.0 * found.flux[0] == pytest.approx(known, abs=1e-4)


@pytest.mark.parametrize(("tau", "known"), WALL.items())
def test_temperature_of_the_phonons_at_the_wall_of_a_gray_slab(tau, known):
    film, inflow, found = solved(one_mode(tau))
    hot, cold = kernel.wall_temperatures(film, inflow, found.outflow)
    assert hot == pytest.approx(known, abs=1e-3)
    assert hot + cold == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("tau", [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0])
def test_few_sweeps_do_at_every_thickness_and_the_flux_is_constant(tau):
    _, _, found = solved(one_mode(tau))
    assert found.sweeps <= 15
    assert found.residual <= 1e-8
    assert np.abs(found.flux - found.flux[0]).max() <= 1e-8 * found.flux[0]


@pytest.mark.parametrize("temperature", [20.0, 100.0, 300.0])
@pytest.mark.parametrize("length", [1e-9, 1e-8, 1e-7, 1e-6, 1e-5])
def test_few_sweeps_do_for_the_whole_spectrum_of_silicon(temperature, length):
    _, _, found = solved(spectrum(*silicon(temperature)), length, walls=(0.5, -0.5))
    assert found.sweeps <= 15
    assert np.abs(found.flux - found.flux[0]).max() <= 1e-8 * found.flux[0]


@pytest.mark.parametrize("solver", ["gmres", "source_iteration"])
def test_all_solvers_agree(solver):
    modes = spectrum(*silicon())
    _, _, quick = solved(modes, 2e-7)
    _, _, slow = solved(modes, 2e-7, options=Options(solver, 1e-8, 2000))
    np.testing.assert_allclose(slow.flux, quick.flux, rtol=1e-7)
    assert slow.sweeps > quick.sweeps


@pytest.mark.parametrize(("tau", "known"), SLAB.items())
def test_the_integral_equation_gives_the_table_too(tau, known):
    theta, _ = exact.integral_equation(one_mode(tau), 1.0, 200, (1.0, 0.0))
    assert theta + theta[::-1] == pytest.approx(1.0, abs=1e-12)
    flux = exact.extrapolated_flux(one_mode(tau), 1.0, 200, (1.0, 0.0))
    assert 4.0 * flux == pytest.approx(known, abs=1e-5)


@pytest.mark.parametrize("table", ["", "silicon_pbesol"])
@pytest.mark.parametrize(("length", "within"), [(1e-8, 1e-6), (1e-7, 1e-6), (1e-6, 1e-4)])
def test_silicon_films_solve_the_integral_equation(table, length, within):
    modes = spectrum(*silicon(table_file=table))
    flux = exact.extrapolated_flux(modes, length, 600, (0.5, -0.5))
    _, _, found = solved(modes, length, ncell=800, walls=(0.5, -0.5), n_mu=32)
    assert found.flux.mean() == pytest.approx(flux, rel=within)
    if length < 1e-6:
        theta, _ = exact.integral_equation(modes, length, 800, (0.5, -0.5))
        np.testing.assert_allclose(found.theta[5:-5], theta[5:-5], atol=1e-4)


def order(errors):
    return [math.log2(a / b) for a, b in pairwise(errors)]


def test_second_order_in_cells_for_one_mode_and_for_silicon():
    for modes, length in ((one_mode(2.0), 1.0), (spectrum(*silicon()), 1e-7)):
        finest = solved(modes, length, ncell=3200)[2].flux[0]
        errors = [abs(solved(modes, length, ncell=n)[2].flux[0] - finest) for n in (50, 100, 200)]
        assert order(errors) == pytest.approx([2.0, 2.0], abs=0.2)


def test_double_gauss_converges_far_faster_than_second_order_in_directions():
    finest = solved(one_mode(1.0), n_mu=64)[2].flux[0]
    errors = [abs(solved(one_mode(1.0), n_mu=n)[2].flux[0] - finest) for n in (2, 4, 8)]
    assert min(order(errors)) > 3.0


@pytest.mark.parametrize("temperature", [100.0, 300.0])
def test_a_thick_film_of_first_principles_silicon_conducts_as_its_file_says(temperature):
    modes = silicon(temperature, table_file="silicon_pbesol")
    chosen = spectrum(*modes)
    assert chosen.conductivity == pytest.approx(modes.conductivity, rel=1e-12)
    # with mean free paths of a centimetre the bulk is reached at metres only
    length = 1e4 * float((modes.shares * modes.free_path).sum() / modes.conductivity)
    _, _, found = solved(chosen, length, walls=(0.5, -0.5), options=Options("dsa_gmres", 1e-6, 500))
    assert found.flux.mean() * length == pytest.approx(modes.conductivity, rel=1e-3)


@pytest.mark.parametrize("table", ["", "silicon_pbesol"])
def test_a_thin_film_conducts_ballistically(table):
    modes = silicon(table_file=table)
    _, _, found = solved(spectrum(*modes), 1e-9, walls=(0.5, -0.5))
    # 1 % where the film is thin against all mean free paths that matter: L -> 0
    thinner = solved(spectrum(*modes), 1e-11, walls=(0.5, -0.5))[2]
    limit = exact.ballistic(spectrum(*modes), 1e-11)
    assert thinner.flux.mean() * 1e-11 == pytest.approx(limit, rel=0.01)
    assert found.flux.mean() * 1e-9 < exact.ballistic(spectrum(*modes), 1e-9)


@pytest.mark.parametrize(("delta", "known"), FUCHS.items())
def test_heat_along_a_film_with_rough_faces(delta, known):
    assert exact.fuchs_sondheimer(delta) == pytest.approx(known, abs=1e-5)
    found = 3.0 * in_plane.conductivity(one_mode(), delta, 16, 0.0)
    assert found == pytest.approx(known, abs=1e-3)
    z = (np.arange(2000) + 0.5) * delta / 2000.0
    assert 3.0 * in_plane.profile(one_mode(), delta, z, 16, 0.0).mean() == pytest.approx(
        found, rel=1e-4
    )


def test_mirrors_leave_the_bulk_and_rougher_faces_conduct_less():
    k = [in_plane.conductivity(one_mode(), 0.5, 16, p) for p in (0.0, 0.3, 0.6, 0.9, 1.0)]
    assert (np.diff(k) > 0.0).all()
    assert k[-1] == pytest.approx(1.0 / 3.0, rel=1e-12)


def test_films_of_grazing_phonons_follow_fuchs_down_to_a_ten_thousandth():
    for delta in (1e-4, 1e-3, 1e-2):
        found = 3.0 * in_plane.conductivity(one_mode(), delta, 16, 0.0)
        assert found == pytest.approx(exact.fuchs_sondheimer(delta), rel=2e-3)


# --- on ranks


class Rank:
    """One of several ranks that take turns in this process: it has all blocks of an exchange."""

    def __init__(self, rank, size):
        self.rank, self.size = rank, size

    def block(self, length):
        share, rest = divmod(length, self.size)
        start = self.rank * share + min(self.rank, rest)
        return slice(start, start + share + (self.rank < rest))


@pytest.mark.parametrize("size", [2, 3])
def test_blocks_of_any_number_of_ranks_add_up_to_the_same_bits(size):
    film = kernel.Film(spectrum(*silicon(n_modes=32)), 1e-7, 50, 8)
    lanes = film.lanes()
    theta = np.linspace(0.5, -0.5, 50)
    nothing = np.zeros_like(lanes.ratio)
    whole = sweep.swept(lanes, theta, nothing, nothing)
    parts = []
    for rank in range(size):
        own = Rank(rank, size).block(len(lanes.ratio))
        some = lanes._replace(ratio=lanes.ratio[own], weight=lanes.weight[own])
        parts.append(sweep.swept(some, theta, nothing[own], nothing[own]))
    for one, several in zip(whole, zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(several), one)


def test_a_share_that_sums_and_joins_is_all_a_film_needs():
    asked = []

    def total(rows):
        asked.append(rows.shape)
        return np.add.reduce(rows, axis=0)

    share = Share(lambda count: slice(0, count), total, lambda rows: rows)
    modes = spectrum(*silicon(n_modes=32))
    _, _, found = solved(modes, 1e-7, ncell=50, n_mu=8, share=share)
    _, _, alone = solved(modes, 1e-7, ncell=50, n_mu=8)
    np.testing.assert_array_equal(found.flux, alone.flux)
    assert len(asked) == found.sweeps  # one exchange of cells + 1 numbers per sweep
    assert asked[0][1:] == (51,)


# --- as a model


def message(modes, t_ref=300.0):
    return ms.Contact(0.0, None, {**modes._asdict(), "t_ref": t_ref})


def received(modes, case=None, incoming=None, interface=None, t_ref=300.0):
    given = {"bc_in": case, "incoming_in": incoming, "interface_in": interface}
    contacts = {k: v if v is None else ms.Contact(0.0, None, v) for k, v in given.items()}
    return ms.Received({"modes_in": message(modes, t_ref), **contacts})


def answer(model, *args, **kwargs):
    return model.o_f(model.f_init(ms.Start(0.0), received(*args, **kwargs)))


def test_conductivity_does_not_depend_on_the_difference_of_the_walls():
    model, modes = PhononBte(ncell=50, n_mu=8), silicon(n_modes=32)
    cases = [{"thickness": 1e-7, "temperature": 300.0, "dT": dT} for dT in (0.0, -2.0, 5.0)]
    found = [answer(model, modes, case)["flux_out"] for case in cases]
    assert len({one["kappa_eff"] for one in found}) == 1
    assert (found[0]["q"] == 0.0).all()
    assert found[1]["q"][0] == pytest.approx(-0.4 * found[2]["q"][0], rel=1e-14)
    assert found[2]["q"][0] * 1e-7 / 5.0 == pytest.approx(found[2]["kappa_eff"], rel=1e-8)
    assert found[2]["temperature"].mean() == pytest.approx(300.0, abs=1e-6)


def test_the_order_of_calls_changes_no_bit():
    model, modes = PhononBte(ncell=50, n_mu=8), silicon(n_modes=32)
    cases = [{"thickness": L, "temperature": 300.0, "dT": 1.0} for L in (1e-8, 1e-6, 1e-8)]
    first, _, again = (answer(model, modes, case)["flux_out"] for case in cases)
    np.testing.assert_array_equal(first["q"], again["q"])


def test_settings_serve_where_no_case_comes():
    modes = silicon(n_modes=32)
    case = {"thickness": 3e-7, "temperature": 310.0, "dT": 2.0}
    from_port = answer(PhononBte(ncell=40), modes, case)["flux_out"]
    alone = PhononBte(ncell=40, length=3e-7, temperature=310.0, dT=2.0)
    np.testing.assert_array_equal(answer(alone, modes)["flux_out"]["q"], from_port["q"])


def test_one_gray_mode_takes_the_place_of_all():
    modes = silicon(n_modes=32)
    found = answer(PhononBte(gray_lambda=1e-7, length=1e-7), modes)["flux_out"]
    one = gray(spectrum(*modes), 1e-7)
    black = float(one.current[0]) / 4.0
    assert found["q"].mean() / black == pytest.approx(SLAB[1.0], abs=1e-4)


def test_what_leaves_minus_what_enters_is_the_flux():
    modes, model = silicon(n_modes=32), PhononBte(ncell=50, n_mu=8, length=1e-7)
    sent = answer(model, modes, t_ref=299.0)
    film = kernel.Film(spectrum(*modes), 1e-7, 50, 8)
    enters = film.emission.sum() * (300.5 - 299.0)
    out = sent["outgoing_out"]
    assert enters - out["left"].sum() == pytest.approx(sent["flux_out"]["q"][0], rel=1e-7)
    assert out["left"].shape == (32, 8)
    assert sent["interface_out"]["q_interface"] == sent["flux_out"]["q"][-1]


def test_an_interface_takes_the_place_of_the_right_wall():
    modes, model = silicon(n_modes=32), PhononBte(ncell=50, n_mu=8, length=1e-7)
    plain = answer(model, modes)["flux_out"]
    facing = answer(model, modes, interface={"t_interface": 299.5})["flux_out"]
    np.testing.assert_allclose(facing["q"], plain["q"], rtol=1e-8)
    assert facing["kappa_eff"] == pytest.approx(plain["kappa_eff"], rel=1e-8)


def test_modes_that_stand_still_carry_nothing_and_change_nothing():
    modes = silicon(n_modes=32)
    still = modes._replace(
        heat_capacity=np.append(modes.heat_capacity, 1e5),
        velocity=np.append(modes.velocity, 0.0),
        lifetime=np.append(modes.lifetime, 1e-12),
    )
    model = PhononBte(ncell=50, n_mu=8, length=1e-7)
    one, other = answer(model, modes), answer(model, still)
    np.testing.assert_array_equal(one["flux_out"]["q"], other["flux_out"]["q"])
    assert other["outgoing_out"]["left"].shape == (33, 8)
    assert (other["outgoing_out"]["left"][-1] == 0.0).all()


def broken(**changes):
    modes = silicon(n_modes=8)
    fields = {name: getattr(modes, name).copy() for name in modes._fields}
    for name, value in changes.items():
        fields[name][2] = value
    return type(modes)(**fields)


@pytest.mark.parametrize(
    ("modes", "case", "says"),
    [
        (broken(), {"thickness": -1e-7}, "bc_in brings thickness = -1e-07 m, expected a positive"),
        (broken(), {"thickness": 0.0}, "bc_in brings thickness = 0 m"),
        (broken(), {"temperature": -4.0}, "bc_in brings temperature = -4 K"),
        (broken(lifetime=-1.0), {}, "modes_in: lifetime of mode 2 is -1 "),
        (broken(heat_capacity=-1.0), {}, "modes_in: heat_capacity of mode 2 is -1 "),
        (type(broken())(np.zeros(3), np.ones(3), np.ones(3)), {}, "none of 3 modes has a heat"),
        (type(broken())(np.ones(3), np.zeros(3), np.ones(3)), {}, "none of 3 modes has a heat"),
    ],
)
def test_bad_modes_and_cases_are_refused(modes, case, says):
    whole = {"thickness": 1e-7, "temperature": 300.0, "dT": 1.0, **case}
    with pytest.raises((ms.Refused, ValueError), match=says):
        answer(PhononBte(), modes, whole)


def test_an_iteration_that_does_not_arrive_is_an_error_with_its_residual():
    model = PhononBte(solver="source_iteration", max_iter=40, gray_lambda=1e-8, length=1e-6)
    says = r"not in balance after 40 sweeps: the residual is \d.*, expected 1e-08: .* dsa_gmres"
    with pytest.raises(ValueError, match=says):
        answer(model, silicon(n_modes=8))
    with pytest.raises(ValueError, match="choose a larger max_iter or tol"):
        answer(PhononBte(max_iter=3), silicon(n_modes=8))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"length": 0.0}, "length is 0 m, expected >= 1e-09, <= 0.001 m"),
        ({"tol": 1e-16}, "tol is 1e-16, expected >= 1e-14"),
        ({"max_iter": 0}, "max_iter"),
        ({"direction": "in_plane", "open_faces": "left"}, "open_faces is 'left' with direction"),
        ({"solver": "gmers"}, "expected one of: dsa_gmres, gmres, source_iteration"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, says):
    with pytest.raises(ms.Refused, match=says):
        PhononBte(**settings)


def test_open_faces_need_a_neighbour_of_the_same_modes():
    modes = silicon(n_modes=8)
    with pytest.raises(ms.Refused, match="open_faces is right, but incoming_in is not connected"):
        answer(PhononBte(open_faces="right"), modes)
    strange = {"left": np.ones((8, 4)), "right": np.ones((8, 4))}
    with pytest.raises(ms.Refused, match=r"brings \[8, 4\] .*but this film has \[8, 16\]"):
        answer(PhononBte(open_faces="right"), modes, incoming=strange)
