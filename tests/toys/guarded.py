"""Servers, clients and managers under the guard, for tests: `python -m toys.guarded serve`."""

import contextlib
import os
import signal
import subprocess
import sys
import time

from manyscale.launching import guarding, keeper
from manyscale.launching.local import command

ECHO = "toys.guarded"


def until(condition, limit=60.0):
    """Wait for a condition, and return what it found."""
    deadline = time.monotonic() + limit
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


def value_of(secret):
    """The secret itself, as only processes of the run may know it."""
    return os.pread(secret.descriptors[0], 33, 0)


@contextlib.contextmanager
def secret_of(run, **options):
    """A secret for the length of a test."""
    run.mkdir(parents=True, exist_ok=True)
    secret = guarding.make_secret(run, **options)
    try:
        yield secret
    finally:
        secret.discard()


def python(secret, environment, *arguments, **options):
    """Start Python with arguments as a process of a run."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env=environment,
        pass_fds=secret.descriptors,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@contextlib.contextmanager
def service(run, **options):
    """A guarded server that echoes; its location, process, secret and environment."""
    with secret_of(run) as secret:
        environment = guarding.environment(secret, run, **options)
        process = python(secret, environment, "-m", ECHO, "serve")
        try:
            location = process.stdout.readline().strip()
            assert location.startswith("tcp:"), process.stderr.read()
            yield location, process, secret, environment
        finally:
            process.kill()
            process.communicate(timeout=30)


def call(secret, environment, location, *options):
    """Let a process call a server; what it printed and said."""
    process = python(secret, environment, "-m", ECHO, "call", location, *options)
    out, err = process.communicate(timeout=60)
    return out.strip(), err


@contextlib.contextmanager
def manager(files, run, **options):
    """A guarded manager that says all it can, and all below it; nothing is left afterwards."""
    with secret_of(run) as secret, (run / "said.txt").open("w") as said:
        process = subprocess.Popen(
            [*command(files, run), "--log-level", "DEBUG"],
            env=guarding.environment(secret, run, **options),
            pass_fds=secret.descriptors,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        family = {}
        try:
            yield process, secret
        finally:
            family = keeper.descendants(process.pid)
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait(timeout=30)
            for pid in family:
                keeper.tell(pid, signal.SIGKILL)


def serve():
    from libmuscle.mcp.tcp_transport_server import TcpTransportServer
    from libmuscle.mcp.transport_server import RequestHandler

    class Echo(RequestHandler):
        def handle_request(self, request):
            return bytes(request)[::-1]

    # without the guard the port of every run may be taken by another one
    server = TcpTransportServer(Echo(), 9000 if "manyscale_guard" in sys.modules else 0)
    print(server.get_location(), flush=True)
    sys.stdin.read()


def call_here(location, *options):
    from libmuscle.mcp import tcp_transport_client as module

    if "--once" in options:  # rather than to try for a minute
        module.RECONNECT_TIMEOUT = 0.0
    greeted = []
    if "manyscale_guard.connections" in sys.modules:
        connections = sys.modules["manyscale_guard.connections"]
        greet = connections.greet
        connections.greet = lambda sock: greeted.append(sock) or greet(sock)
    client = module.TcpTransportClient(location)
    sizes = [3] if "--once" in options else [3, 70_000, 3_000_000]
    for size in sizes:
        sent = os.urandom(size)
        answer, _ = client.call(sent)
        if bytes(answer) != sent[::-1]:
            print(bytes(answer)[5:].decode())
            return
        if "--cut" in options:
            client._socket.shutdown(2)
    print("answered", len(greeted))
    client.close()


if __name__ == "__main__":
    {"serve": serve, "call": call_here}[sys.argv[1]](*sys.argv[2:])
