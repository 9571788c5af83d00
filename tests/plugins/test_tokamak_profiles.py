"""Profiles from tables, CSV and IMAS core_profiles, with their gradients."""

import json

import numpy as np
import pytest

import manyscale as ms
from manyscale import Received, Start
from manyscale_plugins.tokamak_profiles import TokamakProfiles, kernel

A = 0.6  # m


def exact(r):
    """T_i, T_e, n_e at r [m], all of Gaussian shape."""
    part = (r / A) ** 2
    return 3000.0 * np.exp(-2.0 * part), 2500.0 * np.exp(-3.0 * part), 4e19 * np.exp(-0.7 * part)


def rows(count, **columns):
    r = np.linspace(0.0, A, count)
    return np.column_stack((r, *exact(r), *columns.values())).tolist()


def sent(model):
    state = model.f_init(Start(0.0), Received({}))
    return model.o_f(state)


def test_values_and_gradients_of_a_table():
    model = TokamakProfiles(table=rows(31), inner=0.1, outer=0.9, count=9, b_field=2.0,
                            major_radius=1.7)  # fmt: skip
    found = sent(model)["profiles_out"]
    radius = np.linspace(0.1, 0.9, 9)
    np.testing.assert_allclose(found["radius"], radius)
    t_i, t_e, density = exact(radius * A)
    for name, values in (("t_i", t_i), ("t_e", t_e), ("density", density)):
        np.testing.assert_allclose(found[name], values, rtol=1e-9)
    for name, factor in (("a_over_lti", 4.0), ("a_over_lte", 6.0), ("a_over_ln", 1.4)):
        np.testing.assert_allclose(found[name], factor * radius, rtol=1e-9)
    np.testing.assert_allclose(found["b_field"], 2.0)
    assert found["minor_radius"] == pytest.approx(A)
    assert found["major_radius"] == pytest.approx(1.7)


def test_gradients_are_of_third_order():
    def error(count):
        r = np.linspace(0.0, A, count)
        T = 1000.0 * (1.2 + np.cos(3.0 * r / A))
        table = kernel.Table(r, T, T, T, np.ones(count), 1.0)
        asked = np.linspace(0.2, 0.8, 101)
        slope = 3.0 * np.sin(3.0 * asked) / (1.2 + np.cos(3.0 * asked))
        return np.abs(kernel.at_radii(table, asked).a_over_lti - slope).max()

    assert np.log(error(41) / error(321)) / np.log(8.0) == pytest.approx(3.0, abs=0.2)


def test_every_radius_alone_and_all_together_are_the_same():
    found = sent(TokamakProfiles(table=rows(12), count=4))
    together = found["profiles_out"]
    assert len(found["profile_out"]) == 4
    for radius, one in enumerate(found["profile_out"]):
        assert one["theta"] * one["t_e"] == pytest.approx(together["t_i"][radius])
        assert one["a_over_lt"] == together["a_over_lti"][radius]
        for name in ("a_over_ln", "a_over_lte", "t_e", "density", "b_field"):
            assert one[name] == together[name][radius]


def test_gradients_across_their_error_bars():
    measured = sent(TokamakProfiles(table=rows(12)))["profiles_out"]
    changed = sent(TokamakProfiles(table=rows(12), factor_lti=0.8, factor_lte=1.2))["profiles_out"]
    np.testing.assert_array_equal(changed["a_over_lti"], 0.8 * measured["a_over_lti"])
    np.testing.assert_array_equal(changed["a_over_lte"], 1.2 * measured["a_over_lte"])
    np.testing.assert_array_equal(changed["t_i"], measured["t_i"])


def test_the_field_falls_with_the_major_radius():
    major = np.linspace(1.71, 1.66, 20)
    model = TokamakProfiles(table=rows(20, major=major), b_field=2.0, major_radius=1.7)
    found = sent(model)["profiles_out"]
    expected = 2.0 * 1.7 / np.interp(found["radius"] * A, np.linspace(0.0, A, 20), major)
    np.testing.assert_allclose(found["b_field"], expected, rtol=1e-12)


def test_a_csv_file(tmp_path):
    path = tmp_path / "shot.csv"
    r = np.linspace(0.0, A, 15)
    lines = [f"{x!r}, {e!r}, {i!r}, {n!r}" for x, i, e, n in zip(r, *exact(r), strict=True)]
    lines = [line.replace("np.float64(", "").replace(")", "") for line in lines]
    path.write_text("\n".join(["# a comment", "r, t_e, t_i, density", *lines]))
    by_file = sent(TokamakProfiles(file=str(path)))["profiles_out"]
    by_table = sent(TokamakProfiles(table=rows(15)))["profiles_out"]
    for name, value in by_table.items():
        np.testing.assert_array_equal(by_file[name], value)


