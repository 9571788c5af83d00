"""A day of air and ground: coupled output against both solved as one, and the passes."""

import csv
import importlib.util
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

import manyscale as ms
from manyscale.hosting.in_process import run
from manyscale.launching import snapshots
from manyscale.launching.local import command, launch
from manyscale.testing import differences
from manyscale_plugins.aggregation_constraint import AggregationConstraint
from manyscale_plugins.mixed_layer import MixedLayer, kernel, monolithic
from manyscale_plugins.surface_energy_balance.kernel import resistances
from manyscale_plugins.synthetic_scene import SyntheticScene

SPEC = Path(__file__).parents[2] / "coupling_specs/lst_diurnal"
FILES = [SPEC / f"{part}.ymmsl" for part in ("model", "settings", "laptop")]
SETTINGS = yaml.safe_load((SPEC / "settings.ymmsl").read_text())["settings"]
LIMIT = 200.0  # s
SMALL = {"scene.n_fine": [50, 67]}
MORNING = {**SMALL, "air.start": 32400.0, "air.t_end": 7200.0}
MORNING |= {"scene.observation_times": [600.0, 4230.0, 9e4, 9.1e4]}  # the first two are reached


def settings_of(component, model, given):
    """A model of the spec with the settings it has there."""
    every = {**SETTINGS, **given}
    own = {k.split(".")[1]: v for k, v in every.items() if k.startswith(f"{component}.")}
    return model(**{name: value for name, value in own.items() if name in model.settings()})


def as_one(given):
    """Ground, layer, air above and sky, as the reference takes them."""
    air = settings_of("air", MixedLayer, given)
    surface = settings_of("scene", SyntheticScene, given).made().surface
    ra, rs = resistances(surface.ndvi)
    seen = surface.albedo.astype(float), surface.emissivity.astype(float)
    ground = monolithic.Ground(*seen, ra, rs, 0.1)
    layer = kernel.Layer(air.theta, air.vapour_pressure, air.height)
    return ground, layer, air.above, air.sky(air.table()).at


@pytest.mark.parametrize("scheme", ["adams_bashforth", "explicit_euler"])
@pytest.mark.parametrize("growth", ["encroachment", "none"])
def test_the_coupled_air_is_that_of_one_loop(scheme, growth):
    given = {**SMALL, "air.growth": growth, "air.scheme": scheme}
    end = run(SPEC, given).states["air"]
    expected = monolithic.stepped(*as_one(given), 600.0, 144, scheme)[-1]
    np.testing.assert_allclose([end.theta, end.vapour, end.height], expected, rtol=1e-11)


@pytest.mark.parametrize(("scheme", "order"), [("adams_bashforth", 2.0), ("explicit_euler", 1.0)])
def test_the_coupled_day_converges_to_the_resolved_one(scheme, order):
    given = {"scene.n_fine": [17, 17], "air.growth": "none", "air.height": 800.0}
    given |= {"scene.observation_times": [9e4, 9.1e4, 9.2e4, 9.3e4], "air.scheme": scheme}
    hours = np.arange(0.0, 86401.0, 3600.0)
    exact = monolithic.resolved(*as_one(given), hours, 1e-10)[:, 0]
    errors = []
    for dt in (1800.0, 900.0, 450.0):
        out = run(SPEC, {**given, "air.dt": dt, "constraint.step": dt}, record=["air.air_out"])
        shown = out.recorded["air.air_out"]
        theta = [one.messages[0]["air_temperature"] for one in shown]
        errors.append(np.abs(np.array(theta)[:: round(3600.0 / dt)] - exact).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(orders, order, atol=0.1)


def test_passes_are_met_and_nothing_else_is_touched():
    ports = ["constraint.lst_out", "constraint.residual_out", "model.lst_out", "scene.coarse_out"]
    out = run(SPEC, MORNING, record=ports)
    fine, left, alone = (out.recorded[name] for name in ports[:3])
    acted = []
    for one, other, before in zip(fine, left, alone, strict=True):
        message, residual = one.messages[0], other.messages[0]
        assert np.abs(residual["residual"]).max() <= 1e-9
        if residual["valid"].any():
            acted.append(one.time)
            assert np.abs(message["lst"] - before.messages[0]["lst_model"]).max() > 0.1
        else:
            np.testing.assert_array_equal(message["lst"], before.messages[0]["lst_model"])
    assert acted == [600.0, 4200.0]


def test_the_weather_of_the_passes_is_that_of_the_true_day():
    """The settings against the table they were taken from, and the table computed again."""
    with (SPEC / "reference/true_day.csv").open() as file:
        table = {float(row["time"]): row for row in csv.DictReader(file)}
    for number, when in enumerate(SETTINGS["scene.observation_times"]):
        for name in ("shortwave", "longwave", "air_temperature", "vapour_pressure"):
            assert SETTINGS[f"scene.{name}"][number] == float(table[when][name])
    path = SPEC / "reference/true_day.py"
    spec = importlib.util.spec_from_file_location("true_day", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    again = module.true_day(np.array([0.0, 21600.0]), 1e-8)[-1]
    expected = [float(table[21600.0][name]) for name in module.COLUMNS]
    np.testing.assert_allclose(again, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"air.theta": 25.0}, r"theta is 25 K, expected >= 220"),
        ({"air.t_end": 1000.0}, r"t_end = 1000 s is 1.66667 steps of 600 s"),
        ({"air.height": 50.0, "air.growth": "none", "air.dt": 21600.0, "constraint.step": 21600.0},
         r"of sensible heat bring the layer of 50 m to"),
        ({"scene.observation_times": [0.0, 5400.0, 5900.0, 9e4]},
         r"the observations at 5400 s and 5900 s lie in one step of 600 s from 5400 s"),
        ({"constraint.step": 300.0},
         r"PASS01 error: constraint.step is 300 s and air, which calls it, takes steps of 600 s"),
    ],
    ids=["celsius", "steps", "thin layer", "two passes", "between two steps"],
)  # fmt: skip
def test_what_cannot_work_is_refused(settings, says):
    with pytest.raises(ms.Refused, match=says):
        run(SPEC, {**SMALL, **settings})


