"""Instances that are forked from one process are what they would be, had each been started."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from faults.runs import Launched
from manyscale import testing
from manyscale.launching.local import launch
from manyscale.launching.outcome import Failed
from manyscale.testing import Component
from manyscale_guard import nursery
from toys import brood
from toys.guarded import until

EXEC = f"exec {sys.executable} -m manyscale.hosting.muscle toys.brood:Called\n"
PLAIN = f"#!/bin/bash\n\n{EXEC}"
GUARDED = {"MANYSCALE_GUARD": "fd:100", "MUSCLE_INSTANCE": "a[0]", "OMP_NUM_THREADS": "1"}
MANY = 4


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "run_script.sh"
    path.write_text(PLAIN)
    return path


@pytest.mark.parametrize(
    "text",
    [PLAIN, f"#!/bin/bash\n\nmodule load py/3.11\n\n. /opt/env/bin/activate\n\n{EXEC}"],
)
def test_what_muscle3_writes_for_one_process_may_have_a_nursery(script, text):
    script.write_text(text)
    assert nursery._key([str(script)], GUARDED) is not None


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("exec ", "exec mpirun -n $MUSCLE_MPI_PROCESSES "),
        PLAIN.replace("Called", "Called mpi"),
        PLAIN.replace("manyscale.hosting.muscle", "my.own"),
        PLAIN.replace("exec", "cp input $MUSCLE_INSTANCE\nexec"),
        PLAIN.replace("exec", "module load $(choose $MUSCLE_INSTANCE)\nexec"),
        PLAIN.replace("toys", "$MUSCLE_INSTANCE"),
        f"#!/bin/bash\n\nif ! taskset -V >/dev/null 2>&1 ; then\n    {EXEC}fi\n",
        PLAIN.replace("#!/bin/bash", "#!/bin/bash --norc"),
    ],
)
def test_whatever_else_is_started_by_itself(script, text):
    script.write_text(text)
    assert nursery._key([str(script)], GUARDED) is None


def test_who_has_another_environment_has_another_nursery(script):
    def key(**more):
        return nursery._key([str(script)], {**GUARDED, **more})

    assert key() == key(MUSCLE_INSTANCE="a[1]") != key(LANG="C")
    assert key(MANYSCALE_NURSERY="no") is None
    assert key(OMP_NUM_THREADS="2") is None


def test_without_the_guard_there_is_no_nursery(script):
    told = {name: value for name, value in GUARDED.items() if name != "MANYSCALE_GUARD"}
    assert nursery._key([str(script)], told) is None


class Started:
    """Stands in for what starts processes; `nurseries` end at once, or never come up."""

    def __init__(self, nurseries):
        self.nurseries, self.alone, self.opened = nurseries, [], 0

    def __call__(self, args, env, passed, **options):
        if nursery.VARIABLE in env:
            self.opened += 1
            return subprocess.Popen(self.nurseries, pass_fds=passed)
        self.alone.append(env["MUSCLE_INSTANCE"])
        return subprocess.Popen(["true"])


def ordered(started, script, count):
    nursery._known.clear()
    born = []
    for number in range(count):
        told = {**GUARDED, "MUSCLE_INSTANCE": f"a[{number}]"}
        with open(script.parent / "out", "w") as out, open(script.parent / "err", "w") as err:
            options = {"cwd": script.parent, "stdout": out, "stderr": err}
            born.append(nursery.ordered(started, [str(script)], told, options))
    nursery._known.clear()
    return born


def test_what_a_nursery_does_not_bear_is_started_by_itself(script):
    started = Started(["false"])
    first, *others = ordered(started, script, 3)
    assert first is None
    until(lambda: all(one.poll() == 0 for one in others if one is not None))
    assert started.opened == 1, "a program without a nursery is not tried again and again"
    assert "a[1]" in started.alone


def test_who_is_killed_before_birth_is_never_born(script):
    started = Started(["sleep", "60"])
    _, *others = ordered(started, script, 3)
    for one in others:
        one.kill()
    assert [one.poll() for one in others] == [-signal.SIGKILL] * 2
    others[0]._nursery.close()
    assert started.alone == []


def test_who_was_never_handed_over_is_started_by_itself(script):
    gone = subprocess.Popen(["true"])
    gone.wait(timeout=30)
    started = Started(["sleep", "60"])
    _, one = ordered(started, script, 2)
    one.take(gone.pid)
    until(lambda: one.poll() == 0)
    assert started.alone == ["a[1]"]
    one._nursery.close()


def spec(folder, many=MANY, **settings):
    parts = {
        "caller": Component("toys.brood:Caller"),
        "called": Component("toys.brood:Called", many),
    }
    wires = {"caller.asked": "called.asked", "called.answer": "caller.answer"}
    return testing.write_spec(folder, parts, wires, settings)


def folders(run, many=MANY):
    return [run / f"instances/called[{number}]" for number in range(many)]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What instances say of themselves, with the first started by itself, and how they did not."""
    folder = tmp_path_factory.mktemp("told")
    before = os.environ.copy()
    found = []
    try:
        for choice in ("yes", "no"):
            os.environ[nursery.VARIABLE] = choice
            if choice == "yes":
                del os.environ[nursery.VARIABLE]
            run = folder / choice
            run.mkdir()
            launch([spec(folder / f"spec_{choice}")], run, time_limit=90.0)
            found.append([json.loads((f / "stdout.txt").read_text()) for f in folders(run)])
    finally:
        os.environ.clear()
        os.environ.update(before)
    return found


