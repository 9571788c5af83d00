"""Every kind of fault: how a run is started for it, what is done to it, how it must end.

`torment(folder, rng)` does it once and returns what is wrong with the end, nothing if all is
well. Moments and victims come from the seeded generator.
"""

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

import msgpack
import psutil

from faults.runs import Launched, spec, spec_on_ranks
from manyscale import testing
from manyscale.launching import local

DONE, REFUSED, FAILED, TIME_UP, STALLED, LATE, FULL, STOPPED = 0, 1, 3, 5, 6, 7, 8, 75
KILLED = -signal.SIGKILL
STEPS = {"a.steps": 60, "b.steps": 60}
ALL = {}


def fault(*, fast=False):
    """Make a function a kind of fault; `fast` ones are in every test run."""

    def registered(function):
        ALL[function.__name__] = (function, fast)
        return function

    return registered


def expect(launched, codes, cause="", reference=None):
    """Return what is wrong with how a run ended."""
    code = launched.end()
    wrong = []
    if code not in codes:
        wrong.append(f"exit code {code}, expected one of {codes}: {launched.errors[-600:]}")
    if cause and not re.search(cause, launched.cause):
        wrong.append(f"cause {launched.cause!r}, expected {cause!r}")
    if "Traceback" in launched.errors and "toys" not in launched.errors:
        wrong.append(f"a traceback: {launched.errors[-600:]}")
    if left := launched.left():
        wrong.append(f"left behind: {left}")
    if code == DONE and reference is not None:
        wrong += testing.differences(reference, launched.run)
    return wrong


def undisturbed(folder):
    """Return a run of the same coupling to which nothing happens."""
    run = folder.parent / "undisturbed"
    if not (run / "run").exists():
        made = spec(run, **STEPS, **{"a.pause": 0.0, "b.pause": 0.0})
        (run / "run").mkdir()
        local.launch([made], run / "run", time_limit=60.0)
    return run / "run"


def started(folder, rng, *options, early=True, **settings):
    """Launch the pair and wait for a random moment of its life."""
    launched = Launched([spec(folder, **{**STEPS, **settings})], folder / "run", *options)
    if early and rng.random() < 0.3:
        launched.until(lambda: (folder / "run/run.json").exists())
        time.sleep(rng.random() * 1.5)
    else:
        moment = int(rng.integers(1, 40))
        launched.until(lambda: launched.steps() >= moment)
    return launched


def hit(launched, kind, number, rng):
    """Send a signal to a process of that kind; return whether there was one."""
    some = launched.processes()[kind]
    if not some:
        return False
    victim = some[int(rng.integers(len(some)))]
    try:
        victim.send_signal(number)
    except psutil.NoSuchProcess:
        return False
    return True


def _ended(kind, number, codes, cause, folder, rng):
    launched = started(folder, rng)
    was_hit = hit(launched, kind, number, rng)
    allowed = codes if was_hit else (*codes, DONE)
    # killed while everybody is about to end, a run may still be whole
    late = launched.steps() >= 59
    if late or not was_hit:
        return expect(launched, {*allowed, DONE}, reference=undisturbed(folder))
    return expect(launched, allowed, cause)


@fault(fast=True)
def kill_supervisor(folder, rng):
    return _ended("supervisor", signal.SIGKILL, {KILLED}, "", folder, rng)


@fault(fast=True)
def terminate_supervisor(folder, rng):
    return _ended("supervisor", signal.SIGTERM, {143}, "interrupted", folder, rng)


@fault()
def interrupt_supervisor(folder, rng):
    return _ended("supervisor", signal.SIGINT, {130}, "interrupted", folder, rng)


@fault()
def hang_up_supervisor(folder, rng):
    return _ended("supervisor", signal.SIGHUP, {129}, "interrupted", folder, rng)


@fault(fast=True)
def kill_keeper(folder, rng):
    return _ended("keeper", signal.SIGKILL, {FAILED}, "kept all others was killed", folder, rng)


@fault()
def terminate_keeper(folder, rng):
    return _ended("keeper", signal.SIGTERM, {FAILED}, "was told SIGTERM", folder, rng)


@fault(fast=True)
def kill_manager(folder, rng):
    return _ended("manager", signal.SIGKILL, {FAILED}, "ended by SIGKILL", folder, rng)


@fault()
def terminate_manager(folder, rng):
    return _ended("manager", signal.SIGTERM, {FAILED}, "ended by SIGTERM", folder, rng)


@fault()
def kill_instantiator(folder, rng):
    return _ended("instantiator", signal.SIGKILL, {FAILED}, "killed", folder, rng)


@fault(fast=True)
def kill_agent(folder, rng):
    return _ended("agent", signal.SIGKILL, {FAILED}, "killed|ended", folder, rng)


@fault()
def terminate_agent(folder, rng):
    return _ended("agent", signal.SIGTERM, {FAILED}, "killed|ended", folder, rng)


