"""The switched coupling of ion and electron eddies: decisions, hosts, restart, refusals."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import manyscale as ms
from manyscale.coupling.prove import diagnose
from manyscale.hosting.in_process import run
from manyscale.launching import snapshots
from manyscale.launching.local import launch
from manyscale.results.record import open_record
from manyscale.testing import differences
from manyscale_plugins.cross_scale_index import CrossScaleIndex
from manyscale_plugins.drift_turbulence import DriftTurbulence
from toys import interrupted

SPEC = Path(__file__).parents[2] / "coupling_specs/plasma_cross_scale"
FILES = [SPEC / f"{part}.ymmsl" for part in ("model", "settings", "laptop")]
LIMIT = 280.0  # s
SMALL = {
    "dispersion.nk": 24, "ion_scale.n": 32, "ion_scale.box": 32.0, "ion_scale.run_length": 2e-6,
    "ion_scale.exchanges": 6, "electron_scale.run_length": 2e-7, "samples": 10,
}  # fmt: skip
RECORD = ["index.index_out", "electron_scale.eddy_out"]


def shown(out, port):
    return [one.messages[0] for one in out.recorded[port]]


def steps_of(out):
    return out.states["electron_scale"].step


def test_electrons_are_simulated_in_the_exchanges_in_which_the_index_says_so():
    # the first noise is too weak to shear anything; levels that this index crosses
    levels = {"index.i_on": 0.2, "index.i_off": 0.02}
    out = run(SPEC, {**SMALL, **levels}, record=RECORD)
    said = shown(out, "index.index_out")
    active = [one["active"] for one in said]
    assert len(active) == 6
    assert any(active)
    assert steps_of(out) == 80 * sum(active)
    answers = shown(out, "electron_scale.eddy_out")
    assert all((one["nu_turb"] > 0.0) == any(active[: n + 1]) for n, one in enumerate(answers))
    flux = out.states["ion_scale"].fluxes[:, 1]
    np.testing.assert_array_equal(flux, [one["q_e"] for one in answers])


def test_without_the_switch_they_always_or_never_are():
    for mode, runs in (("on", 6), ("off", 0)):
        out = run(SPEC, {**SMALL, "index.mode": mode}, record=RECORD)
        assert steps_of(out) == 80 * runs
    assert not out.states["ion_scale"].fluxes[:, 1].any()


def test_one_measurement_first():
    far = {"index.first": "run", "index.i_on": 1e6, "index.i_off": 1e5}
    out = run(SPEC, {**SMALL, **far}, record=RECORD)
    said = shown(out, "index.index_out")
    assert [one["active"] for one in said] == [True, *[False] * 5]
    assert [one["estimated"] for one in said] == [True, *[False] * 5]
    answers = shown(out, "electron_scale.eddy_out")
    assert answers[0] == answers[-1]  # held, not simulated again
    assert steps_of(out) == 80


def starts_in_the_loop(shears, i_on, i_off):
    """In which calls the real electrons run when the ion eddies shear like this."""
    from manyscale_plugins.gyrokinetic_dispersion import GyrokineticDispersion

    plasma = {"mass_ratio": 25.0, "ky_max": 15.0, "nk": 24}
    dispersion = GyrokineticDispersion(drift="toroidal", a_over_lt=2.0, **plasma)
    begun = dispersion.f_init(ms.Start(0.0), ms.Received({"profile_in": None}))
    spectrum = ms.Contact(0.0, None, dispersion.o_f(begun)["spectrum_out"])
    index = CrossScaleIndex(i_on=i_on, i_off=i_off)
    electrons = DriftTurbulence(
        scale="electron", zonal="off", n=32, box=32.0, dt=2.5e-9, run_length=2.5e-9, samples=1
    )
    kept, state, runs = None, None, []
    for number, wE in enumerate(shears):
        now = ms.Start(1e-5 * number, kept=kept)
        # nu_turb stays that of the first estimate, so that the index is what wE makes of it
        shear = ms.Contact(now.time, None, {"wE_rms": wE, "k_i": 400.0, "nu_turb": 0.1})
        kept = index.f_init(now, ms.Received({"spectra_in": spectrum, "shear_in": shear}))
        decision = ms.Contact(now.time, None, index.o_f(kept)["decision_out"])
        before = 0 if state is None else state.step
        received = ms.Received({"spectrum_in": spectrum, "decision_in": decision})
        state = electrons.f_init(ms.Start(now.time, kept=state), received)
        while electrons.clock(state).to is not None:
            state = electrons.s(state, ms.Received({"eddy_in": None}))
        runs.append(state.step > before)
    return runs, kept.starts, float(kept.i)


def ramp(noise):
    """A shear that makes the index rise from 0 to 2 i_on, with or without noise."""
    unit = starts_in_the_loop([1e5], 1e9, 1e8)[2] ** 2 / 1e5  # I2 = unit wE
    index = np.linspace(0.0, 2.39, 61)
    index = index + noise * np.random.default_rng(4).uniform(-1.0, 1.0, 61)
    return np.maximum(index, 0.0), np.maximum(index, 0.0) ** 2 / unit


def test_a_clean_ramp_starts_the_electrons_once():
    index, shears = ramp(0.0)
    runs, starts, _ = starts_in_the_loop(shears, 1.2, 0.8)
    assert starts == 1
    assert runs == [one > 1.2 for one in index]


def test_a_noisy_ramp_does_not_chatter():
    index, shears = ramp(0.15)  # less than half of the gap of 0.4
    above = index > 1.2
    assert np.count_nonzero(above[1:] & ~above[:-1]) > 1  # it does cross more than once
    runs, starts, _ = starts_in_the_loop(shears, 1.2, 0.8)
    assert starts == 1
    first = int(np.argmax(above))
    assert runs == [n >= first for n in range(61)]


def test_an_index_that_stays_below_starts_nothing():
    _, shears = ramp(0.0)
    runs, starts, i = starts_in_the_loop(shears[:30], 1.2, 0.8)
    assert (any(runs), starts) == (False, 0)
    assert 1.1 < i < 1.2


def overlay(path, **sections):
    path.write_text(yaml.safe_dump({"ymmsl_version": "v0.2", **sections}, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def active(tmp_path_factory):
    """Files of a small run whose switch goes on and off again, and that run under MUSCLE3."""
    folder = tmp_path_factory.mktemp("active")
    settings = {**SMALL, "index.i_off": 0.14, "ion_scale.exchanges": 12}
    rules = {"at_end": True, "simulation_time": [{"every": 2e-6}]}
    files = [*FILES, overlay(folder / "small.ymmsl", settings=settings, checkpoints=rules)]
    whole = folder / "whole"
    whole.mkdir()
    launch(files, whole, time_limit=LIMIT)
    return files, whole


@pytest.mark.coupled
def test_plain_muscle_manager_and_this_process_give_the_same_bits(active, tmp_path):
    files, whole = active
    run(files[:-1], yaml.safe_load(files[-1].read_text())["settings"], folder=tmp_path / "here")
    assert differences(whole, tmp_path / "here") == []
    manager = shutil.which("muscle_manager", path=str(Path(sys.executable).parent))
    plain = tmp_path / "plain"
    plain.mkdir()
    words = [manager, "--start-all", "--run-dir", plain, *files]
    subprocess.run(words, check=True, capture_output=True, timeout=LIMIT, cwd=tmp_path)
    assert differences(whole, plain) == []


def record_of(folder):
    (found,) = folder.glob("**/index/**/record.nc")
    return found


@pytest.mark.coupled
def test_killed_in_an_active_phase_it_goes_on_to_the_same_bits(active, tmp_path):
    files, whole = active
    said = open_record(record_of(whole), "index_out")
    assert said.active.values.tolist() == [False, *[True] * 4, *[False] * 7]
    # it is on because it was: from the third exchange on the index is between both levels
    assert 0.14 < said.i.values[3] < said.i.values[2] < 1.2
    first, second = tmp_path / "killed", tmp_path / "resumed"
    interrupted.killed(files, first, 4)
    second.mkdir()
    # electrons were simulated from 2e-6 s on, and will be until the exchange at 8e-6 s
    between = [one for one in snapshots.sets(first) if 3e-6 < snapshots.moment(one) < 7e-6]
    launch([*files, between[-1]], second, time_limit=LIMIT)
    assert differences(whole, second) == []


@pytest.mark.coupled
def test_manyscale_run_ends_with_table_and_figure(tmp_path):
    words = [sys.executable, "-m", "manyscale.cli", "run", SPEC, "--run-dir", tmp_path / "run"]
    words += [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "OFF" not in done.stdout
    assert done.stdout.count(" ok ") == 1
    assert (tmp_path / "run/figure.png").stat().st_size > 10_000


@pytest.mark.parametrize("machine", ["laptop", "slurm"])
def test_the_spec_is_clean(machine):
    diagnosis = diagnose([SPEC], machine=machine)
    assert not diagnosis.problems, "\n".join(map(str, diagnosis.problems))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"t_i": -1.0}, "t_i is -1 eV, expected > 0 eV"),
        ({"density": -1e20}, "density is -1e.20 1/m3, expected > 0 1/m3"),
        ({"mass_ratio": 1.0}, "mass_ratio is 1, expected > 1"),
        ({"index.i_off": 1.3}, "i_off is 1.3 and i_on 1.2; i_off must be the smaller one"),
        ({"ion_scale.n": 48}, "n is 48, which is no power of 2; the nearest are 32 and 64"),
        ({"ion_scale.dt": 1e-5}, r"dt is 1e-05 s, above the growth limit \S+ s"),
        (
            {"ion_scale.noise": 1e3, "index.mode": "off"},
            r"dt is 2e-08 s, above the advective limit \S+ s",
        ),
        ({"dispersion.ky_max": 0.5}, "split"),
        ({"electron_scale.scale": "ion"}, "TURB01 error: .* set electron_scale.scale: electron"),
        (
            {"electron_scale.run_length": 2e-5},
            "a message valid from t = 2e-05 s arrived in the step",
        ),
    ],
)
def test_what_cannot_be_coupled_is_refused(settings, says):
    with pytest.raises(ms.Refused, match=says):
        run(SPEC, {**SMALL, "index.mode": "on", **settings})