@pytest.mark.coupled
def test_instances_of_a_nursery_are_as_if_started(told):
    born, alone = told
    for one, other in zip(born, alone, strict=True):
        for name in ("command", "arguments", "descriptors", "signals"):
            assert one[name] == other[name], name
        assert one["path"] == one["folder"] == one["environment"]["PWD"]
        name = one["environment"]["MUSCLE_INSTANCE"]
        assert one["shown"] == [f"MUSCLE_INSTANCE={name}"]
        assert name in one["folder"]
        of_the_run = {"PWD", "MUSCLE_MANAGER", nursery.VARIABLE}
        differ = dict(one["environment"].items() ^ other["environment"].items()).keys()
        assert {n for n in differ if not n.startswith("MANYSCALE_")} <= of_the_run
        assert one["environment"].keys() == other["environment"].keys() - {nursery.VARIABLE}


@pytest.mark.coupled
def test_instances_of_a_nursery_are_processes_of_their_own(told):
    born, _ = told
    assert len({one["pid"] for one in born}) == MANY
    assert len({one["drawn"] for one in born}) == MANY, "no two draw the same random numbers"
    assert len({one["parent"] for one in born}) == 1, "all are children of the agent"
    assert len({one["group"] for one in born}) == 1


@pytest.mark.coupled
@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ("raise", r"called\[2\].*this one fails"),
        ("kill", r"called\[2\].*exit code -9: my last words"),
        ("exit", r"called\[2\].*7"),
    ],
)
def test_how_one_ends_is_known(tmp_path, ends, said):
    run = tmp_path / "run"
    run.mkdir()
    settings = {"called.ends": ends, "called.last": 2, "caller.turns": 2}
    with pytest.raises(Failed, match=said):
        launch([spec(tmp_path, **settings)], run, time_limit=90.0)
    assert "my last words" in (folders(run)[2] / "stderr.txt").read_text()


@pytest.mark.coupled
def test_a_run_outlives_its_nursery(tmp_path):
    pace = {"caller.turns": 40, "caller.pause": 0.1}
    launched = Launched([spec(tmp_path, **pace)], tmp_path / "run")
    assert launched.until(lambda: launched.steps() >= 3)
    (one,) = launched.processes()["nursery"]
    one.send_signal(signal.SIGKILL)
    assert launched.end() == 0
    assert launched.left() == []


@pytest.mark.coupled
def test_nobody_outlives_the_agent(tmp_path):
    pace = {"caller.turns": 400, "caller.pause": 0.1}
    launched = Launched([spec(tmp_path, **pace)], tmp_path / "run")
    assert launched.until(lambda: launched.steps() >= 3)
    everybody = launched.processes()
    assert len(everybody["component"]) == MANY + 1, "with the caller"
    assert len(everybody["nursery"]) == 1
    (agent,) = everybody["agent"]
    agent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 2.0
    while any(
        p.is_running() and p.status() != "zombie"
        for p in everybody["component"] + everybody["nursery"]
    ):
        assert time.monotonic() < deadline, "they end with it, not with the run"
        time.sleep(0.05)
    assert launched.end() == 3
    assert launched.left() == []


def test_the_toy_tells_what_is_compared():
    assert {"command", "arguments", "descriptors", "signals"} <= brood.facts().keys()
