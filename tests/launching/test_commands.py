"""Commands on runs that are odd: unreadable, dead, not up yet, at their end, with spaces."""

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from faults.runs import spec
from launching.test_stopping import manyscale
from manyscale.cli.resume import refuse_changed, snapshot_of
from manyscale.cli.running import Order
from manyscale.contract.refusal import Refused
from manyscale.coupling.prove import prove
from manyscale.launching import keeper, leftovers, runs, slurm, snapshots, stopping
from manyscale.launching.outcome import Failed
from manyscale.launching.site import ProgramSite, Site

ROWS = "description: |\n  Instance  t  Wallclock time  Type\n{}\nresume:\n{}\n"


def begun(folder, pid=None, **words):
    """A run directory as its supervisor `pid` leaves it."""
    folder.mkdir(exist_ok=True)
    runs.begin(folder, [])
    told = json.loads((folder / runs.FILE).read_text())
    if pid is not None:
        told |= {"pid": pid, "pid_since": keeper.began(pid)}
    (folder / "run.json").write_text(json.dumps(told | words))
    return folder


def with_set(run, kind, name="snapshot_1.ymmsl"):
    """Give a run a set of one instance whose snapshot is there."""
    (run / "snapshots").mkdir()
    path = run / "snapshots" / name
    path.write_text(ROWS.format(f"  a  20  3.0  {kind}", f"  a: {run}/a.pack"))
    return path


