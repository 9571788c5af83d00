"""Whole couplings under the guard: what is reachable, what is known, who is let in and left."""

import base64
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from manyscale import testing
from manyscale.launching import guarding, keeper
from manyscale.launching.local import command, launch
from manyscale.launching.outcome import Unguarded
from manyscale.testing import Component
from toys import guarded
from toys.couples import (
    EXCHANGE_HANGS,
    PATH,
    hangs,
    isolated,
    listening,
    lives,
    other_addresses,
    pair,
)
from toys.guarded import until

pytestmark = pytest.mark.coupled
TIME_LIMIT = 90.0
KNOWN = {"SSH_AUTH_SOCK": "/agent", "MY_TOKEN": "hush", "MY_LICENCE": "here"}


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A run in its middle: its directory, its secret, its processes."""
    folder = tmp_path_factory.mktemp("live")
    run = folder / "run"
    base = os.environ | KNOWN
    with guarded.manager([pair(folder, **EXCHANGE_HANGS)], run, base=base, keep=["MY_LICENCE"]) as (
        process,
        secret,
    ):
        until(lambda: hangs(run))
        yield run, secret, {process.pid, *keeper.descendants(process.pid)}


def test_a_run_listens_at_loopback_only(live):
    _, _, family = live
    found = listening(family)
    assert {host for host, _ in found} == {"0100007F"}
    assert len(found) == 4, "the manager, its door for agents, and a and b"
    assert not {9000, 9009} & {port for _, port in found}


def reached(ports):
    """Which ports answer at another address of this machine."""
    host = other_addresses()[0]
    found = set()
    for port in ports:
        with socket.socket() as sock:
            sock.settimeout(1.0)
            if sock.connect_ex((host, port)) == 0 and sock.getsockname()[1] != port:
                found.add(port)  # to itself a socket may connect anywhere
    return found


@pytest.mark.skipif(not other_addresses(), reason="this machine has only loopback")
@pytest.mark.parametrize("scanned", ["its own", pytest.param("all", marks=pytest.mark.nightly)])
def test_a_port_scan_from_another_address_finds_nothing(live, scanned):
    _, _, family = live
    ports = {port for _, port in listening(family)}
    assert not reached(range(1, 65536) if scanned == "all" else ports) & ports


def test_strangers_at_any_port_are_refused(live):
    run, _, family = live
    for _, port in listening(family):
        for said in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(200)):
            with socket.create_connection(("127.0.0.1", port), timeout=30.0) as sock:
                sock.sendall(said)
                try:
                    answer = sock.recv(1000)
                except ConnectionResetError:
                    answer = b""
                assert answer == b""
    noted = until(lambda: len(found := guarding.refusals(run)) >= 8 and found)
    assert {refusal.reason for refusal in noted} == {"garbage"}
    assert not any(refusal.fatal for refusal in noted)


def test_the_secret_stands_nowhere(live):
    run, secret, family = live
    value = guarded.value_of(secret)
    forms = [value, value.hex().encode(), base64.b64encode(value), repr(value)[2:-1].encode()]
    places = [Path(f"/proc/{pid}/{what}") for pid in family for what in ("environ", "cmdline")]
    places += [path for path in run.rglob("*") if path.is_file()]
    log = (run / "muscle3_manager.log").read_text()
    assert (
        "MANYSCALE_GUARD"
        in log
        + (run / "logs/muscle3_agent_")
        .with_name(f"muscle3_agent_{socket.gethostname()}.log")
        .read_text()
    ), "libmuscle has logged whole environments"
    assert len(places) > 20
    for place in places:
        data = place.read_bytes()
        assert not any(form in data for form in forms), place


def test_components_see_only_what_they_need(live):
    _, _, family = live
    for pid in family:
        seen = dict(
            entry.split("=", 1)
            for entry in Path(f"/proc/{pid}/environ").read_text().split("\0")
            if "=" in entry
        )
        assert "MY_LICENCE" in seen
        assert not {"SSH_AUTH_SOCK", "MY_TOKEN"} & seen.keys()


def test_a_program_without_the_guard_is_not_told_anything(live):
    """Settings, peers, commands: whoever asks without the secret hears of none."""
    _, _, family = live
    code = (
        "import sys; from libmuscle.mcp.tcp_transport_client import TcpTransportClient as C;"
        "import msgpack; c = C(sys.argv[1]);"
        "print(msgpack.unpackb(bytes(c.call(msgpack.packb([4]))[0])))"
    )
    for _, port in listening(family):
        done = subprocess.run(
            [sys.executable, "-c", code, f"tcp:127.0.0.1:{port}"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout.startswith("[1, 'this process came without the guard of its run"), done


def agent_of(family):
    words = b"libmuscle.native_instantiator.agent"
    return next(pid for pid in family if words in Path(f"/proc/{pid}/cmdline").read_bytes())


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("who", "number", "limit"),
    [
        ("manager", signal.SIGKILL, 30.0),
        pytest.param("instantiator", signal.SIGKILL, 30.0, marks=pytest.mark.nightly),
        pytest.param("agent", signal.SIGKILL, 30.0, marks=pytest.mark.nightly),
        ("agent", signal.SIGTERM, 2.0),
        pytest.param("instantiator", signal.SIGSTOP, 2.0, marks=pytest.mark.nightly),
        pytest.param("agent", signal.SIGHUP, 30.0, marks=pytest.mark.nightly),
        pytest.param("manager", signal.SIGTERM, 30.0, marks=pytest.mark.nightly),
    ],
)
def test_nothing_outlives_what_has_started_it(tmp_path, who, number, limit):
    run = tmp_path / "run"
    files = [pair(tmp_path, **EXCHANGE_HANGS)]
    with guarded.manager(files, run, lease=limit) as (process, _):
        until(lambda: hangs(run))
        agent = agent_of(keeper.descendants(process.pid))
        instantiator = keeper.standing(agent)[1]
        victim = {"manager": process.pid, "agent": agent, "instantiator": instantiator}[who]
        below = keeper.descendants(agent) | ({} if who == "agent" else {agent: None})
        assert len(below) >= 2
        os.kill(victim, number)
        until(lambda: not any(lives(pid) for pid in below))
    if number == signal.SIGSTOP:
        (lease,) = [one for one in guarding.refusals(run) if one.reason == "lease"]
        assert lease.detail == "the manager was silent for 2 s"


@pytest.mark.nightly
def test_a_manager_that_only_pauses_loses_nothing(tmp_path):
    """All stop together, as a suspended node does: nobody has waited for anybody."""
    run = tmp_path / "run"
    files = [pair(tmp_path, **EXCHANGE_HANGS)]
    with guarded.manager(files, run, lease=1.5) as (process, _):
        until(lambda: hangs(run))
        family = [process.pid, *keeper.descendants(process.pid)]
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(3.0)
        for pid in family:
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.5)
        assert all(lives(pid) for pid in family)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("login", "b was not started: base_env: login drops the environment that carries"),
        ("isolated", r"b came without the guard and was refused \(python -I, a container"),
    ],
)
def test_a_component_that_comes_without_the_guard_ends_the_run(tmp_path, how, says):
    program = {"base_env": "login"} if how == "login" else isolated(tmp_path)
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(Unguarded, match=rf"run: {says}.*admit it with --foreign b, "):
        launch([pair(tmp_path, program)], run, time_limit=TIME_LIMIT)


@pytest.mark.nightly
@pytest.mark.parametrize("how", [pytest.param("login", marks=pytest.mark.nightly), "isolated"])
def test_it_says_so_itself_and_ends_at_once(tmp_path, how):
    """Also where nobody watches the run: the manager alone ends it."""
    program = {"base_env": "login"} if how == "login" else isolated(tmp_path)
    run = tmp_path / "run"
    with guarded.manager([pair(tmp_path, program)], run) as (process, _):
        assert process.wait(timeout=TIME_LIMIT) == 1
        log = (run / "muscle3_manager.log").read_text()
    code = 78 if how == "login" else 1
    assert f"Instance b quit with exit code {code}" in log
    assert "b came without the guard of its run" in (run / "instances/b/stderr.txt").read_text()


@pytest.mark.nightly
def test_a_program_may_have_a_path_of_its_own(tmp_path):
    """Its PYTHONPATH replaces that of the run, and it is guarded nevertheless."""
    program = {"env": {"PYTHONPATH": os.pathsep.join(PATH)}}
    run = tmp_path / "run"
    run.mkdir()
    launch([pair(tmp_path, program)], run, time_limit=TIME_LIMIT)
    assert guarding.refusals(run) == []


def test_mpi_ranks_are_guarded(tmp_path):
    components = {
        "furnace": Component("toys.ranks:Furnace"),
        "rod": Component("toys.ranks:Rod", ranks=2),
        "heater": Component("toys.ranks:Heater"),
    }
    conduits = {
        "furnace.begin": "rod.begun",
        "rod.profile": "heater.profile",
        "heater.heat": "rod.heated",
    }
    spec = testing.write_spec(tmp_path, components, conduits, {"rod.record": "done"})
    run = tmp_path / "run"
    with guarded.manager([spec], run) as (process, _):
        assert process.wait(timeout=TIME_LIMIT) == 0, (run / "said.txt").read_text()
    assert guarding.refusals(run) == []


LAUNCH = """
import sys
from pathlib import Path
from manyscale.launching.local import launch
launch([Path(sys.argv[1])], Path(sys.argv[2]), time_limit=80.0, foreign=sys.argv[3:])
"""


def can(*words):
    return subprocess.run([*words, "true"], capture_output=True).returncode == 0


@pytest.mark.nightly
@pytest.mark.skipif(not can("unshare", "--net"), reason="only root can take away the network")
@pytest.mark.parametrize("foreign", [(), pytest.param(("b",), marks=pytest.mark.nightly)])
def test_loopback_is_enough(tmp_path, foreign):
    run = tmp_path / "run"
    run.mkdir()
    spec = pair(tmp_path, isolated(tmp_path) if foreign else None)
    code = [sys.executable, "-c", LAUNCH, str(spec), str(run), *foreign]
    command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT)
    assert done.returncode == 0, done.stderr
    assert guarding.refusals(run) == []


@pytest.mark.nightly
@pytest.mark.skipif(not can("unshare", "--user"), reason="there are no user namespaces here")
def test_namespaces_do_not_matter(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    code = [sys.executable, "-c", LAUNCH, str(pair(tmp_path)), str(run)]
    space = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    done = subprocess.run([*space, *code], capture_output=True, text=True, timeout=TIME_LIMIT)
    assert done.returncode == 0, done.stderr
    assert guarding.refusals(run) == []


@pytest.mark.nightly
def test_plain_muscle_manager_works_without_the_guard(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    done = subprocess.run(
        command([pair(tmp_path)], run), capture_output=True, text=True, timeout=TIME_LIMIT
    )
    assert done.returncode == 0, done.stdout
    assert re.search("completed successfully", done.stdout)