@fault(fast=True)
def kill_nursery(folder, rng):
    launched = started(folder, rng, early=False)
    hit(launched, "nursery", signal.SIGKILL, rng)
    return expect(launched, {DONE}, reference=undisturbed(folder))


@fault(fast=True)
def kill_component(folder, rng):
    return _ended("component", signal.SIGKILL, {FAILED}, r"(a|b)\b.*ended", folder, rng)


@fault()
def terminate_component(folder, rng):
    return _ended("component", signal.SIGTERM, {FAILED}, r"(a|b)\b.*ended", folder, rng)


@fault()
def kill_supervisor_and_keeper(folder, rng):
    """Both guardians at once: what is left is ended by the kernel, one after the other."""
    launched = started(folder, rng)
    hit(launched, "keeper", signal.SIGKILL, rng)
    hit(launched, "supervisor", signal.SIGKILL, rng)
    return expect(launched, {KILLED, FAILED, DONE})


@fault()
def stop_a_component_for_a_while(folder, rng):
    """A frozen component goes on as if nothing had been."""
    return _stopped_for_a_while("component", folder, rng)


@fault()
def stop_the_keeper(folder, rng):
    launched = started(folder, rng)
    hit(launched, "keeper", signal.SIGSTOP, rng)
    return expect(launched, {DONE}, reference=undisturbed(folder))


@fault()
def stop_the_supervisor_for_a_while(folder, rng):
    return _stopped_for_a_while("supervisor", folder, rng)


@fault()
def stop_the_manager_for_a_while(folder, rng):
    return _stopped_for_a_while("manager", folder, rng)


def _stopped_for_a_while(kind, folder, rng):
    launched = started(folder, rng, early=False)
    some = launched.processes()[kind]
    for victim in some[:1]:
        victim.send_signal(signal.SIGSTOP)
        time.sleep(1.0 + rng.random())
        victim.send_signal(signal.SIGCONT)
    return expect(launched, {DONE}, reference=undisturbed(folder))


@fault()
def stop_a_component_for_good(folder, rng):
    launched = started(folder, rng, "--stall-limit", "4", early=False)
    if not hit(launched, "component", signal.SIGSTOP, rng):
        return expect(launched, {DONE})
    return expect(launched, {STALLED}, r"was stopped by a signal")


@fault(fast=True)
def a_model_that_hangs(folder, rng):
    at = int(rng.integers(1, 50))
    settings = {"a.ill": "hang", "a.at": at}
    launched = started(folder, rng, "--stall-limit", "3", **settings)
    return expect(launched, {STALLED}, rf"a is in s at t = {at} s since \d+ s, longer than 3 s")


@fault()
def a_model_that_hangs_until_the_limit(folder, rng):
    settings = {"b.ill": "hang", "b.at": int(rng.integers(1, 30))}
    launched = started(folder, rng, "--time-limit", "9", **settings)
    return expect(launched, {TIME_UP}, "took longer than 9 s")


@fault(fast=True)
def a_daemon_of_a_component(folder, rng):
    """What a component leaves behind, in a session of its own, is ended with the run."""
    launched = started(folder, rng, **{"a.ill": "daemon", "a.at": int(rng.integers(1, 50))})
    return expect(launched, {DONE}, reference=undisturbed(folder))


@fault(fast=True)
def cut_connections(folder, rng):
    """All connections of a component are shut; both sides connect again, nothing is lost."""
    who = "ab"[int(rng.integers(2))]
    settings = {f"{who}.ill": "cut", f"{who}.at": int(rng.integers(1, 50))}
    launched = started(folder, rng, "--messages", "stock", **settings)
    return expect(launched, {DONE}, reference=undisturbed(folder))


@fault(fast=True)
def an_executable_that_vanishes(folder, rng):
    tool = folder / "tool.sh"
    made = spec(folder, **STEPS)
    text = made.read_text()
    words = text.split("executable: ")
    python = words[1].split("\n")[0]
    tool.write_text(f'#!/bin/bash\nexec {python} "$@"\n')
    tool.chmod(0o755)
    made.write_text(text.replace(f"executable: {python}", f"executable: {tool}", 1))
    launched = Launched([made], folder / "run")
    launched.until(lambda: (folder / "run").exists())
    tool.unlink()
    return expect(launched, {FAILED}, r"\ba\b.*exit code 127")


@fault()
def a_failing_mpirun(folder, rng):
    """An mpirun that ends at once, or says it did well."""
    fake = folder / "bin"
    fake.mkdir(parents=True)
    code = int(rng.integers(2)) * 7
    (fake / "mpirun").write_text(f"#!/bin/bash\necho no fabric >&2\nexit {code}\n")
    (fake / "mpirun").chmod(0o755)
    made = spec_on_ranks(folder)
    text = re.sub(r"    virtual_env: .*\n", "", made.read_text())
    made.write_text(text)
    path = f"{fake}:{os.environ['PATH']}"
    launched = Launched([made], folder / "run", "--no-check", environment={"PATH": path})
    return expect(launched, {FAILED}, r"rod")


