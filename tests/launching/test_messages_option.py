"""How messages travel is an option: kept with the order, told in the report, refused if wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from faults.runs import TIME_LIMIT, spec
from launching.test_stopping import manyscale
from manyscale import testing
from manyscale.contract.refusal import Refused
from manyscale.hosting.transport import account, layers
from manyscale.launching import local, slurm
from manyscale.launching.run_dir import instance_folders
from manyscale.testing.couple import run_with_muscle

STEPS = {"a.steps": 10, "b.steps": 10}


def ways(run):
    """How messages travelled in a run."""
    accounts = account.read(instance_folders(run).values())
    return [way for told in accounts for way in told.ways]


@pytest.mark.parametrize("command", ["run", "submit"])
def test_a_layer_that_there_is_not_is_refused_before_anything_is_launched(command, tmp_path):
    place = ["--run-dir", tmp_path / "run"]
    done = manyscale(command, spec(tmp_path), *place, "--messages", "ring,paylod")
    assert done.returncode == 1
    assert "'paylod' is no layer of messages. Did you mean 'payload'?" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_so_is_one_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv(layers.VARIABLE, "fats")
    with pytest.raises(Refused, match=f"{layers.VARIABLE} is 'fats'.* Did you mean 'fast'"):
        local.launch([spec(tmp_path)], tmp_path)


def test_an_empty_variable_says_nothing(monkeypatch):
    monkeypatch.setenv(layers.VARIABLE, "")
    assert layers.asked() == set(layers.LAYERS)


def test_the_option_is_stronger_than_the_environment(monkeypatch):
    monkeypatch.setenv(layers.VARIABLE, "stock")
    assert layers.asked("ring,lean") == {"ring", "lean"}
    assert layers.asked() == set()


def test_a_job_keeps_it(tmp_path, monkeypatch):
    from manyscale.cli.submit import command

    monkeypatch.setattr(slurm, "submit", lambda folder: 1)
    words = ["--tasks-per-node", "2", "--run-dir", tmp_path / "job", "--messages", "payload"]
    command.main([*map(str, [spec(tmp_path), *words])], standalone_mode=False)
    assert slurm.job_in(tmp_path / "job").options["messages"] == "payload"


@pytest.mark.coupled
def test_a_run_says_how_they_travelled(tmp_path):
    made, run = spec(tmp_path, **STEPS), tmp_path / "run"
    done = manyscale("run", made, "--run-dir", run, "--messages", "stock", "--json")
    assert done.returncode == 0, done.stderr
    sentences = json.loads(done.stdout)["messages"]
    assert sentences[0].startswith("0 of 2 conduits")
    assert all(sentence in (run / "report.txt").read_text() for sentence in sentences)
    assert {way.way for way in ways(run)} == {account.STOCK}
    assert json.loads((run / "order.json").read_text())["options"]["messages"] == "stock"


@pytest.mark.coupled
def test_plain_muscle_manager_uses_memory_too(tmp_path):
    made, run = spec(tmp_path, **STEPS), tmp_path / "run"
    run.mkdir()
    manager = Path(sys.executable).with_name("muscle_manager")
    words = [manager, "--start-all", "--run-dir", run, made]
    subprocess.run(words, check=True, timeout=TIME_LIMIT, capture_output=True, env=os.environ)
    assert {(way.way, way.why) for way in ways(run)} == {(account.RING, "")}
    assert all(way.messages >= 10 for way in ways(run))
    assert not testing.differences(run, run_with_muscle(made, tmp_path / "ours"))
