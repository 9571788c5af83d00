"""A run stops at a snapshot, says how it stands, and goes on to the same numbers."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from faults.runs import TIME_LIMIT, Launched, spec
from manyscale import testing
from manyscale.hosting.transport import account
from manyscale.launching import leftovers, runs
from manyscale.launching.run_dir import instance_folders
from manyscale.testing.couple import run_with_muscle

pytestmark = pytest.mark.coupled
STEPS = {"a.steps": 60, "b.steps": 60}


def manyscale(*words, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "manyscale.cli", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=TIME_LIMIT,
        check=False,
    )


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that was asked to stop in its middle, and what was seen of it."""
    folder = tmp_path_factory.mktemp("stopping")
    made = spec(folder, **STEPS, **{"a.pause": 0.4})
    options = ["--checkpoint-every", "1000", "--messages", "stock"]
    launched = Launched([made], folder / "run", *options)
    assert launched.until(lambda: launched.steps() >= 5)
    seen = manyscale("status", folder / "run", "--json")
    here = manyscale("status", cwd=folder)
    again = manyscale("resume", folder / "run")
    said = manyscale("stop", folder / "run")
    code = launched.end()
    return folder, code, launched, json.loads(seen.stdout), here.stdout, again.stderr, said.stdout


def test_it_ends_with_the_code_of_a_stop_and_says_how_to_go_on(stopped):
    folder, code, launched, *_, said = stopped
    assert code == 75
    assert f"manyscale resume {folder / 'run'}" in launched.cause
    assert "is stopped" in said
    told = runs.read(folder / "run")
    assert told.state == "stopped"
    assert Path(told.snapshot).is_file()
    assert not launched.left()


def test_status_shows_where_it_stands(stopped):
    _, _, _, seen, here, _, _ = stopped
    assert seen["state"] == "running"
    parts = {row["component"]: row for row in seen["components"]}
    assert parts.keys() == {"a", "b"}
    assert all(row["t / s"] >= 5.0 and row["phase"] == "running" for row in parts.values())
    assert re.search(r"run .*running", here)


def test_a_run_that_goes_on_is_not_resumed(stopped):
    assert "still runs, supervised by process" in stopped[5]


def test_it_goes_on_to_the_same_numbers(stopped, tmp_path):
    folder = stopped[0]
    quickly = ["--set", "a.pause=0.0", "--json"]
    done = manyscale("resume", folder / "run", "--run-dir", tmp_path / "resumed", *quickly)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["exit_code"] == 0
    whole = run_with_muscle(spec(tmp_path / "spec", **STEPS), tmp_path / "whole")
    assert not testing.differences(whole, tmp_path / "resumed")
    order = json.loads((tmp_path / "resumed/order.json").read_text())
    assert order["resumed_from"] == str(folder / "run")
    assert order["options"]["messages"] == "stock"
    accounts = account.read(instance_folders(tmp_path / "resumed").values())
    assert {way.way for told in accounts for way in told.ways} == {account.STOCK}


def test_a_changed_spec_is_not_resumed(stopped, tmp_path):
    folder = stopped[0]
    model = folder / "model.ymmsl"
    before = model.read_text()
    model.write_text(before.replace("a.pause: 0.4", "a.pause: 0.2"))
    try:
        done = manyscale("resume", folder / "run", "--run-dir", tmp_path / "resumed")
    finally:
        model.write_text(before)
    assert done.returncode == 1
    assert f"{model} was changed since it was launched" in done.stderr
    assert not (tmp_path / "resumed").exists()


def test_an_unknown_run_is_named(tmp_path):
    done = manyscale("resume", tmp_path / "nothing")
    assert done.returncode == 1
    assert "does not exist" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--stall-limit", "bulk=3"], "no component is called bulk"),
        (["--stall-limit", "soon"], "'soon' is no number of seconds"),
        (["--stall-limit", "a=-1"], "expected more than 0 s"),
        (["--foreign", "aa"], "no component is called aa. Did you mean 'a'?"),
        (["--min-free", "1e12"], "MB free, a run wants"),
    ],
)
def test_bad_options_are_refused_before_anything_is_launched(tmp_path, options, says):
    done = manyscale("run", spec(tmp_path), "--run-dir", tmp_path / "run", *options)
    assert done.returncode in (1, 8)
    assert says in done.stderr
    assert not (tmp_path / "run/muscle3_manager.log").exists()


@pytest.mark.parametrize("limit", ["nan", "inf", "-1", "soon"])
def test_a_time_limit_is_a_number_of_seconds(tmp_path, limit):
    done = manyscale("run", tmp_path, "--time-limit", limit)
    assert done.returncode == 2
    assert "no positive number of seconds" in done.stderr


def test_what_a_dead_run_left_is_found_and_ended(tmp_path):
    """A process that says it is of a run which is no more."""
    gone = tmp_path / "run_gone"
    process = subprocess.Popen(["sleep", "60"], env={runs.RUN_NAME: str(gone), "PATH": "/usr/bin"})
    try:
        found = leftovers.find(tmp_path)
        assert process.pid in found.processes
        assert not found.remove()
        assert process.wait(5.0) == -15
    finally:
        process.kill()
