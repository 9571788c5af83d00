"""Who may connect, and what becomes of those who may not."""

import logging
import os
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from libmuscle.mcp.tcp_util import SocketClosed

from manyscale.hosting.transport import local_socket
from manyscale.hosting.transport.local_socket import MAGIC, Location, StrangerError
from manyscale.hosting.transport.outgoing import ASK, HEAD, ROOM
from messages.ends import Receiver, Sender, numbered, pair, until


@pytest.fixture
def sender():
    made = Sender().meet()
    yield made
    made.server.close(graceful=False)


def name_of(sender):
    return Location.parsed(sender.server.get_location()).name


def stranger(sender):
    """Connect without a word."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made.settimeout(10.0)
    made.connect("\0" + name_of(sender))
    return made


def is_served(sender, number=1):
    """Return whether a good receiver gets its message."""
    sender.meet(f"b.heard[{number}]").send(numbered(number), f"b.heard[{number}]")
    receiver = Receiver(sender.server.get_location())
    try:
        return np.array_equal(receiver.array(f"b.heard[{number}]"), numbered(number))
    finally:
        receiver.client.close()


def hung_up(made):
    """Return whether the server hangs up without sending anything more."""
    while made.recv(local_socket.PACKET):
        pass
    return True


GARBAGE = {
    "a word": b"x",
    "another protocol": b"GET / HTTP/1.1\r\n\r\n",
    "magic alone": MAGIC,
    "magic and too little": MAGIC + bytes(31),
    "magic and too much": MAGIC + bytes(33),
    "another version": MAGIC[:-1] + b"2" + bytes(32),
    "a large packet": bytes(60000),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_hung_up_on_and_others_are_served(sender, name, caplog):
    caplog.set_level(logging.INFO)
    with stranger(sender) as made:
        made.send(GARBAGE[name])
        assert made.recv(local_socket.PACKET) == b""
    assert is_served(sender)
    assert until(lambda: "does not speak as one of this run" in caplog.text)


def test_a_wrong_proof_is_hung_up_on(sender, caplog):
    caplog.set_level(logging.INFO)
    with stranger(sender) as made:
        made.send(MAGIC + bytes(32))
        assert len(made.recv(local_socket.PACKET)) == 64
        made.send(bytes(32))
        assert made.recv(local_socket.PACKET) == b""
    assert is_served(sender)
    assert until(lambda: "does not hold the secret" in caplog.text)


def test_a_proof_cannot_be_had_from_the_server_itself(sender, caplog):
    """What the server proves with is of no use to prove oneself to it."""
    caplog.set_level(logging.INFO)
    with stranger(sender) as made:
        made.send(MAGIC + bytes(32))
        answer = made.recv(local_socket.PACKET)
        made.send(answer[32:])
        assert made.recv(local_socket.PACKET) == b""
    assert until(lambda: "does not hold the secret" in caplog.text)


def test_those_who_only_connect_do_no_harm(sender):
    held = [stranger(sender) for _ in range(20)]
    for made in held[:10]:
        made.close()
    for made in held[10:15]:
        made.send(MAGIC + bytes(32))  # half a handshake
    assert is_served(sender)
    for made in held[10:]:
        made.close()


def test_the_silent_are_hung_up_on(sender, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(local_socket, "_PATIENCE", 0.2)
    with stranger(sender) as made:
        assert made.recv(local_socket.PACKET) == b""
    assert is_served(sender)
    assert until(lambda: "A connection on this host" in caplog.text)


def test_the_secret_of_another_run_opens_nothing(sender, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    secrets = {}
    monkeypatch.setattr(local_socket, "_secret", lambda: secrets.get(threading.get_ident(), b"a"))
    secrets[threading.get_ident()] = b"b"
    with pytest.raises(StrangerError, match="server does not hold the secret"):
        local_socket.connected(name_of(sender))
    secrets.clear()
    assert is_served(sender)


def test_a_server_of_another_run_is_not_believed(monkeypatch):
    """Somebody may sit where an instance was; nothing is told to him."""
    listening, name = local_socket.listening()
    heard = []

    def serve():
        made, _ = listening.accept()
        with made:
            heard.append(made.recv(local_socket.PACKET))
            made.send(bytes(64))
            heard.append(made.recv(local_socket.PACKET))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with pytest.raises(StrangerError):
        local_socket.connected(name)
    thread.join(10.0)
    listening.close()
    assert heard[1] == b""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_another_user_is_hung_up_on(sender, caplog):
    caplog.set_level(logging.INFO)
    child = os.fork()
    if child == 0:
        _end_as_another_user(name_of(sender))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert is_served(sender)
    assert until(lambda: "is of user 65534" in caplog.text)


def _end_as_another_user(name):
    """End with 0 if everything that another user tries is refused."""
    code = 1
    try:
        os.setuid(65534)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as made:
            made.settimeout(10.0)
            made.connect("\0" + name)
            made.send(MAGIC + bytes(32))
            code = 0 if made.recv(100) == b"" else 2
    except ConnectionError:
        code = 0
    finally:
        os._exit(code)


PACKETS = {
    "unknown": HEAD.pack(b"Z", 0, 0),
    "short": HEAD.pack(ASK, 0, 0)[:-1],
    "room of nobody": HEAD.pack(ROOM, 7, 0),
    "no text": HEAD.pack(ASK, 0, 0) + b"\xff\xfe",
    "all but empty": b"\0",
}


@pytest.mark.parametrize("name", PACKETS)
def test_a_receiver_that_is_not_understood_is_hung_up_on(sender, name, caplog):
    caplog.set_level(logging.INFO)
    with local_socket.connected(name_of(sender)) as made:
        made.settimeout(10.0)
        made.send(PACKETS[name])
        assert hung_up(made)
    assert is_served(sender)
    assert until(lambda: "A connection on this host" in caplog.text)


def test_no_descriptor_is_left_of_strangers(sender):
    assert is_served(sender)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(30):
        with stranger(sender) as made:
            made.send(b"x")
            assert hung_up(made)
    assert until(lambda: len(os.listdir("/proc/self/fd")) <= before)


class Exhausted:
    """A listening socket in a process that has as many descriptors as it may, for a while."""

    def __init__(self, listening, times):
        self._listening, self.times = listening, times

    def accept(self):
        self.times -= 1
        if self.times >= 0:
            raise OSError(24, "Too many open files")
        return self._listening.accept()

    def __getattr__(self, name):
        return getattr(self._listening, name)


def test_a_server_out_of_descriptors_serves_again_when_there_are_some(sender):
    exhausted = Exhausted(sender.server._socket, 3)
    sender.server._socket = exhausted
    with stranger(sender):  # ends the call that waits on the real one
        assert is_served(sender)
    assert is_served(sender, 2)
    assert exhausted.times < 0


def test_a_closed_server_listens_no_more():
    sender = Sender()
    name = name_of(sender)
    sender.server.close(graceful=False)
    with pytest.raises(ConnectionRefusedError):
        local_socket.connected(name)
    assert f"@{name}" not in Path("/proc/net/unix").read_text()


def test_a_receiver_of_a_closed_server_hears_that_it_ended():
    with pair() as (sender, receiver):
        sender.send(numbered(1))
        kept = receiver.array()
        sender.server.close(graceful=False)
        begun = time.monotonic()
        with pytest.raises(SocketClosed):
            receiver.receive()
        assert time.monotonic() - begun < 5.0
        assert np.array_equal(kept, numbered(1))


@pytest.mark.parametrize(
    "text", ["", "tcp:1.2.3.4:5", "manyscale:1:a:b", "manyscale:2:a:b:c", "manyscale:1:a:b:c:d"]
)
def test_other_locations_are_not_ours(text):
    assert Location.parsed(text) is None


def test_a_location_comes_back_from_its_text():
    place = Location("boot-net", "name", "payload,ring")
    assert Location.parsed(str(place)) == place
    assert not place.here
    assert Location(local_socket.this_host(), "name", "").here


def test_another_host_can_be_pretended(monkeypatch):
    local_socket.this_host.cache_clear()
    own = local_socket.this_host()
    local_socket.this_host.cache_clear()
    monkeypatch.setenv(local_socket.PRETENDED, "elsewhere")
    try:
        assert local_socket.this_host() == "elsewhere" != own
    finally:
        local_socket.this_host.cache_clear()
