"""Runs that are killed go on from a snapshot to the same bits."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import manyscale as ms
from manyscale.cli.run import command as run_command
from manyscale.contract.state import same
from manyscale.hosting import checkpoint, telemetry
from manyscale.hosting.door import Envelope
from manyscale.hosting.memory import Memory, Progress
from manyscale.hosting.plug import Plug
from manyscale.launching import snapshots
from manyscale.launching.local import command, launch
from manyscale.testing import differences
from toys import checkpoints as toys

SPEC = Path(__file__).parents[2] / "coupling_specs/pipe_diffusion"
SMALL = {
    "nz": 16, "lz": 2.0e-7, "bulk.nx": 8, "bulk.ny": 8, "bulk.lx": 1.0e-7, "bulk.ly": 1.0e-7,
    "bulk.dt": 1.0e3, "bulk.t_end": 1.0e5, "pipe.cell_size": 1.25e-8,
    "bulk.scheme": "bdf2", "bulk.record": "field_out;sample_out",
    "bulk.line_xy": [[1.875e-8, 1.875e-8], [1.875e-8, 8.125e-8],
                     [8.125e-8, 1.875e-8], [8.125e-8, 8.125e-8]],
}  # fmt: skip
TIME_LIMIT = 120.0


def overlay(path, **sections):
    path.write_text(yaml.safe_dump({"ymmsl_version": "v0.2", **sections}, sort_keys=False))
    return path


@pytest.fixture(scope="session")
def pipe(tmp_path_factory):
    """Files of a small system with checkpoints, and its uninterrupted run."""
    folder = tmp_path_factory.mktemp("pipe")
    rules = {"at_end": True, "simulation_time": [{"every": 4.0e3}]}
    extra = overlay(folder / "small.ymmsl", settings=SMALL, checkpoints=rules)
    files = [SPEC / "model.ymmsl", SPEC / "settings.ymmsl", SPEC / "laptop.ymmsl", extra]
    whole = folder / "whole"
    whole.mkdir()
    launch(files, whole, time_limit=TIME_LIMIT)
    return files, whole


def killed(files, run, after):
    """Start a run in a session of its own and kill every process after so many snapshots."""
    run.mkdir()
    with (run / "output.txt").open("w") as log:
        manager = subprocess.Popen(
            command(files, run), stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + TIME_LIMIT
    while len(snapshots.sets(run)) < after and manager.poll() is None:
        assert time.monotonic() < deadline, "no snapshot in time"
        time.sleep(0.001)
    for process in sessions_of(manager.pid):
        os.kill(process, signal.SIGKILL)
    manager.wait()


def sessions_of(leader):
    """Every process of a session and of the sessions its members began."""
    import psutil

    try:
        children = psutil.Process(leader).children(recursive=True)
    except psutil.NoSuchProcess:
        children = []
    return [leader, *(child.pid for child in children)]


def resumes_to_the_same(pipe, folder, seed):
    files, whole = pipe
    first, second = folder / "killed", folder / "resumed"
    killed(files, first, after=random.Random(seed).randint(1, 20))
    second.mkdir()
    launch([*files, snapshots.newest(first)], second, time_limit=TIME_LIMIT)
    assert not (found := differences(whole, second)), f"seed {seed}: {found}"


@pytest.mark.coupled
@pytest.mark.parametrize("seed", range(3))
def test_a_killed_run_resumes_to_the_same_bits(pipe, tmp_path, seed):
    resumes_to_the_same(pipe, tmp_path, seed)


@pytest.mark.coupled
@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(3, 23))
def test_many_killed_runs_resume_to_the_same_bits(pipe, tmp_path, seed):
    resumes_to_the_same(pipe, tmp_path, seed)


@pytest.mark.coupled
def test_only_the_newest_snapshots_are_kept(pipe):
    _, whole = pipe
    snapshots.prune(whole)
    assert len(snapshots.sets(whole)) == snapshots.KEPT
    for path in snapshots.sets(whole):
        assert all(pack.is_file() for pack in snapshots.packs(path))
    files = list((whole / "instances/bulk/snapshots").glob("*.state"))
    assert 1 <= len(files) <= snapshots.KEPT + 1
    assert snapshots.newest(whole) == snapshots.sets(whole)[-1]


@pytest.mark.coupled
def test_a_damaged_snapshot_is_passed_over(pipe, tmp_path):
    files, _ = pipe
    run = tmp_path / "run"
    killed(files, run, after=6)
    newest = snapshots.newest(run)
    (pack,) = (pack for pack in snapshots.packs(newest) if pack.name.startswith("bulk"))
    state = pack.with_name(f"{pack.stem}.0.state")
    state.write_bytes(state.read_bytes()[:-1] + b"?")
    assert snapshots.newest(run) != newest


def test_a_set_that_was_cut_off_is_passed_over(pipe, tmp_path):
    _, whole = pipe
    good = snapshots.newest(whole)
    text = good.read_text()
    folder = tmp_path / "snapshots"
    folder.mkdir()
    (folder / "snapshot_1.ymmsl").write_text(text)
    lines = text.splitlines(keepends=True)
    for number, cut in enumerate(["", text[:40], "".join(lines[:-1]), text[:-3]], 2):
        (folder / f"snapshot_{number}.ymmsl").write_text(cut)
    assert snapshots.newest(tmp_path).name == "snapshot_1.ymmsl"


def test_a_run_without_snapshots_says_so(tmp_path):
    with pytest.raises(ms.Refused, match=r"no snapshot to go on from.*`checkpoints:`"):
        snapshots.newest(tmp_path)


def written(folder, model, state, **memory):
    plug = Plug("toy", {})
    progress = Progress(state, 2.0, Memory(**memory), Envelope(3, 1), Envelope(4, 2))
    data = checkpoint.pack_progress(model, progress, plug)
    seal = checkpoint.save(folder / "toy_1", 0, data, plug)
    return {"path": str(folder / "toy_1"), "checksums": [seal], "record": ""}


def read(model, folder, seal):
    data = checkpoint.load(Path(seal["path"]), 0, seal["checksums"])
    return checkpoint.unpack_progress(model, data, Plug("toy", {}))


def test_everything_needed_comes_back(tmp_path):
    state = toys.Grows.State(step=3, x=2.5)
    seal = written(tmp_path, toys.Grows, state, committed=state, trial=None, envelope=Envelope(2))
    found = read(toys.Grows, tmp_path, seal)
    assert same(found.state, state)
    assert same(found.memory.committed, state)
    assert found.memory.trial is None
    assert (found.envelope, found.tries, found.memory.envelope) == ((3, 1), (4, 2), (2, 0))
    assert not list(tmp_path.glob(".*.new"))


def test_an_older_state_is_migrated(tmp_path):
    seal = written(tmp_path, toys.Grows, toys.Grows.State(step=3, x=2.5))
    found = read(toys.GrowsOn, tmp_path, seal)
    assert (found.state.step, found.state.x, found.state.rate) == (3, 2.5, 1.0)


def test_an_older_state_without_migration_is_refused(tmp_path):
    seal = written(tmp_path, toys.Grows, toys.Grows.State(step=3, x=2.5))
    with pytest.raises(ms.Refused, match=r"cannot read a state of version 1; it is now at 2"):
        read(toys.GrowsOnWithoutMigration, tmp_path, seal)


def test_other_fields_are_refused_naming_both_lists(tmp_path):
    seal = written(tmp_path, toys.Grows, toys.Grows.State(step=3, x=2.5))
    with pytest.raises(ms.Refused, match=r"holds \['step', 'x'\].*needs \['rate', 'step', 'x'\]"):
        read(toys.GrowsSilently, tmp_path, seal)


def test_a_snapshot_of_another_model_is_refused(tmp_path):
    seal = written(tmp_path, toys.Grows, toys.Grows.State(step=3, x=2.5))
    with pytest.raises(ms.Refused, match=r"is of 'grows' in format 1, expected 'bulk'"):
        read(toys.Bulk, tmp_path, seal)


def test_a_damaged_file_is_refused(tmp_path):
    seal = written(tmp_path, toys.Grows, toys.Grows.State(step=3, x=2.5))
    file = tmp_path / "toy_1.0.state"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ms.Refused, match=r"toy_1\.0\.state is damaged; resume from an older one"):
        read(toys.Grows, tmp_path, seal)


def test_another_number_of_ranks_is_refused(tmp_path):
    seal = written(tmp_path, toys.Grows, toys.Grows.State(step=3, x=2.5))
    with pytest.raises(ms.Refused, match="made on 1 MPI ranks, this run has 2; resume with 1"):
        checkpoint.refuse_other(seal, 2)


def test_a_foreign_snapshot_is_refused():
    with pytest.raises(ms.Refused, match="not made by this framework"):
        checkpoint.refuse_other(b"something else", 1)


def resumed(pipe, folder, *more, without=()):
    """Resume the uninterrupted run from its newest set, with other files than it had."""
    files, whole = pipe
    sections = yaml.safe_load(files[-1].read_text())
    kept = {k: v for k, v in sections.items() if k not in (*without, "ymmsl_version")}
    small = overlay(folder / "small.ymmsl", **kept)
    run = folder / "run"
    run.mkdir()
    launch([*files[:-1], small, *more, snapshots.newest(whole)], run, time_limit=TIME_LIMIT)
    return run


@pytest.mark.coupled
def test_without_checkpoints_nothing_resumes(pipe, tmp_path):
    with pytest.raises(ms.Refused) as caught:
        resumed(pipe, tmp_path, without=["checkpoints"])
    assert "Traceback" not in str(caught.value)
    assert "resumes needs the section `checkpoints:`" in str(caught.value).splitlines()[-1]


@pytest.mark.coupled
def test_what_was_not_recorded_before_may_be_now(pipe, tmp_path):
    more = overlay(tmp_path / "more.ymmsl", settings={"properties.record": "bulk_out"})
    run = resumed(pipe, tmp_path, more)
    assert (run / "instances/properties/workdir/record.nc").is_file()
    assert not differences(pipe[1] / "instances/bulk", run / "instances/bulk")


def test_of_several_failures_the_first_is_kept(tmp_path):
    telemetry.tell_failure(tmp_path, {"instance": "first"})
    telemetry.tell_failure(tmp_path, {"instance": "second"})
    assert json.loads((tmp_path / "failure.json").read_text()) == {"instance": "first"}
    assert [path.name for path in tmp_path.iterdir()] == ["failure.json"]


@pytest.mark.coupled
def test_the_command_refuses_a_damaged_set_before_it_starts(pipe, tmp_path):
    files, whole = pipe
    cut = tmp_path / "cut.ymmsl"
    good = snapshots.newest(whole)
    cut.write_text("".join(good.read_text().splitlines(keepends=True)[:-1]))
    (pack,) = (pack for pack in snapshots.packs(good) if pack.name.startswith("bulk"))
    record = pack.with_suffix(".nc")
    record.rename(tmp_path / "away.nc")
    try:
        missing = refused(tmp_path, *files, good)
    finally:
        (tmp_path / "away.nc").rename(record)
    assert missing.endswith(f"{record} is missing; resume from an older snapshot.")
    said = refused(tmp_path, *files, cut)
    assert said.endswith("cut.ymmsl is not whole; go on from the one before.")


def refused(folder, *files):
    """What `manyscale run` says of files with which it starts nothing."""
    place = folder / "never"
    done = CliRunner().invoke(run_command, [*map(str, files), "--run-dir", str(place)])
    assert isinstance(done.exception, ms.Refused), done.output
    assert not place.exists()
    return str(done.exception)
