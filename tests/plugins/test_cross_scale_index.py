"""The index of two scales: its four numbers, the switch and its hysteresis."""

import re
from pathlib import Path

import numpy as np
import pytest

import manyscale as ms
from manyscale import Contact, Received, Start
from manyscale.coupling.prove import diagnose
from manyscale_plugins.cross_scale_index import CrossScaleIndex, kernel

RHO, SPLIT = 1e-3, 0.8
SPECTRUM = {
    "ky_rhos": np.array([0.2, 0.5, 0.8, 5.0, 40.0]),
    "gamma": np.array([2e4, 1.5e5, 1e5, 5e5, 1e7]),
    "rho_s": RHO,
    "t_i": 2000.0,
    "t_e": 2000.0,
}


def called(model, kept=None, spectrum=(), **shear):
    """The State after one call."""
    given = {"wE_rms": 5e6, "k_i": 200.0, "nu_turb": 1.0} | shear
    contacts = {
        "spectra_in": Contact(0.0, None, SPECTRUM | dict(spectrum)),
        "shear_in": Contact(0.0, None, given),
    }
    return model.f_init(Start(0.0, kept=kept), Received(contacts))


def shear_for(index):
    """What makes I of SPECTRUM this: P_ie = wE/1e7 and P_ei = 200**2/1.5e5."""
    return {"wE_rms": 1e7 * index**2 * 1.5e5 / 200.0**2}


def states(model, indices):
    """The States of calls with these indices, one after the other."""
    kept, found = None, []
    for index in indices:
        kept = called(model, kept, **shear_for(index))
        assert kept.i == pytest.approx(index, rel=1e-12)
        found.append(kept)
    return found


def test_four_numbers():
    state = called(CrossScaleIndex())
    p_ie, p_ei, r_gamma, p = state.index
    assert p_ie == pytest.approx(0.5, rel=1e-12)
    assert p_ei == pytest.approx(1.0 * 200.0**2 / 1.5e5, rel=1e-12)
    assert r_gamma == pytest.approx(1e7 / 1.5e5, rel=1e-12)
    assert p == pytest.approx((1e7 / 40.0) / (1.5e5 / 0.5), rel=1e-12)
    assert state.i == pytest.approx(np.sqrt(p_ie * p_ei), rel=1e-12)
    assert not state.estimated


def test_the_split_is_in_ion_gyroradii():
    hot = called(CrossScaleIndex(), spectrum={"t_i": 8000.0})  # rho_i = 2 rho_s: k_y rho_s <= 0.4
    assert hot.index[2] == pytest.approx(1e7 / 2e4, rel=1e-12)
    moved = called(CrossScaleIndex(split=10.0))
    assert moved.index[2] == pytest.approx(1e7 / 5e5, rel=1e-12)


def test_the_first_viscosity_is_an_estimate():
    state = called(CrossScaleIndex(), nu_turb=0.0)
    mixing = 1e7 / 40.0**2 * RHO**2  # gamma/k**2 of the fastest mode above the split
    assert state.estimated
    assert state.index[1] == pytest.approx(mixing * 200.0**2 / 1.5e5, rel=1e-12)
    assert not state.active
    assert called(CrossScaleIndex(first="run"), nu_turb=0.0).active
    assert not called(CrossScaleIndex(first="run"), **shear_for(0.5)).active


def test_the_last_viscosity_measured_is_remembered():
    measured = called(CrossScaleIndex(), **shear_for(0.5))
    forgotten = called(CrossScaleIndex(), kept=measured, **{**shear_for(0.5), "nu_turb": 0.0})
    assert not forgotten.estimated
    assert forgotten.nu == measured.nu > 0.0
    assert forgotten.i == measured.i


def test_a_clean_ramp_starts_once_and_ends_once():
    up, down = np.linspace(0.1, 2.0, 200), np.linspace(2.0, 0.1, 200)
    found = states(CrossScaleIndex(), [*up, *down])
    active = np.array([state.active for state in found])
    index = np.concatenate((up, down))
    assert np.abs(np.diff(active.astype(int))).sum() == 2
    assert found[-1].starts == 1
    assert index[active.argmax()] == pytest.approx(1.2, abs=0.01)
    last = len(active) - 1 - active[::-1].argmax()
    assert index[last] == pytest.approx(0.8, abs=0.01)


