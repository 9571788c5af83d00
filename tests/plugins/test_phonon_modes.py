"""Branches against closed forms, a first-principles table against its own kappa, and bad files."""

import math
import shutil

import h5py
import numpy as np
import pytest

import manyscale as ms
from manyscale_plugins.phonon_modes import PhononModes, kernel, table

SHIPPED = table.SHIPPED["silicon_pbesol"]
NO_CASE = ms.Received({"case_in": None})
DEBYE = {"v_LA": 8430.0, "v_TA": 5840.0, "c_LA": 0.0, "c_TA": 0.0, "A": 0.0, "B": 0.0,
         "debye_LA": 586.0, "debye_TA": 240.0, "L_b": 5e-3}  # fmt: skip


def conductivity(temperature, **settings):
    return PhononModes(**settings).modes(temperature).conductivity


def slope(temperature, **settings):
    """d ln k / d ln T by a central difference."""
    step = 1e-3
    above, below = (
        conductivity(temperature * math.exp(s), n_modes=256, **settings) for s in (step, -step)
    )
    return math.log(above / below) / (2.0 * step)


def test_silicon_at_room_temperature_has_the_calibrated_conductivity():
    assert conductivity(300.0) == pytest.approx(148.000, abs=0.01)


@pytest.mark.parametrize(
    ("per_branch", "known", "within"), [(100, 148.370, 1e-3), (1000, 148.000002, 1e-5)]
)
def test_equal_steps_in_q_converge_as_computed_independently(per_branch, known, within):
    found = conductivity(300.0, n_modes=2 * per_branch, rule="midpoint")
    assert found == pytest.approx(known, rel=within)


def test_midpoint_is_of_second_order_at_least_and_gauss_needs_a_tenth_of_the_points():
    fine = conductivity(300.0, n_modes=512)
    errors = [conductivity(300.0, n_modes=2 * n, rule="midpoint") - fine for n in (800, 1600)]
    assert math.log2(errors[0] / errors[1]) > 1.9
    assert conductivity(300.0, n_modes=128) == pytest.approx(fine, rel=1e-8)


def test_boundaries_alone_give_the_closed_form_of_a_cold_crystal():
    branches = [kernel.Branch(8430.0, 0.0, 1.0, 1e12), kernel.Branch(5840.0, 0.0, 2.0, 1e12)]
    closed = kernel.boundary_limited_debye(branches, 5e-3, 2.0)
    assert closed == pytest.approx(39.527, rel=1e-4)
    assert conductivity(2.0, **DEBYE) == pytest.approx(closed, rel=1e-4)


@pytest.mark.parametrize(
    ("temperature", "known"), [(2.0, 3.0), (4.0, 3.0), (8.0, 3.0), (16.0, 2.9928), (32.0, 2.547)]
)
def test_a_cold_crystal_conducts_as_the_cube_of_the_temperature(temperature, known):
    assert slope(temperature, **DEBYE) == pytest.approx(known, abs=1e-3)


def test_full_silicon_is_nearly_cubic_at_two_kelvin():
    assert slope(2.0) == pytest.approx(2.986, abs=1e-3)


def test_heat_capacity_of_a_hot_crystal_counts_its_modes():
    branches = [kernel.Branch(8000.0, 0.0, 3.0, 1e10)]
    found = kernel.modes(branches, kernel.Scattering(1e-19, 0.0, 0.0, 1.0), 1e5, 32)
    states = 3.0 * 1e10**3 / (6.0 * math.pi**2)
    assert found.heat_capacity.sum() == pytest.approx(kernel.BOLTZMANN * states, rel=1e-5)
    free_path, k = kernel.accumulated(found)
    assert (np.diff(free_path) >= 0.0).all()
    assert k[-1] == pytest.approx(found.conductivity, rel=1e-13)


def test_the_case_goes_before_the_setting():
    model = PhononModes(temperature=300.0)
    case = ms.Contact(2.0, None, {"thickness": 1e-6, "temperature": 100.0, "dT": 1.0})
    state = model.f_init(ms.Start(2.0), ms.Received({"case_in": case}))
    sent = model.o_f(state)["modes_out"]
    assert sent["t_ref"] == 100.0
    assert (sent["heat_capacity"] * sent["velocity"] ** 2 * sent["lifetime"]).sum() / 3.0 == (
        pytest.approx(conductivity(100.0), rel=1e-12)
    )


