"""Two ends prove to one another that they are of one run, and nobody else can."""

import os
import socket
import threading

import pytest

from manyscale_guard import handshake
from manyscale_guard.handshake import MAGIC, NONCE, PROOF, StrangerError

SECRET, OTHER = bytes(range(32)), bytes(32)


@pytest.fixture
def ends():
    """Both ends of a connection on loopback: the server's, the client's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with server, client:
        yield server, client


def both(server, client, server_secret=SECRET, client_secret=SECRET, patience=10.0):
    """What came of a handshake at either end: keys, or the reason for a refusal."""
    found = {}

    def one(name, shake, sock, secret):
        try:
            found[name] = shake(sock, secret, patience)
        except StrangerError as exc:
            found[name] = exc.reason
            sock.close()

    threads = [
        threading.Thread(target=one, args=("server", handshake.accept, server, server_secret)),
        threading.Thread(target=one, args=("client", handshake.greet, client, client_secret)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    return found["server"], found["client"]


def refusal(server, patience=10.0):
    """Why a server refuses."""
    with pytest.raises(StrangerError) as caught:
        handshake.accept(server, SECRET, patience)
    return caught.value.reason


def test_both_ends_agree_on_two_keys(ends):
    server, client = both(*ends)
    assert server.sending == client.receiving
    assert server.receiving == client.sending
    assert server.sending != server.receiving
    assert ends[0].gettimeout() is None


def test_no_two_connections_have_the_same_keys(ends):
    assert both(*ends)[0] != both(*ends)[0]


def test_another_run_is_refused_by_both(ends):
    assert both(*ends, client_secret=OTHER) == ("closed", "proof")


def test_a_server_of_another_run_learns_nothing_it_can_use(ends):
    server, client = ends
    thread = threading.Thread(target=lambda: server.sendall(os.urandom(NONCE + PROOF)))
    thread.start()
    with pytest.raises(StrangerError, match="proof"):
        handshake.greet(client, SECRET)
    thread.join()
    client.close()
    assert server.recv(1000)[: len(MAGIC)] == MAGIC
    assert server.recv(1000) == b"", "the client has not proved itself"


def test_what_a_server_says_cannot_be_sent_back_to_it(ends):
    server, client = ends

    def reflect():
        client.sendall(MAGIC + os.urandom(NONCE))
        client.sendall(client.recv(NONCE + PROOF, socket.MSG_WAITALL)[NONCE:])

    thread = threading.Thread(target=reflect)
    thread.start()
    assert refusal(server) == "proof"
    thread.join()


def test_a_client_that_hears_itself_refuses(ends):
    server, client = ends

    def reflect():
        said = server.recv(len(MAGIC) + NONCE, socket.MSG_WAITALL)
        server.sendall(said[len(MAGIC) :] + bytes(PROOF))

    thread = threading.Thread(target=reflect)
    thread.start()
    with pytest.raises(StrangerError, match="proof"):
        handshake.greet(client, SECRET)
    thread.join()


class Recorder:
    """A socket that keeps what is sent."""

    def __init__(self, sock):
        self._sock, self.said = sock, b""

    def sendall(self, data):
        self.said += data
        self._sock.sendall(data)

    def __getattr__(self, name):
        return getattr(self._sock, name)


def test_what_was_recorded_is_of_no_use(ends):
    server, client = ends
    recorder = Recorder(client)
    both(server, recorder)
    client.sendall(recorder.said)
    assert refusal(server) == "proof"


def test_a_connection_that_is_passed_on_is_refused(ends):
    """Somebody took over a port and passes everything on to a real server."""
    middle, client = ends
    with socket.create_server(("127.0.0.1", 0)) as listener:
        onward = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()

    def pass_on(source, target):
        try:
            while said := source.recv(1000):
                target.sendall(said)
        except OSError:
            pass

    pairs = [(middle, onward), (onward, middle)]
    threads = [threading.Thread(target=pass_on, args=pair, daemon=True) for pair in pairs]
    for thread in threads:
        thread.start()
    with onward, server:
        assert both(server, client, patience=3.0)[1] == "proof"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (bytes(8), "unguarded"),
        ((17).to_bytes(8, "little"), "unguarded"),
        (b"GET / HTTP/1.1\r\n\r\n", "garbage"),
        (b"\xff" * 8, "garbage"),
        (MAGIC[:5], "closed"),
        (MAGIC + bytes(NONCE - 1), "closed"),
        (MAGIC + bytes(NONCE), "closed"),
        (MAGIC + bytes(NONCE + PROOF - 1), "closed"),
        (MAGIC + bytes(NONCE + PROOF), "proof"),
        (b"", "closed"),
    ],
)
def test_strangers_are_refused_for_what_they_are(ends, said, reason):
    server, client = ends
    client.sendall(said)
    client.shutdown(socket.SHUT_WR)
    assert refusal(server) == reason


@pytest.mark.parametrize("said", [b"", MAGIC[:3], MAGIC + bytes(NONCE)])
def test_who_says_nothing_more_is_not_waited_for(ends, said):
    server, client = ends
    client.sendall(said)
    assert refusal(server, patience=0.1) == "silent"


def test_who_drips_is_not_waited_for(ends):
    server, client = ends
    over = threading.Event()

    def drip():
        for byte in MAGIC + bytes(NONCE):
            client.sendall(bytes([byte]))
            if over.wait(0.05):
                return

    thread = threading.Thread(target=drip)
    thread.start()
    assert refusal(server, patience=0.5) == "silent"
    over.set()
    thread.join()