def test_nothing_starts_below_the_threshold():
    found = states(CrossScaleIndex(), np.linspace(0.1, 1.1999, 50))
    assert not any(state.active for state in found)
    assert found[-1].starts == 0


def test_a_noisy_ramp_does_not_chatter():
    rng = np.random.default_rng(1)
    ramp = np.linspace(0.3, 1.9, 4000)
    noisy = ramp + rng.uniform(-0.19, 0.19, ramp.size)  # narrower than the gap of 0.4
    assert states(CrossScaleIndex(), noisy)[-1].starts == 1
    # one threshold would chatter on the same ramp
    alone = (noisy > 1.2).astype(int)
    assert (np.diff(alone) == 1).sum() > 20
    almost = states(CrossScaleIndex(i_off=1.1999), noisy)[-1].starts
    assert almost > 20


@pytest.mark.parametrize("mode", ["on", "off"])
def test_the_decision_can_be_forced(mode):
    model = CrossScaleIndex(mode=mode)
    for index in (0.1, 3.0):
        state = called(model, **shear_for(index))
        assert state.active == (mode == "on")
        assert state.i == pytest.approx(index)


@pytest.mark.parametrize("silent", [slice(0, 3), slice(3, 5)])
def test_a_scale_without_growth_needs_no_other(silent):
    gamma = SPECTRUM["gamma"].copy()
    gamma[silent] = 0.0
    state = called(CrossScaleIndex(), spectrum={"gamma": gamma})
    assert np.isnan(state.i)
    assert not state.active
    message = CrossScaleIndex().o_f(state)["decision_out"]
    assert np.isnan(message["index"]).any()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"i_off": 1.3}, r"i_off is 1.3 and i_on 1.2; i_off must be the smaller one"),
        ({"i_on": 0.8}, r"i_off is 0.8 and i_on 0.8"),
        ({"i_off": 0.0}, r"i_off is 0, expected > 0"),
        ({"split": 0.0}, r"split is 0, expected > 0"),
    ],
)
def test_bad_settings_are_refused(settings, says):
    with pytest.raises(ms.Refused, match=says):
        CrossScaleIndex(**settings)


def test_an_empty_range_is_refused():
    low = {"ky_rhos": np.array([0.1, 0.4]), "gamma": np.array([1e4, 1e5])}
    with pytest.raises(
        ValueError, match=r"no wave number above the split at 800 1/m, it goes from"
    ):
        called(CrossScaleIndex(), spectrum=low)
    high = {"ky_rhos": np.array([1.0, 4.0]), "gamma": np.array([1e4, 1e5])}
    with pytest.raises(ValueError, match=r"no wave number up to the split .* smaller wave numbers"):
        called(CrossScaleIndex(), spectrum=high)


def test_bad_messages_are_refused():
    with pytest.raises(ms.Refused, match=r"shear_in gives wE_rms = -1, expected none below 0"):
        called(CrossScaleIndex(), wE_rms=-1.0)
    with pytest.raises(ms.Refused, match=r"spectra_in gives t_e = 0, expected a positive number"):
        called(CrossScaleIndex(), spectrum={"t_e": 0.0})


def test_ranges_of_a_spectrum():
    low, high = kernel.ranges(np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0, -1.0]), 2.0)
    assert low == kernel.Range(gamma=5.0, speed=3.0, mixing=1.25)
    assert high == kernel.Range(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"dispersion.ky_max": 0.5},
            r"dispersion looks at k_y rho_i from 0.05 to 0.5, nothing above",
        ),
        ({"dispersion.ky_min": 2.0}, r"nothing up to the split of 0.8; give it a smaller ky_min"),
        ({}, ""),
    ],
)
def test_a_spectrum_on_one_side_is_found_before_the_run(settings, says):
    spec = Path(__file__).parents[2] / "coupling_specs/plasma_cross_scale"
    problems = diagnose([spec], settings, with_machine=False).problems
    found = [str(problem) for problem in problems if problem.code == "XSCL01"]
    assert len(found) == bool(says)
    assert not says or re.search(says, found[0])