# --- first principles


FILE_KAPPA = {100.0: 814.397, 200.0: 193.356, 300.0: 108.980, 400.0: 77.053, 600.0: 49.275}


@pytest.mark.parametrize("temperature", [20.0, 50.0, *FILE_KAPPA])
def test_modes_of_the_shipped_file_sum_to_its_own_kappa(temperature):
    known = table.read(SHIPPED)
    own = known.kappa[np.flatnonzero(known.temperatures == temperature)[0]]
    found = conductivity(temperature, table_file="silicon_pbesol")
    assert found == pytest.approx(own, rel=1e-6)
    if temperature in FILE_KAPPA:
        assert own == pytest.approx(FILE_KAPPA[temperature], rel=1e-5)


def test_translations_at_gamma_are_skipped_and_nothing_else():
    known = table.read(SHIPPED)
    assert known.skipped == 3
    assert known.frequency.size == 56 * 6 - 3
    assert known.frequency.min() > 1e12


@pytest.mark.parametrize("left_out", [150.0, 200.0, 250.0, 300.0, 350.0, 400.0, 500.0])
def test_between_the_temperatures_of_the_file_the_error_is_small(left_out):
    known = table.read(SHIPPED)
    stay = known.temperatures != left_out
    fewer = known._replace(
        temperatures=known.temperatures[stay],
        heat_capacity=known.heat_capacity[stay],
        linewidth=known.linewidth[stay],
    )
    own = known.kappa[~stay][0]
    # gaps of twice the file's own, where the error is some eight times that in the file
    assert table.at(fewer, left_out).conductivity == pytest.approx(own, rel=0.025)


def test_between_two_temperatures_conductivity_falls_as_it_does_around_them():
    between = [conductivity(t, table_file="silicon_pbesol") for t in (300.0, 310.0, 325.0, 350.0)]
    assert (np.diff(between) < 0.0).all()
    power = np.log(between[2] / between[0]) / np.log(325.0 / 300.0)
    whole = np.log(between[3] / between[0]) / np.log(350.0 / 300.0)
    assert power == pytest.approx(whole, abs=0.05)


def changed(path, change):
    """A copy of the shipped file with something else in it."""
    shutil.copy(SHIPPED, path)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def put(file, name, values):
    del file[name]
    file[name] = values


def without(name):
    return lambda file: file.__delitem__(name)


def at(name, index, value):
    def change(file):
        values = file[name][()]
        values[index] = value
        put(file, name, values)

    return change


BAD_FILES = [
    (without("gamma"), "no dataset 'gamma', so no lifetimes"),
    (without("frequency"), "no dataset 'frequency' .* expected the kappa-m"),
    (without("weight"), "no dataset 'weight'"),
    (at("weight", 3, 7), r"weights sum to \d+, but the mesh has 1331 points \(11 x 11 x 11\)"),
    (lambda f: put(f, "weight", f["weight"][:-1]), r"weights sum to|55 weights for 56 wave"),
    (at("gamma", (7, 5, 2), -1e-3), r"1 linewidths are negative, the first -0.001 THz at .*7, 5"),
    (at("gamma", (7, 5, 2), 0.0), r"1 linewidths are zero where the frequency is not"),
    (at("gamma", (7, 5, 2), np.nan), r"gamma is not finite at \[7, 5, 2\]"),
    (at("group_velocity", (1, 1, 1), np.nan), None),  # gv_by_gv is used
    (at("gv_by_gv", (1, 1, 1), np.nan), r"gv_by_gv is not finite at \[1, 1, 1\]"),
    (at("frequency", (4, 0), -1.5), r"imaginary modes, 0\.\d+ % of all: .* band 1 at q = \("),
    (at("temperature", 3, 20.0), "expected rising values above 0 K"),
    (lambda f: put(f, "gamma", f["gamma"][()][None]), r"gamma has the shape .*, expected 3 axes"),
    (lambda f: put(f, "gamma", f["gamma"][:, :, :5]), r"have the shapes .* expected \[12, 56, 6\]"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "says"), BAD_FILES)