@fault()
def kill_a_rank(folder, rng):
    return _on_ranks("component", signal.SIGKILL, folder, rng)


@fault()
def kill_mpirun(folder, rng):
    return _on_ranks("mpirun", signal.SIGKILL, folder, rng)


@fault()
def kill_supervisor_of_ranks(folder, rng):
    return _on_ranks("supervisor", signal.SIGKILL, folder, rng, {KILLED})


def _on_ranks(kind, number, folder, rng, codes=frozenset({FAILED})):
    if shutil.which("mpirun") is None and not list(folder.glob("none")):
        pass  # the wheel's mpirun is found beside the interpreter
    made = spec_on_ranks(folder, **{"rod.steps": 4000})
    launched = Launched([made], folder / "run")
    place = folder / "run/instances/rod/workdir"
    launched.until(lambda: (place / "clock.bin").exists())
    time.sleep(rng.random())
    hit(launched, kind, number, rng)
    return expect(launched, set(codes))


@fault(fast=True)
def strangers(folder, rng):
    """Garbage, giant frames, silence and forged messages at every port of a run."""
    launched = started(folder, rng, early=False)
    held = [_visit(port, rng) for port in _ports(launched) for _ in range(3)]
    wrong = expect(launched, {DONE}, reference=undisturbed(folder))
    for connection in held:
        connection.close()
    return wrong


def _ports(launched):
    found = set()
    for some in launched.processes().values():
        for process in some:
            try:
                connections = process.net_connections("inet")
            except psutil.Error:
                continue
            found |= {c.laddr for c in connections if c.status == psutil.CONN_LISTEN}
    return sorted(found)


_FORGED = (
    [1, "a", "", ["tcp:127.0.0.1:1"], [], "0.11.0"],  # register
    [3, "a"],  # deregister
    [41, "n1"],  # get a command of the agent
    [42, [["a", 0], ["b", 0]]],  # report exit codes
    [5, "a", 4, 1.0, "forged"],  # log
)


def _visit(address, rng):
    """Come as a stranger; return the connection, held open."""
    connection = socket.create_connection(tuple(address), timeout=5.0)
    what = int(rng.integers(5))
    try:
        if what == 0:
            connection.sendall(rng.bytes(int(rng.integers(1, 5000))))
        elif what == 1:
            connection.sendall(struct.pack("<qqq", 0, 1, 2**62))
        elif what == 2:
            body = msgpack.packb(_FORGED[int(rng.integers(len(_FORGED)))])
            connection.sendall(struct.pack("<qqq", 0, 1, len(body)) + body)
        elif what == 3:
            connection.sendall(struct.pack("<qqq", 1, 1, -5))
    except OSError:
        pass  # refused while it was speaking
    return connection


@fault()
def simultaneous_runs(folder, rng):
    """Two or four runs at once, one of them killed: the others are as if alone."""
    count = int(rng.choice([2, 4]))
    several = []
    for i in range(count):
        made = spec(folder / str(i), **STEPS)
        several.append(Launched([made], folder / str(i) / "run"))
    several[0].until(lambda: several[0].steps() > int(rng.integers(1, 30)))
    hit(several[0], "supervisor", signal.SIGKILL, rng)
    wrong = expect(several[0], {KILLED})
    for other in several[1:]:
        wrong += expect(other, {DONE}, reference=undisturbed(folder))
    return wrong


@fault(fast=True)
def a_full_disk(folder, rng):
    """Room runs out while the run goes on: it ends in time, and not as a success."""
    if os.getuid() != 0:
        return []
    disk = folder / "disk"
    disk.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", disk]).returncode:
        return []
    try:
        watched = rng.random() < 0.7
        settings = {**STEPS, "a.ill": "fill", "a.at": int(rng.integers(1, 50))}
        made = spec(folder, **settings)
        least = "10" if watched else "0"
        launched = Launched([made], disk / "run", "--min-free", least)
        return expect(launched, {FULL} if watched else {FULL, FAILED})
    finally:
        subprocess.run(["umount", "--lazy", disk], check=False)


@fault()
def a_stop_at_a_random_moment(folder, rng):
    """A run asked to stop saves, ends, and goes on to the same numbers."""
    settings = {**STEPS, "a.pause": 0.1, "b.pause": 0.0}
    made = spec(folder, **settings)
    launched = Launched([made], folder / "run", "--checkpoint-every", "1000")
    moment = int(rng.integers(1, 25))
    launched.until(lambda: launched.steps() >= moment)
    hit(launched, "supervisor", signal.SIGUSR1, rng)
    wrong = expect(launched, {STOPPED}, "go on with")
    if wrong:
        return wrong
    again = Launched([], folder / "resumed", command=["resume", folder / "run"])
    return expect(again, {DONE}, reference=undisturbed(folder))
