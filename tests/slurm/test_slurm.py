"""Jobs on a real Slurm of two pretended nodes: submitted, stopped in time, gone on with."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from faults.runs import spec
from manyscale import testing
from manyscale.hosting.transport import account
from manyscale.launching import runs
from manyscale.launching.run_dir import instance_folders
from manyscale.launching.slurm import runs_in as job_runs
from manyscale.testing.couple import run_with_muscle
from slurm import cluster as slurm

WHY_NOT = slurm.missing()
pytestmark = [
    pytest.mark.coupled,
    pytest.mark.skipif(bool(WHY_NOT), reason=f"no Slurm here: {WHY_NOT}"),
]
SYSTEM = Path(__file__).parents[2] / "coupling_specs/pipe_diffusion"
JOB_LIMIT = 300.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two nodes of two cores; the path is short because sockets' paths must be."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    nodes = slurm.Cluster(folder).start()
    yield nodes
    nodes.stop()
    shutil.rmtree(folder, ignore_errors=True)


def submit(cluster, *words):
    return subprocess.run(
        [sys.executable, "-m", "manyscale.cli", "submit", *map(str, words)],
        env=cluster.environment,
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )


def on_ranks(folder):
    """The shipped pipe diffusion, made small, its crystal on two ranks."""
    import shutil

    shutil.copytree(SYSTEM, folder)
    (folder / "mpi.ymmsl").rename(folder / "slurm.ymmsl")
    return folder


def test_a_coupling_with_ranks_on_both_nodes(cluster, tmp_path):
    """One core a node: a rank of the crystal on each, and the pipes beside them."""
    place = tmp_path / "job"
    done = submit(
        cluster, on_ranks(tmp_path / "spec"), "--nodes", 2, "--tasks-per-node", 1, "--time", 10,
        "--run-dir", place, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["nodes"], told["tasks_per_node"]) == (2, 1)
    state = cluster.wait_for(told["job"], JOB_LIMIT)
    said = (place / f"job_{told['job']}.out").read_text()
    assert state == "COMPLETED", said
    run = place / "run_1"
    planned = [
        line
        for line in (run / "muscle3_manager.log").read_text().splitlines()
        if "Planned bulk" in line
    ]
    assert "n1" in planned[0], planned
    assert "n2" in planned[0], planned
    ranks = {path.name for path in (run / "instances/bulk/workdir").glob("clock*.bin")}
    assert len(ranks) == 2
    assert runs.read(run).job == told["job"]
    assert not list(run.glob(".guard*")), "the secret stayed behind"
    assert "conduits between instances go through memory" in said


def test_a_job_near_its_end_stops_at_a_snapshot_and_the_next_goes_on(cluster, tmp_path):
    made = spec(tmp_path / "spec", **{"a.steps": 300, "b.steps": 300, "a.pause": 0.15})
    place = tmp_path / "job"
    site = tmp_path / "site.toml"
    site.write_text("signal_before = 50\ncores_per_node = 2\n")  # s of a limit of a minute
    done = submit(
        cluster, made, "--profile", site, "--time", 1, "--checkpoint-every", 1000,
        "--messages", "stock", "--resubmit", 9, "--run-dir", place, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    jobs = [json.loads(done.stdout)["job"]]
    states = []
    while jobs:
        states.append(cluster.wait_for(jobs.pop(0), JOB_LIMIT))
        jobs = (place / "jobs.txt").read_text().split()[len(states) :]
    made_runs = job_runs(place)
    ends = [runs.read(run).exit_code for run in made_runs]
    assert len(ends) > 1, "one job was enough"
    accounts = [a for run in made_runs for a in account.read(instance_folders(run).values())]
    assert {way.way for told in accounts for way in told.ways} == {account.STOCK}
    assert ends[:-1] == [75] * (len(ends) - 1), ends
    assert ends[-1] == 0
    assert states[-1] == "COMPLETED"
    whole = run_with_muscle(
        spec(
            tmp_path / "whole", **{"a.steps": 300, "b.steps": 300, "a.pause": 0.0, "b.pause": 0.0}
        ),
        tmp_path / "run",
    )
    assert not testing.differences(whole, made_runs[-1])


def test_a_dry_run_prints_the_script_and_writes_nothing(tmp_path):
    profile = tmp_path / "site.toml"
    profile.write_text(
        'account = "abc"\npartition = "fast"\nmodules = ["2026", "Python/3.12"]\n'
        'virtual_env = "/sw/my env"\ndirectives = ["--constraint=haswell"]\n'
        'commands = ["ulimit -s unlimited"]\ncores_per_node = 4\n'
    )
    words = [SYSTEM, "--dry-run", "--machine", "mpi", "--time", "12:00:00", "--profile", profile]
    done = subprocess.run(
        [sys.executable, "-m", "manyscale.cli", "submit", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "#!/bin/bash"
    for line in (
        "#SBATCH --nodes=1",
        "#SBATCH --ntasks-per-node=4",
        "#SBATCH --time=12:00:00",
        "#SBATCH --partition=fast",
        "#SBATCH --account=abc",
        "#SBATCH --constraint=haswell",
        "module load 2026",
        "module load Python/3.12",
        ". '/sw/my env'/bin/activate",
        "ulimit -s unlimited",
    ):
        assert line in lines
    assert [path.name for path in tmp_path.iterdir()] == ["site.toml"]
    assert subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("words", "profile", "says"),
    [
        (["--time", "soon"], "", "--time soon: expected minutes, hh:mm:ss or days-hh:mm:ss"),
        (["--resubmit", "2"], "", "--resubmit needs snapshots to go on from"),
        ([], "partitoin = 'x'", "no profile says partitoin. Did you mean 'partition'?"),
        ([], "modules = 'x'", "modules is 'x', expected a list of texts"),
        ([], 'account = "a\\nb"', "account has a line break"),
        ([], "[programs.pip]\nimage = 'x.sif'", "names pip; the coupling has"),
        (["--profile", "nowhere"], None, "There is no site profile nowhere"),
        (["--tasks-per-node", "1", "--machine", "slurm"], "", "requires 8 threads"),
    ],
)
def test_a_bad_wish_is_refused_in_one_sentence(tmp_path, words, profile, says):
    given = list(words)
    if profile is not None:
        path = tmp_path / "site.toml"
        path.write_text(profile)
        given += ["--profile", path]
    if "--tasks-per-node" not in words:
        given += ["--tasks-per-node", "2", "--machine", "mpi"]
    done = subprocess.run(
        [sys.executable, "-m", "manyscale.cli", "submit", SYSTEM, *map(str, given)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 1
    assert says in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