@pytest.mark.coupled
def test_manyscale_run_ends_with_table_and_figure(tmp_path):
    folder = tmp_path / "run"
    # a small scene, and both passes of the morning
    less = [f"--set={name}={value}" for name, value in {**SMALL, "air.t_end": 43200.0}.items()]
    words = [sys.executable, "-m", "manyscale.cli", "run", SPEC, "--run-dir", folder, *less]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "OFF" not in done.stdout
    assert done.stdout.count(" ok ") == 8
    assert (folder / "figure.png").stat().st_size > 10_000


def overlay(path, **sections):
    path.write_text(yaml.safe_dump({"ymmsl_version": "v0.2", **sections}))
    return path


def with_a_manager(folder, *files):
    manager = shutil.which("muscle_manager", path=str(Path(sys.executable).parent))
    folder.mkdir()
    words = [manager, "--start-all", "--run-dir", folder, *FILES, *files]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, cwd=folder.parent)
    assert done.returncode == 0, done.stderr


def killed_after(files, folder, sets):
    """Run until so many snapshots are there, then kill the manager and all it started."""
    folder.mkdir()
    with (folder / "output.txt").open("w") as log:
        manager = subprocess.Popen(command(files, folder), stdout=log, stderr=log)
    deadline = time.monotonic() + LIMIT
    while len(snapshots.sets(folder)) < sets and manager.poll() is None:
        assert time.monotonic() < deadline, "no snapshot in time"
        time.sleep(0.001)
    for process in [*psutil.Process(manager.pid).children(recursive=True), manager]:
        process.kill()
    manager.wait()


@pytest.mark.coupled
def test_plain_muscle_manager_this_process_and_a_killed_run_give_the_same_bits(tmp_path):
    few = overlay(tmp_path / "few.ymmsl", settings=MORNING)
    rules = {"at_end": True, "simulation_time": [{"every": 600.0}]}
    saved = overlay(tmp_path / "saved.ymmsl", settings=MORNING, checkpoints=rules)
    whole, killed, resumed, here = (tmp_path / n for n in ("whole", "killed", "resumed", "here"))
    with_a_manager(whole, few)
    run([*FILES, few], folder=here)
    assert differences(whole, here) == []
    assert len(list(here.rglob("record.nc"))) == 4
    killed_after([*FILES, saved], killed, sets=3)
    resumed.mkdir()
    launch([*FILES, saved, snapshots.newest(killed)], resumed, time_limit=LIMIT)
    assert differences(whole, resumed) == []


@pytest.mark.coupled
@pytest.mark.nightly
def test_three_ranks_give_the_same_bits(tmp_path):
    """The energy balance on three MPI ranks, uneven blocks of rows, the rest as it was."""
    ranks = overlay(
        tmp_path / "ranks.ymmsl",
        imports=["from manyscale import implementation surface_energy_balance_mpi"],
        custom_implementations={"lst_diurnal.model": "surface_energy_balance_mpi"},
        resources={"lst_diurnal.model": {"mpi_processes": 3}},
        settings={**MORNING, "air.t_end": 3600.0},
    )
    with_a_manager(tmp_path / "three", ranks)
    run(SPEC, {**MORNING, "air.t_end": 3600.0}, folder=tmp_path / "one")
    assert differences(tmp_path / "three", tmp_path / "one") == []


def test_the_step_of_the_constraint_is_that_of_the_air():
    assert settings_of("constraint", AggregationConstraint, {}).step == SETTINGS["air.dt"]
