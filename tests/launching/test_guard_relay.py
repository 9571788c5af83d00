"""A foreign program takes part through a relay, which serves it and nobody else."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from manyscale import testing
from manyscale.launching import guarding, keeper
from manyscale.launching.local import launch
from manyscale.launching.outcome import Failed
from manyscale_guard import connections, refusals, settings
from manyscale_guard.relay import Relay
from toys import guarded
from toys.couples import EXCHANGE_HANGS, hangs, isolated, other_addresses, pair
from toys.guarded import until

pytestmark = pytest.mark.coupled
TIME_LIMIT = 90.0
NIGHTLY, RARE = pytest.mark.nightly, ("isolated", "login")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What a and b record in this process."""
    folder = tmp_path_factory.mktemp("alone")
    testing.run_in_process(pair(folder), folder / "here")
    return folder / "here"


def ran(folder, program, foreign=("b",), both=False, **options):
    run = folder / "run"
    run.mkdir()
    launch([pair(folder, program, both)], run, time_limit=TIME_LIMIT, foreign=foreign, **options)
    assert guarding.refusals(run) == []
    return run


@pytest.mark.parametrize("how", ["cut", *(pytest.param(h, marks=NIGHTLY) for h in RARE)])
def test_a_foreign_program_has_the_same_results(alone, tmp_path, how):
    inherits = {"env": {"PYTHONPATH": os.environ["PYTHONPATH"]}}
    program = {"base_env": "login", **inherits} if how == "login" else isolated(tmp_path, how)
    assert testing.differences(alone, ran(tmp_path, program)) == []


@pytest.mark.nightly
def test_two_foreign_programs_talk_to_one_another(alone, tmp_path):
    run = ran(tmp_path, isolated(tmp_path), ["a", "b"], both=True)
    assert testing.differences(alone, run) == []


@pytest.mark.skipif(not other_addresses(), reason="this machine has only loopback")
@pytest.mark.parametrize("both", [False, pytest.param(True, marks=pytest.mark.nightly)])
def test_between_nodes_too(alone, tmp_path, both):
    program, address = isolated(tmp_path), other_addresses()[0]
    run = ran(tmp_path, program, ["a", "b"] if both else ["b"], both, address=address)
    assert testing.differences(alone, run) == []


@pytest.mark.nightly
def test_a_foreign_program_that_fails_is_the_root_cause(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    files = [pair(tmp_path, isolated(tmp_path), **{"b.fault": "die", "b.where": "s"})]
    with pytest.raises(Failed, match=r"run: b \(s at t = 3 s\) ended with exit code 9"):
        launch(files, run, time_limit=TIME_LIMIT, foreign=["b"])


def test_a_foreign_program_gets_nothing_of_the_guard(tmp_path):
    run = tmp_path / "run"
    files = [pair(tmp_path, isolated(tmp_path), **EXCHANGE_HANGS)]
    with guarded.manager(files, run, foreign=["b"]) as (process, _):
        until(lambda: hangs(run))
        family = keeper.descendants(process.pid)
        (foreign,) = (pid for pid in family if b"isolated.py" in read(pid, "cmdline"))
        assert b"MANYSCALE_GUARD" not in read(foreign, "environ")
        held = {os.readlink(entry) for entry in Path(f"/proc/{foreign}/fd").iterdir()}
        assert not any("memfd" in link for link in held)
        words = read(foreign, "environ").split(b"\0")
        (told,) = (word for word in words if word.startswith(b"MUSCLE_MANAGER="))
        port = int(told.rpartition(b":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=30.0) as sock:
            assert sock.recv(100) == b"", "its relay serves nobody else"
        (noted,) = until(lambda: guarding.refusals(run))
    assert (noted.reason, noted.pid, noted.fatal) == ("foreign", os.getpid(), False)
    assert "tried the relay of a foreign component and was refused: it is not b" in noted.sentence()


def read(pid, what):
    return Path(f"/proc/{pid}/{what}").read_bytes()


@pytest.fixture
def relay(tmp_path, monkeypatch):
    """A relay in this process, to a guarded server."""
    with guarded.service(tmp_path) as (location, _, secret, _):
        value = guarded.value_of(secret)
        monkeypatch.setattr(connections, "secret", lambda: value)
        monkeypatch.setattr(settings, "RUN", str(tmp_path))
        relay = Relay("micro", location)
        yield relay, location
        relay.close()


def caller(location, *options, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "toys.guarded", "call", location, *options],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.nightly
def test_messages_of_any_size_pass(relay):
    relay, location = relay
    places = [relay.location, relay._for_peer((location,))]
    for place in places:
        for options in ([], ["--cut"]):
            with caller(place, *options) as program:
                relay.serve(program.pid)
                out, _ = program.communicate(timeout=TIME_LIMIT)
            assert out.startswith("answered")


def test_ranks_that_a_cluster_started_are_known_by_their_environment(relay):
    relay, _ = relay
    relay.serve(1)
    own = {"MUSCLE_INSTANCE": "micro", "MUSCLE_MANAGER": relay.location}
    with caller(relay.location, **own) as program:
        assert program.communicate(timeout=TIME_LIMIT)[0].startswith("answered")


def test_another_program_of_the_same_user_is_refused(relay, tmp_path):
    relay, _ = relay
    relay.serve(1)
    with caller(relay.location, "--once", MUSCLE_INSTANCE="other") as program:
        assert program.communicate(timeout=TIME_LIMIT)[0] == ""
    assert {one.reason for one in guarding.refusals(tmp_path)} == {"foreign"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_is_refused(relay, tmp_path):
    relay, _ = relay
    relay.serve(os.getpid())  # would be of the family
    code = (
        "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
        "sys.exit(len(s.recv(10)))"
    )
    port = relay.location.rpartition(":")[2]
    done = subprocess.run(["/usr/bin/python3", "-c", code, port], user=12345, timeout=60, cwd="/")
    assert done.returncode == 0
    (noted,) = until(lambda: guarding.refusals(tmp_path))
    assert (noted.reason, noted.user) == ("foreign", 12345)
    assert "of user 12345" in noted.sentence()


def test_a_closed_relay_leaves_no_port(tmp_path):
    relay = Relay("micro", "tcp:127.0.0.1:1")
    port = int(relay.location.rpartition(":")[2])
    relay.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=30.0)
    assert set() == refusals.OWN_LOCATIONS
