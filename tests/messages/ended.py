"""Two ends in processes of their own, one of which is killed: without a manager.

Each is an instance in what matters: it has a server, and a client of the other's.
"""

import os
import signal
import sys
import time

import numpy as np
from libmuscle.mcp.tcp_util import is_disconnect

from messages.ends import Receiver, Sender


def exchange(name, other, size, folder):
    """Tell and hear for ever; note when and with what it ends."""
    side = Sender().meet(f"{other}.heard")
    mine, theirs = f"{folder}/{name}", f"{folder}/{other}"
    _write(mine, side.server.get_location())
    receiver = Receiver(_read(theirs))
    try:
        number = 0
        while True:
            side.send({"n": number, "x": np.full(int(size), number)}, f"{other}.heard", port=name)
            found = receiver.receive(f"{name}.heard").data
            assert found["n"] == number
            assert (found["x"].array == number).all()
            number += 1
            if number == 10:
                _write(f"{mine}.goes", "on")
    except Exception as exc:
        _write(f"{mine}.ended", f"{time.time()} {is_disconnect(exc)} {exc}")
        sys.exit(1)


def far_ahead(name, other, size, folder):
    """Send for ever, without waiting for anybody."""
    side = Sender().meet(f"{other}.heard")
    _write(f"{folder}/{name}", side.server.get_location())
    (to,) = side.dispatch.outgoing.values()
    while not to.gone:
        side.send(np.zeros(int(size)), f"{other}.heard", port=name)
        _write(f"{folder}/{name}.goes", "on")
        time.sleep(0.001)
    _write(f"{folder}/{name}.ended", f"{time.time()} True gone")
    sys.exit(1)


def slow(name, other, size, folder):
    """Receive slowly for ever."""
    receiver = Receiver(_read(f"{folder}/{other}"))
    try:
        while True:
            receiver.receive(f"{name}.heard")
            _write(f"{folder}/{name}.goes", "on")
            time.sleep(0.05)
    except Exception as exc:
        _write(f"{folder}/{name}.ended", f"{time.time()} {is_disconnect(exc)} {exc}")
        sys.exit(1)


def receive(name, location, size, folder):
    """Receive for ever on a port that is given by its name."""
    receiver = Receiver(location)
    while True:
        receiver.receive(name)


def _write(path, text):
    with open(f"{path}.new", "w") as file:
        file.write(text)
    os.replace(f"{path}.new", path)


def _read(path):
    deadline = time.monotonic() + 30.0
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.002)
    with open(path) as file:
        return file.read()