def imas(path, equilibrium):
    """Write core_profiles, as OMAS and IMAS-Python give them, with or without an equilibrium."""
    rho = np.linspace(0.0, 1.0, 15)
    t_i, t_e, density = exact(rho * A)
    core = {
        "profiles_1d": [
            {
                "grid": {"rho_tor_norm": rho.tolist()},
                "electrons": {"temperature": t_e.tolist(), "density_thermal": density.tolist()},
                "ion": [{"temperature": t_i.tolist(), "label": "D"}],
            }
        ],
        "vacuum_toroidal_field": {"b0": [-1.856], "r0": 1.6955},
        "time": [2.1],
    }
    data = {"core_profiles": core}
    if equilibrium:
        surfaces = {
            "rho_tor_norm": rho.tolist(),
            "r_inboard": (1.72 - 0.03 * rho - 0.58 * rho).tolist(),
            "r_outboard": (1.72 - 0.03 * rho + 0.58 * rho).tolist(),
        }
        data["equilibrium"] = {"time_slice": [{"profiles_1d": surfaces}]}
    path.write_text(json.dumps(data))
    return str(path)


def test_imas_core_profiles(tmp_path):
    found = sent(TokamakProfiles(file=imas(tmp_path / "a.json", False), minor_radius=A))
    profiles = found["profiles_out"]
    np.testing.assert_allclose(profiles["b_field"], 1.856, rtol=1e-12)
    assert profiles["major_radius"] == pytest.approx(1.6955)
    np.testing.assert_allclose(profiles["a_over_lti"], 4.0 * profiles["radius"], rtol=1e-7)
    shaped = sent(TokamakProfiles(file=imas(tmp_path / "b.json", True)))["profiles_out"]
    assert shaped["minor_radius"] == pytest.approx(0.58)
    expected = 1.856 * 1.6955 / (1.72 - 0.03 * shaped["radius"])
    np.testing.assert_allclose(shaped["b_field"], expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, r"needs either a file or a table in its settings, and has none"),
        ({"table": [[0.0, 1.0]], "file": "/a"}, r"has both"),
        ({"table": [[0.0]], "inner": 0.9, "outer": 0.2}, r"outer is 0.2 and inner 0.9"),
        ({"table": [[0.0]], "outer": 1.5}, r"outer is 1.5, expected > 0, <= 1"),
    ],
)
def test_bad_settings_are_refused(settings, says):
    with pytest.raises(ms.Refused, match=says):
        TokamakProfiles(**settings)


def changed(row, column, value):
    table = rows(10)
    table[row][column] = value
    return table


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (rows(3), r"the table has 3 rows, expected 4 or more"),
        ([[0.0, 1.0, 1.0], [1.0, 1.0, 1.0]], r"rows have 3 numbers, expected 4 or 5 in each"),
        ([*rows(5), [1.0]], r"rows have 1, 4 numbers, expected 4 or 5"),
        (changed(2, 1, -5.0), r"the table has t_i = -5 in row 2, expected positive numbers"),
        (changed(9, 3, 0.0), r"the table has density = 0 in row 9"),
        (changed(4, 0, 0.01), r"radii r that do not rise from row to row"),
    ],
)
def test_bad_tables_are_refused(table, says):
    with pytest.raises(ValueError, match=says):
        sent(TokamakProfiles(table=table))


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "r, t_i, te, density\n0, 1, 1, 1", r"a.csv has no column t_e, .* is 'te' meant"),
        ("a.csv", "r, t_i, t_e, density\n0, 1, x, 1", r"something that is no number"),
        ("a.csv", "r, t_i, t_e, density\n0, 1, 1", r"rows of another length than its 4 names"),
        ("a.csv", "", r"is no table of profiles"),
        ("a.json", "{", r"a.json is no JSON"),
        ("a.json", "{}", r"a.json is no table of profiles: .*profiles_1d"),
    ],
)
def test_bad_files_are_refused(tmp_path, name, text, says):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=says):
        sent(TokamakProfiles(file=str(path)))


def test_files_have_full_paths_and_are_there():
    with pytest.raises(ValueError, match=r"'shot.csv' is no full path: components run in folders"):
        sent(TokamakProfiles(file="shot.csv"))
    with pytest.raises(ValueError, match=r"/nowhere/shot.csv is not there"):
        sent(TokamakProfiles(file="/nowhere/shot.csv"))


def test_receivers_are_as_many_as_radii():
    model = TokamakProfiles(table=rows(10), count=4)
    with pytest.raises(ms.Refused, match=r"count is 4, but profile_out feeds 3 receivers"):
        model.f_init(Start(0.0, slots={"profile_out": 3}), Received({}))


def test_radii_beyond_the_table_are_refused():
    hollow = [row for row in rows(20) if row[0] > 0.3 * A]
    with pytest.raises(
        ValueError, match=r"the profile goes from r/a = 0.3158 to 1, radii from 0.2"
    ):
        sent(TokamakProfiles(table=hollow))
