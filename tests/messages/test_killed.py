"""One side is killed: the other one ends with an error at once, and nothing is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from manyscale.hosting.transport.local_socket import Location
from messages.children import TESTS
from messages.ends import Sender, numbered, until

AT_MOST = 5.0  # s until the other side has ended; it takes far less
SIDES = {"exchange": ("exchange", "exchange"), "behind": ("far_ahead", "slow")}


def started(kind, name, other, size, folder):
    given = f"{name!r}, {other!r}, {size}, {str(folder)!r}"
    text = f"from messages.ended import {kind}; {kind}({given})"
    path = f"{TESTS}:{os.environ.get('PYTHONPATH', '')}"
    return subprocess.Popen(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
    )


def left():
    """Return the sockets and memory of messages that there are on this host, and whose."""
    found = {line.split("@")[1] for line in _unix() if "@manyscale-" in line}
    found |= {path.name for path in Path("/dev/shm").glob("manyscale*")}
    for process in psutil.process_iter():
        for number in _descriptors(process.pid):
            where = f"/proc/{process.pid}/fd/{number}"
            if "memfd:manyscale" in _where(where):
                found.add(f"{process.pid} {process.create_time()}")
    return found


def _unix():
    return Path("/proc/net/unix").read_text().splitlines()


def _descriptors(process):
    try:
        return os.listdir(f"/proc/{process}/fd")
    except OSError:
        return []


def _where(link):
    try:
        return os.readlink(link)
    except OSError:
        return ""


def of(processes):
    """Return a predicate: whether anything is left of processes."""
    marks = [f"manyscale-{process.pid}-" for process in processes]
    numbers = [f"{process.pid} " for process in processes]
    return lambda: [one for one in left() if one.startswith((*marks, *numbers))]


def kill_one(kinds, seed, folder):
    """Start two sides, kill one at a random moment; return how the other one ended, and when."""
    rng = np.random.default_rng(seed)
    size = int(rng.choice([1, 3000, 100_000]))
    names = ["a", "b"]
    sides = [
        started(kind, name, other, size, folder)
        for kind, name, other in zip(kinds, names, reversed(names), strict=True)
    ]
    try:
        assert until(lambda: all((folder / f"{n}.goes").exists() for n in names)), _words(sides)
        time.sleep(float(rng.random()) * 0.5)
        victim = int(rng.integers(2))
        os.kill(sides[victim].pid, signal.SIGKILL)
        killed = time.time()
        told = folder / f"{names[1 - victim]}.ended"
        assert until(told.exists, AT_MOST), f"the other side has not ended; seed {seed}"
        when, disconnected, words = told.read_text().split(maxsplit=2)
        assert sides[1 - victim].wait(AT_MOST) == 1
        assert until(lambda: not of(sides)()), of(sides)()
        return float(when) - killed, disconnected == "True", words
    finally:
        for side in sides:
            side.kill()
            side.wait()
            side.stderr.close()


def _words(sides):
    for side in sides:
        side.kill()
    return [side.communicate()[1] for side in sides]


SEEDS = [pytest.param(n, marks=[] if n < 3 else pytest.mark.nightly) for n in range(30)]


@pytest.mark.parametrize("kind", SIDES)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_other_side_ends_at_once_and_nothing_is_left(kind, seed, tmp_path):
    took, disconnected, words = kill_one(SIDES[kind], [seed, len(kind)], tmp_path)
    print(f"the other side had its error {1e3 * took:.0f} ms after the kill: {words}")
    assert disconnected
    assert took < AT_MOST


def test_a_peer_that_lives_long_keeps_nothing_of_those_that_were_killed(tmp_path):
    """Receivers come, take large arrays, and are killed; the sender's descriptors do not grow."""
    sender = Sender()
    try:
        counts = [_descriptors_after(sender, f"b.heard[{n}]", tmp_path) for n in range(5)]
    finally:
        sender.server.close(graceful=False)
    assert counts[-1] <= counts[0]


def _descriptors_after(sender, port, folder):
    """Let a receiver of a port come and be killed; return how many descriptors are open then."""
    sender.meet(port)
    child = started("receive", port, sender.server.get_location(), 0, folder)
    for turn in range(3):
        sender.send(numbered(turn), port)
    to = sender.dispatch.outgoing[port]
    try:
        assert until(lambda: to._lane is not None)
    finally:
        child.kill()
        child.wait()
        child.stderr.close()
    assert until(lambda: to.gone and not sender.server._open)
    return len(os.listdir("/proc/self/fd"))


def test_a_name_is_free_when_its_process_was_killed(tmp_path):
    side = started("far_ahead", "a", "b", 10, tmp_path)
    assert until((tmp_path / "a.goes").exists), _words([side])
    name = Location.parsed((tmp_path / "a").read_text()).name
    assert name in left()
    side.kill()
    side.wait()
    side.stderr.close()
    assert until(lambda: name not in left())