def test_bad_files_are_refused_in_a_sentence(tmp_path, change, says):
    path = changed(tmp_path / "kappa.hdf5", change)
    if says is None:
        assert conductivity(300.0, table_file=str(path)) > 100.0
        return
    with pytest.raises(ValueError, match=says) as refused:
        conductivity(300.0, table_file=str(path))
    assert str(path) in str(refused.value)


def test_what_is_no_file_of_phono3py_is_refused(tmp_path):
    text = tmp_path / "notes.hdf5"
    text.write_text("kappa")
    with pytest.raises(ValueError, match=r"is not an HDF5 file .*expected the kappa-m"):
        conductivity(300.0, table_file=str(text))
    with pytest.raises(ValueError, match=r"is not there, expected the full path .* silicon_pbesol"):
        conductivity(300.0, table_file="silicon_pbsol")


@pytest.mark.parametrize("temperature", [19.0, 601.0])
def test_temperatures_outside_the_file_are_refused(temperature):
    with pytest.raises(ValueError, match=r"outside the mode table, which holds 20\.\.600 K"):
        conductivity(temperature, table_file="silicon_pbesol")


def test_isotopes_and_boundaries_add_to_the_rate(tmp_path):
    rate = np.full((56, 6), 0.01)
    path = changed(
        tmp_path / "isotopes.hdf5", lambda f: f.create_dataset("gamma_isotope", data=rate)
    )
    pure, mixed = (
        PhononModes(table_file=name).modes(300.0) for name in ("silicon_pbesol", str(path))
    )
    added = 1.0 / mixed.lifetime - 1.0 / pure.lifetime
    np.testing.assert_allclose(added, 4.0 * math.pi * 0.01e12, rtol=1e-9)
    narrow = changed(tmp_path / "narrow.hdf5", lambda f: put(f, "boundary_mfp", 0.1))  # micrometre
    thin = PhononModes(table_file=str(narrow)).modes(300.0)
    added = 1.0 / thin.lifetime - 1.0 / pure.lifetime
    np.testing.assert_allclose(added, pure.velocity * (1e7 - 1.0), rtol=1e-9, atol=1.0)


def test_a_file_that_changed_is_read_again(tmp_path):
    path = changed(tmp_path / "kappa.hdf5", lambda f: None)
    before = conductivity(300.0, table_file=str(path))
    changed(path, lambda f: put(f, "gamma", 2.0 * f["gamma"][()]))
    assert conductivity(300.0, table_file=str(path)) == pytest.approx(0.5 * before, rel=1e-2)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"temperature": -5.0}, "temperature is -5 K, expected >= 0.5, <= 2000 K"),
        ({"temperature": 2001.0}, "expected >= 0.5, <= 2000"),
        ({"n_modes": 129}, "expected an even number"),
        ({"L_b": 0.0}, "L_b is 0 m, expected > 0"),
        ({"v_LA": -1.0}, "v_LA"),
    ],
)
def test_settings_out_of_bounds_are_refused(settings, says):
    with pytest.raises(ms.Refused, match=says):
        PhononModes(**settings)


def test_a_branch_that_bends_below_zero_is_refused():
    with pytest.raises(ValueError, match=r"no positive frequency at q = .*choose c above"):
        PhononModes(c_TA=-6e-7).modes(300.0)


def test_a_case_out_of_range_is_refused():
    case = ms.Contact(0.0, None, {"thickness": 1e-6, "temperature": -1.0, "dT": 1.0})
    with pytest.raises(ms.Refused, match=r"case_in brings temperature = -1 K"):
        PhononModes().f_init(ms.Start(0.0), ms.Received({"case_in": case}))


def test_without_h5py_the_sentence_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    table._read_once.cache_clear()
    with pytest.raises(ValueError, match=r"pip install 'manyscale\[phonon\]'"):
        conductivity(300.0, table_file="silicon_pbesol")
    assert PhononModes().f_init(ms.Start(0.0), NO_CASE).temperature == 300.0
