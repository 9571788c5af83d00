"""A guarded server of libmuscle takes in its own run, and nobody else."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from manyscale.launching import guarding
from manyscale_guard import handshake
from toys import guarded
from toys.couples import listening, other_addresses
from toys.guarded import call, until

pytestmark = pytest.mark.coupled


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def server(run):
    with guarded.service(run) as found:
        yield found


def end_of(location):
    host, port = location.removeprefix("tcp:").rsplit(":", 1)
    return host, int(port)


def connected(location):
    return socket.create_connection(end_of(location), timeout=30.0)


def noted(run, reason):
    """What was refused for a reason, once it is noted."""
    return until(lambda: [one for one in guarding.refusals(run) if one.reason == reason])


def hung_up(sock):
    try:
        return sock.recv(1000) == b""
    except ConnectionResetError:
        return True


def test_a_server_has_one_address_and_no_common_port(server):
    location, process, _, _ = server
    host, port = end_of(location)
    assert host == "127.0.0.1"
    assert port not in (9000, 9009)
    assert listening([process.pid]) == {("0100007F", port)}


def test_its_own_run_is_served(server):
    location, _, secret, environment = server
    assert call(secret, environment, location)[0] == "answered 1"


def test_every_reconnect_is_guarded_again(server):
    location, _, secret, environment = server
    assert call(secret, environment, location, "--cut")[0] == "answered 3"


def test_another_run_is_refused(server, tmp_path, run):
    location, *_ = server
    with guarded.secret_of(tmp_path) as other:
        environment = guarding.environment(other, tmp_path)
        out, err = call(other, environment, location, "--once")
    assert "answered" not in out
    assert "Traceback" in err
    assert noted(tmp_path, "proof"), "the client refuses a server that is not of its run"
    assert noted(run, "closed"), "and does not prove itself to it"


def test_a_guarded_client_refuses_an_unguarded_server(tmp_path):
    plain = subprocess.Popen(
        [sys.executable, "-m", "toys.guarded", "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with plain, guarded.secret_of(tmp_path) as secret:
        location = plain.stdout.readline().strip()
        port = location.rsplit(":", 1)[1]
        environment = guarding.environment(secret, tmp_path)
        out, _ = call(secret, environment, f"tcp:127.0.0.1:{port}", "--once")
        plain.kill()
    assert "answered" not in out


def test_libmuscle_without_the_guard_is_told_why(server, run):
    location, *_ = server
    told = {**os.environ, "MUSCLE_INSTANCE": "micro[3]", "MUSCLE_MANAGER": location}
    done = subprocess.run(
        [sys.executable, "-m", "toys.guarded", "call", location, "--once"],
        env=told,
        capture_output=True,
        text=True,
        timeout=60.0,
    )
    assert done.stdout.startswith("micro[3] came without the guard of its run")
    assert done.stdout.strip().endswith("admit it with --foreign micro.")
    refusal = noted(run, "unguarded")[-1]
    assert (refusal.instance, refusal.user) == ("micro[3]", os.getuid())
    assert "toys.guarded call" in refusal.command
    assert refusal.fatal
    assert refusal.sentence().startswith("micro[3] came without the guard and was refused")


def test_an_instance_of_another_run_is_a_stranger(server, run):
    location, *_ = server
    told = {**os.environ, "MUSCLE_INSTANCE": "macro", "MUSCLE_MANAGER": "tcp:127.0.0.1:1"}
    subprocess.run(
        [sys.executable, "-m", "toys.guarded", "call", location, "--once"],
        env=told,
        capture_output=True,
        timeout=60.0,
    )
    refusal = noted(run, "unguarded")[-1]
    assert refusal.instance == "macro"
    assert not refusal.fatal
    assert "spoke MUSCLE3 without the guard of this run" in refusal.sentence()


ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
AS_ANOTHER = """
import os, socket, sys
port, pid, *files = sys.argv[1:]
with socket.create_connection(("127.0.0.1", int(port))) as sock:
    sock.sendall(b"garbage!")
    sock.recv(10)
for place in [f"/proc/{pid}/environ", f"/proc/{pid}/fd/100", f"/proc/{pid}/mem", *files]:
    try:
        open(place, "rb").read(1)
        print("read", place)
    except PermissionError:
        pass