def test_a_run_that_cannot_be_read_does_not_hide_the_others(tmp_path):
    begun(tmp_path / "good", pid_since=0)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/run.json").write_text("{")
    done = manyscale("status", "--json", cwd=tmp_path)
    states = {row["run"]: row["state"] for row in json.loads(done.stdout)}
    assert states == {"good": "lost", "bad": "unknown"}


def test_a_dead_supervisor_that_nobody_has_collected_supervises_nothing(tmp_path):
    process = subprocess.Popen(["sleep", "60"])
    run = begun(tmp_path / "run", process.pid)
    assert runs.read(run).stands == runs.RUNNING
    process.kill()
    while keeper.standing(process.pid)[0] != "Z":
        time.sleep(0.01)
    assert runs.read(run).stands == runs.LOST
    process.wait()


def test_a_supervisor_is_known_again_after_the_clock_was_set(tmp_path, monkeypatch):
    run = begun(tmp_path / "run")
    monkeypatch.setattr(runs.psutil, "boot_time", lambda: 0.0)
    monkeypatch.setattr(runs.psutil.Process, "create_time", lambda self: 1.0)
    assert runs.read(run).stands == runs.RUNNING


def test_stop_does_not_call_a_killed_run_ended(tmp_path):
    process = subprocess.Popen(["sleep", "60"])
    run = begun(tmp_path / "run", process.pid)
    words = [sys.executable, "-m", "manyscale.cli", "stop", run]
    asking = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    while not (run / stopping.ASKED).exists() and asking.poll() is None:
        time.sleep(0.05)
    process.kill()
    process.wait()
    _, said = asking.communicate(timeout=30.0)
    assert asking.returncode == 1
    assert "its supervisor was killed meanwhile" in said


def test_stop_of_a_run_that_fails_instead_fails(tmp_path, monkeypatch):
    run = begun(tmp_path / "run")
    told = runs.read(run)
    monkeypatch.setattr(stopping, "ask", lambda run, now: runs.end(run, told, Failed("it broke.")))
    from manyscale.cli.stop import command

    with pytest.raises(Failed, match="is failed: it broke"):
        command.main([str(run)], standalone_mode=False)


def test_a_run_whose_manager_is_not_up_yet_can_be_asked_to_stop(tmp_path):
    stopping.ask(tmp_path)
    assert (tmp_path / stopping.ASKED).exists()
    (tmp_path / "configuration.ymmsl").write_text("ymmsl_version: v0.2\n")
    with pytest.raises(Refused, match="has no `checkpoints:`"):
        stopping.ask(tmp_path)


def test_what_could_not_be_removed_is_not_called_removed(tmp_path, monkeypatch):
    found = leftovers.Leftovers({}, (tmp_path / "secret",))
    monkeypatch.setattr(leftovers, "find", lambda folder: found)
    monkeypatch.setattr(leftovers.Leftovers, "remove", lambda self: ["secret: not permitted"])
    from click.testing import CliRunner

    from manyscale.cli.clean import command

    done = CliRunner().invoke(command)
    assert "removed " not in done.output
    assert "could not be removed: secret: not permitted" in str(done.exception)


def test_a_process_that_may_not_be_told_is_named_not_fatal(monkeypatch):
    def refused(pid, number):
        raise PermissionError

    monkeypatch.setattr(keeper.os, "kill", refused)
    left = keeper.end_all(
        lambda: {77: ("S", 1, 1, "sudo")}, lambda: None, grace=0.05, patience=0.05
    )
    assert left == ["sudo (77, state S)"]


def test_a_run_at_its_end_is_not_made_longer_from_there(tmp_path, monkeypatch):
    path = with_set(tmp_path, "Final")
    with pytest.raises(Refused, match="every component is at its end"):
        snapshots.newest(tmp_path, further=True)
    path.write_text(path.read_text().replace("Final", "Intermediate"))
    monkeypatch.setattr(snapshots, "_refuse_damaged", lambda pack: None)
    assert snapshots.newest(tmp_path, further=True) == path


def test_a_resumed_run_without_a_set_of_its_own_goes_on_from_where_it_began(tmp_path):
    first, second = begun(tmp_path / "first"), begun(tmp_path / "second", 1, state="failed")
    path = with_set(first, "Intermediate")
    order = Order(("model.ymmsl",), (), "laptop", snapshot=str(path))
    assert snapshot_of(second, order) == path
    with pytest.raises(Refused, match="has no snapshot to go on from"):
        snapshot_of(second, Order(("model.ymmsl",), (), "laptop"))


def test_a_job_does_not_go_on_under_another_spec(tmp_path):
    model = tmp_path / "model.ymmsl"
    model.write_text("one")
    order = Order((str(model),), (), "laptop", hashes={str(model): "0" * 64})
    with pytest.raises(Refused, match="was changed since it was launched"):
        refuse_changed(tmp_path, order)


def test_folders_beside_the_runs_of_a_job_are_no_runs(tmp_path):
    for name in ("run_2", "run_10", "run_2_old", "run_1.bak"):
        (tmp_path / name).mkdir()
    assert [path.name for path in slurm.runs_in(tmp_path)] == ["run_2", "run_10"]


def test_a_job_script_names_a_folder_with_a_space(tmp_path):
    text = slurm.script("c", slurm.Shape(1, 1), Path("/home/my runs"), Site(), ["true"])
    line = next(line for line in text.splitlines() if "--output" in line)
    assert shlex.split(line.removeprefix("#SBATCH ")) == ["--output=/home/my runs/job_%j.out"]


def test_a_dry_run_in_json_is_one_object_and_knows_its_components(tmp_path):
    made = spec(tmp_path)
    words = ["submit", made, "--dry-run", "--json", "--tasks-per-node", 2]
    done = manyscale(*words, cwd=tmp_path)
    assert json.loads(done.stdout)["script"].startswith("#!/bin/bash")
    profile = tmp_path / "site.toml"
    profile.write_text("[programs.aa]\nmodules = ['GCC']\n")
    done = manyscale(*words, "--profile", profile, cwd=tmp_path)
    assert done.returncode == 1
    assert "The site profile names aa; the coupling has a, b." in done.stderr
    done = manyscale(*words, "--profile", tmp_path / "nowhere.toml", cwd=tmp_path)
    assert "There is no site profile" in json.loads(done.stdout)["sentence"]


def test_an_image_gets_no_argument_that_nobody_gave_and_no_script(tmp_path):
    graph = prove([spec(tmp_path)]).graph
    program = graph.programs[graph.nodes["a"].program]
    wanted = ProgramSite(image="some.sif")
    program.args = None
    assert slurm.at_site(program, wanted, "a").args == ["exec", "some.sif", "python3"]
    program.script = "exec something\n"
    with pytest.raises(Refused, match="whose program is a script"):
        slurm.at_site(program, wanted, "a")
