"""What the supervising process does with signals, with two launches at once, and with clocks."""

import os
import signal
import threading
import time
from dataclasses import replace

import pytest

from faults.runs import Launched, spec
from manyscale.contract.refusal import Refused
from manyscale.hosting.telemetry import RUNNING, Standing
from manyscale.launching import stopping, supervise, watchdog
from manyscale.launching.local import launch
from manyscale.launching.outcome import Failed, Interrupted, Stalled
from manyscale.launching.supervise import Tree, signals_unwind
from manyscale.launching.watchdog import Limits, Watchdog, refuse_full


def tree(folder):
    folder.mkdir()
    return Tree(["sleep", "60"], folder, folder / "output", dict(os.environ))


def test_a_process_adopts_orphans_until_its_last_launch_has_ended(tmp_path):
    with tree(tmp_path / "a"):
        second = tree(tmp_path / "b")
        second.__enter__()
    assert supervise._is_subreaper()
    second.__exit__(None, None, None)
    assert not supervise._is_subreaper()


def test_signals_are_noted_and_break_in_nowhere():
    ended = []
    sleeping = threading.Thread(target=time.sleep, args=(1.0,))  # it could take the signal as well
    sleeping.start()
    try:
        with signals_unwind(lambda: None) as look:
            for number in (signal.SIGTERM, signal.SIGINT):
                os.kill(os.getpid(), number)
                time.sleep(0.05)
            ended.append("what has to be done to the end")
            look()
    except Interrupted as exc:
        ended.append(exc.exit_code)
    assert ended == ["what has to be done to the end", 143]
    sleeping.join()


def test_nohup_is_meant():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_unwind(lambda: None) as look:
            os.kill(os.getpid(), signal.SIGHUP)
            look()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.coupled
def test_an_impatient_user_gets_one_end_and_nothing_is_left(tmp_path):
    launched = Launched([spec(tmp_path, **{"a.pause": 0.5})], tmp_path / "run")
    assert launched.until(lambda: launched.steps() >= 2)
    for _ in range(4):
        launched.process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert launched.end() in (130, -signal.SIGINT)
    assert not launched.left(limit=0.5)
    assert launched.state()["state"] == "interrupted"


@pytest.mark.coupled
def test_a_launch_off_the_main_thread_in_a_relative_directory(tmp_path, monkeypatch):
    """As from a notebook; who cleans up elsewhere must not take the run for a dead one."""
    monkeypatch.chdir(tmp_path)
    made = spec(tmp_path / "spec", **{"a.steps": 10, "b.steps": 10})
    (tmp_path / "run").mkdir()
    marks, failed = set(), []

    def look():
        for name in os.listdir("/proc"):
            if name.isdigit():
                marks.update(mark for mark in supervise._environ(int(name)) if tmp in mark)

    def work():
        try:
            launch([made], type(tmp_path)("run"), time_limit=100.0, watch=look)
        except Refused as exc:
            failed.append(exc)

    tmp = b"MANYSCALE_RUN=run"
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failed
    assert not marks


def standing(since, doing="s"):
    return Standing(1.0, 9.0, 0.0, since, 3, RUNNING, since, 1.0, doing)


class Clock:
    """A clock of this machine that is set by hand."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(watchdog.time, "monotonic", lambda: self.now)


@pytest.fixture
def hanging(tmp_path, monkeypatch):
    """A watchdog of a run that has come up, the standing it sees, and its clock."""
    (tmp_path / "instances/a").mkdir(parents=True)
    log = tmp_path / "muscle3_manager.log"
    log.write_text(
        "instance_manager: Planned a on n\nmmp_server: Registered instance a\n", encoding="utf-8"
    )
    seen = {}
    clock = Clock(monkeypatch)
    monkeypatch.setattr(watchdog.telemetry, "read", lambda folder: seen.get("a"))
    dog = Watchdog(tmp_path, Limits(stall=100.0, free=0.0), dict)
    return dog, seen, clock


def look(dog, clock, at):
    clock.now = 1000.0 + at
    dog.look()


def test_a_machine_that_slept_or_a_clock_that_is_wrong_stalls_nobody(hanging):
    dog, seen, clock = hanging
    seen["a"] = standing(since=time.time() - 1e5)  # as another node's clock says, or after a sleep
    for at in (0.0, 2.0, 50.0):
        look(dog, clock, at)
    seen["a"] = standing(since=time.time() - 2e5)
    look(dog, clock, 120.0)
    with pytest.raises(Stalled, match="a is in s at t = 1 s"):
        look(dog, clock, 230.0)


def test_programs_that_tell_nothing_are_named_and_may_have_their_own_limit(hanging, tmp_path):
    dog, _, clock = hanging
    for at in (0.0, 2.0, 60.0):
        look(dog, clock, at)
    with pytest.raises(Stalled, match=r"a had not ended, .* for 100 s; .* --stall-limit a=SEC"):
        look(dog, clock, 200.0)
    patient = Watchdog(tmp_path, Limits(stall=100.0, stalls={"a": 1e6}, free=0.0), dict)
    for at in (300.0, 302.0, 9000.0):
        look(patient, clock, at)


def test_a_run_directory_that_is_removed_is_a_failure(tmp_path):
    with pytest.raises(Failed, match="cannot be reached"):
        refuse_full(tmp_path / "gone", 0.0)


def test_a_moment_to_save_at_stays_near_however_long_somebody_does_not_look(tmp_path, monkeypatch):
    (tmp_path / "instances/a").mkdir(parents=True)
    clock = Clock(monkeypatch)
    told = {}
    monkeypatch.setattr(stopping.telemetry, "read", lambda folder: told["a"])
    request = stopping.Request(tmp_path)
    for second in range(600):  # one s of simulated time in one s
        clock.now = 1000.0 + second
        told["a"] = replace(standing(since=0.0), now=float(second))
        request.look()
    named = float((tmp_path / stopping.REQUEST).read_text())
    assert 570.0 < named < 670.0
