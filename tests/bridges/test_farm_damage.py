"""A bar with living cells: the farm follows the damage, and copies say how sure they are."""

import numpy as np
import pytest

from manyscale.bridges.farm import call as calls
from manyscale.bridges.farm import farm
from manyscale.bridges.farm.kernel import decay
from manyscale.hosting.in_process import run
from manyscale.testing import Component, write_spec
from toys import damage, farmed
from toys.called import call

FARM = "manyscale.bridges.farm:farm@toys.damage:"
LIVING = {"bar": Component("toys.damage:LivingBar"), "farm": Component(FARM + "Damaging")}
TELLING = {"bar": Component("toys.damage:TellingBar"), "farm": Component(FARM + "damaged")}
WIRES = {"bar.jobs_out": "farm.jobs_in", "farm.results_out": "bar.results_in"}
LIPSCHITZ = 0.5  # of K = (1 - d)/2


def outcome(folder, parts, **settings):
    given = {k.replace("_", ".", 1): v for k, v in settings.items()}
    return run(write_spec(folder, parts, WIRES, given), record=["farm.results_out", "bar.jobs_out"])


def u_of(found):
    return damage.solution(found.states["bar"].K)


def error_of(found, full):
    u, exact = u_of(found), u_of(full)
    return np.abs(u - exact).max() / np.abs(exact).max()


def solves(found):
    shown = found.recorded["farm.results_out"]
    return sum(int((one.messages[0]["provenance"] == calls.COMPUTED).sum()) for one in shown)


def test_the_cell_has_the_harmonic_mean():
    assert damage.effective(0.0, 64) == pytest.approx(0.5, abs=1e-12)  # the mean of 1/k is 2
    x = np.linspace(0.0, 1.0, 51)
    assert np.abs(damage.solution(np.full(50, 0.5)) - x * (1.0 - x)).max() < 1e-12


@pytest.mark.parametrize("parts", [LIVING, TELLING], ids=["stateful", "stateless"])
def test_living_cells_follow_the_damage(tmp_path, parts):
    found = outcome(tmp_path, parts, bar_steps=10, bar_dt=0.1)
    assert np.abs(found.states["bar"].K - np.exp(-1.0) / 2.0).max() < 1e-12
    x = np.linspace(0.0, 1.0, 51)
    assert np.abs(u_of(found) - np.e * x * (1.0 - x)).max() < 1e-6


def test_a_frozen_basis_is_wrong_by_the_whole_factor(tmp_path):
    frozen = outcome(tmp_path, LIVING, bar_frozen=True, bar_steps=10, bar_dt=0.1)
    x = np.linspace(0.0, 1.0, 51)[1:-1]
    u = damage.solution(frozen.states["bar"].first)[1:-1]
    assert np.abs(np.e * x * (1.0 - x) / u - np.e).max() < 1e-6


@pytest.mark.parametrize("mode", ["present", "vectors", "pairs"])
@pytest.mark.parametrize("parts", [LIVING, TELLING], ids=["stateful", "stateless"])
def test_without_a_tolerance_all_compute(tmp_path, parts, mode):
    full = outcome(tmp_path / "full", parts, drive=1.0, farm_workers=1)
    found = outcome(tmp_path / "none", parts, drive=1.0, farm_adaptivity=mode, farm_Cr=0.0)
    for one, other in zip(
        full.recorded["farm.results_out"], found.recorded["farm.results_out"], strict=True
    ):
        assert one.messages[0]["K"].tobytes() == other.messages[0]["K"].tobytes()
        assert not other.messages[0]["provenance"].any()


def test_copies_keep_their_bound_and_save_most_solves(tmp_path):
    settings = {"drive": 1.0, "bar_cells": 200, "bar_steps": 20, "bar_dt": 0.05}
    full = outcome(tmp_path / "full", TELLING, **settings)
    found = outcome(
        tmp_path / "few", TELLING, **settings, farm_adaptivity="present", farm_workers=1,
        farm_adaptivity_tol=0.005, farm_Cc=0.5, farm_lipschitz=LIPSCHITZ,
    )  # fmt: skip
    for jobs, results in zip(
        found.recorded["bar.jobs_out"], found.recorded["farm.results_out"], strict=False
    ):
        exact = (1.0 - jobs.messages[0]["damage"]) / 2.0
        error = np.abs(results.messages[0]["K"] - exact)
        assert (error <= results.messages[0]["err"] + 1e-15).all()
        assert results.messages[0]["err"].max() <= LIPSCHITZ * 0.005
    assert solves(full) == 200 * 20
    assert solves(found) <= solves(full) / 5
    assert error_of(found, full) <= 0.01


def test_members_with_a_memory_are_copied_by_their_history(tmp_path):
    settings = {"drive": 1.0, "bar_cells": 200, "bar_steps": 20, "bar_dt": 0.05}
    full = outcome(tmp_path / "full", LIVING, **settings)
    found = outcome(tmp_path / "few", LIVING, **settings, farm_adaptivity="vectors", farm_Cr=0.05)
    assert solves(found) <= solves(full) / 5
    assert error_of(found, full) <= 0.01
    K, last = full.states["bar"].K, found.recorded["farm.results_out"][-1].messages[0]
    error = np.abs(last["K"] - K)
    assert error.max() <= last["err"].max()  # an estimate, which holds here


SPREAD, SAMPLES = 0.5, 2000


def series(pieces, one=False):
    """K of samples of lognormal pieces in series."""
    jobs = {"member": np.arange(SAMPLES), "pieces": np.full(SAMPLES, pieces)}
    sent, _ = call(farm(farmed.Series)(spread=SPREAD, one=one), [({"jobs_in": jobs}, 0.0)])
    return sent[0]["results_out"]["K"]


def test_lognormal_pieces_in_series():
    # K_n -> exp(-s2/2), relative variance -> (e^(s2) - 1)/n; to next order in 1/n the mean of
    # 1/mean(1/k) is larger by that relative variance
    n = 400
    K, limit = series(n), np.exp(-(SPREAD**2) / 2.0)
    relative = (np.exp(SPREAD**2) - 1.0) / n
    error = K.std(ddof=1) / np.sqrt(SAMPLES)
    assert abs(K.mean() - limit * (1.0 + relative)) <= 4.0 * error
    found = K.var(ddof=1) / limit**2
    assert abs(found - relative) <= 4.0 * relative * np.sqrt(2.0 / (SAMPLES - 1))


def test_a_medium_that_is_not_ergodic_is_flagged():
    sizes = np.array([10, 40, 160, 640])
    slope, stands = decay(sizes, np.array([series(n).var(ddof=1) for n in sizes]))
    assert stands
    assert slope == pytest.approx(-1.0, abs=0.1)
    slope, stands = decay(sizes, np.array([series(n, one=True).var(ddof=1) for n in sizes]))
    assert not stands
    assert slope == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize(
    "shortcut",
    [
        {"farm_cache": "on", "farm_cache_step": "damage 0.01"},
        {"farm_surrogate": "on", "farm_sur_tol": 1e-3},
    ],
    ids=["cache", "surrogate"],
)
def test_cache_and_surrogate_save_as_much(tmp_path, shortcut):
    settings = {"drive": 1.0, "bar_cells": 200, "bar_steps": 20, "bar_dt": 0.05}
    full = outcome(tmp_path / "full", TELLING, **settings)
    found = outcome(tmp_path / "few", TELLING, **settings, farm_workers=1, **shortcut)
    assert solves(found) <= solves(full) / 5
    assert error_of(found, full) <= 0.01