"""


@ROOT_ONLY
def test_another_user_of_the_node_is_refused_and_sees_nothing(server, run, tmp_path):
    location, process, *_ = server
    (tmp_path / "shared").mkdir(mode=0o755)
    with guarded.secret_of(tmp_path / "shared", shared=True) as secret:
        file = secret.where.removeprefix("file:")
        for folder in [tmp_path, *tmp_path.parents[:2]]:
            folder.chmod(0o755)
        arguments = [str(end_of(location)[1]), str(process.pid), file]
        done = subprocess.run(
            ["/usr/bin/python3", "-c", AS_ANOTHER, *arguments],
            user=12345,
            group=12345,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60.0,
        )
    assert (done.stdout, done.stderr) == ("", "")
    assert noted(run, "garbage")[-1].user == 12345
    assert "of user 12345" in noted(run, "garbage")[-1].sentence()


def test_garbage_is_not_answered(server, run):
    with connected(server[0]) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert hung_up(sock)
    assert noted(run, "garbage")[-1].pid == os.getpid()


def test_a_recorded_session_is_of_no_use(server, tmp_path, run):
    """What one run said is said again to another one, and to itself."""
    location, _, secret, _ = server
    with guarded.service(tmp_path / "new") as (newer, *_):
        said = recorded(location, guarded.value_of(secret))
        before = len([one for one in guarding.refusals(run) if one.reason == "proof"])
        for replayed in (newer, location):
            with connected(replayed) as sock:
                sock.sendall(said)
                answer = b"".join(iter(lambda: sock.recv(1000), b""))
            assert len(answer) == handshake.NONCE + handshake.PROOF, "a challenge and no more"
        assert noted(tmp_path / "new", "proof")
        until(
            lambda: len([one for one in guarding.refusals(run) if one.reason == "proof"]) > before
        )


def recorded(location, value):
    """All that a genuine client says in a session with one request."""

    class Recorder:
        def __init__(self, sock):
            self.sock, self.said = sock, b""

        def sendall(self, data):
            self.said += data
            self.sock.sendall(data)

        def __getattr__(self, name):
            return getattr(self.sock, name)

    with connected(location) as sock:
        client = Recorder(sock)
        handshake.greet(client, value)
        client.sendall(number(0))
        assert len(sock.recv(8, socket.MSG_WAITALL)) == 8
        client.sendall(number(1) + number(5) + b"hello")
        assert sock.recv(13, socket.MSG_WAITALL) == number(5) + b"olleh"
        client.sendall(number(0))
        return client.said


def number(value):
    return (value % 2**64).to_bytes(8, "little")


@pytest.mark.parametrize("length", [2**32 + 2**20 + 1, 2**40, -1, -(2**63)])
def test_giant_and_negative_lengths_cost_nothing(server, run, length):
    location, process, secret, environment = server
    before = memory(process.pid)
    with connected(location) as sock:
        handshake.greet(sock, guarded.value_of(secret))
        sock.sendall(number(0))
        sock.recv(8, socket.MSG_WAITALL)
        sock.sendall(number(1) + number(length))
        assert hung_up(sock)
    assert memory(process.pid) < before + 2e8
    said = [one.detail for one in noted(run, "frame")]
    assert f"a message of {length} bytes" in said
    assert call(secret, environment, location)[0] == "answered 1"


def memory(pid):
    """The most address space a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.partition("VmPeak:")[2].split()[0])


def test_a_crowd_of_strangers_keeps_nobody_out(server, run):
    location, process, secret, environment = server
    crowd = [connected(location) for _ in range(300)]
    try:
        assert call(secret, environment, location)[0] == "answered 1"
        assert noted(run, "crowd")
        assert threads(process.pid) < 275
    finally:
        for sock in crowd:
            sock.close()
    until(lambda: threads(process.pid) < 10)


def threads(pid):
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def test_strangers_cannot_fill_the_disk(tmp_path):
    with guarded.service(tmp_path) as (location, *_):
        for _ in range(600):
            with connected(location) as sock:
                sock.sendall(b"garbage!")
                hung_up(sock)
        found = until(lambda: (all_ := guarding.refusals(tmp_path))[500:] and all_)
    assert len(found) == 501
    assert found[-1].reason == "many"


def test_a_message_beyond_the_limit_of_the_run_is_refused_by_name(tmp_path):
    with guarded.service(tmp_path, frame_limit=100_000) as (location, _, secret, environment):
        out, err = call(secret, environment, location, "--once")
        assert out == "answered 1"
        out, err = call(secret, {**environment, "MANYSCALE_FRAME_LIMIT": "2"}, location, "--once")
    assert err.strip().endswith(
        "a message of 3 bytes was announced, this run takes at most 2 (MANYSCALE_FRAME_LIMIT)."
    )


OTHERS = [*other_addresses()[1:2], "::1"]
RARE = [pytest.param(address, marks=pytest.mark.nightly) for address in OTHERS]


@pytest.mark.parametrize("address", [*other_addresses()[:1], *RARE, "interface:lo"])
def test_it_works_at_any_address(tmp_path, address):
    with guarded.service(tmp_path, address=address) as (location, process, secret, environment):
        assert call(secret, environment, location)[0] == "answered 1"
        assert call(secret, environment, location, "--cut")[0] == "answered 3"
        assert len(listening([process.pid])) == 1


@pytest.mark.skipif(not other_addresses(), reason="this machine has only loopback")
def test_between_nodes_a_changed_byte_ends_the_connection(tmp_path):
    """Who has the secret but not the keys of a connection cannot put in a word."""
    address = other_addresses()[0]
    with guarded.service(tmp_path, address=address) as (location, _, secret, _):
        host, port = location.removeprefix("tcp:").rsplit(":", 1)
        with socket.create_connection((host.strip("[]"), int(port)), 30.0) as sock:
            handshake.greet(sock, guarded.value_of(secret))
            sock.sendall(number(0))
            sock.sendall(bytes(20))
            assert hung_up(sock)
        assert noted(tmp_path, "record")


@pytest.mark.parametrize("address", ["interface:nothing", "203.0.113.7"])
def test_an_address_that_is_not_here_is_named(tmp_path, address):
    with guarded.secret_of(tmp_path) as secret:
        environment = guarding.environment(secret, tmp_path, address=address)
        process = guarded.python(secret, environment, "-m", "toys.guarded", "serve")
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    sentence = err.strip().splitlines()[-1]
    assert f"cannot listen at {address}: " in sentence
    assert sentence.endswith("name one of the addresses `ip address` lists.")
    assert guarding.refusals(tmp_path)[0].fatal
