"""A launch ends with one root cause, within its time, and leaves no process behind."""

import json
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

import manyscale as ms
from manyscale import testing
from manyscale.launching.local import launch
from manyscale.launching.run_dir import instance_folders
from manyscale.testing import Component

pytestmark = pytest.mark.coupled
PAIR = {"a": Component("toys.trouble:Trouble"), "b": Component("toys.trouble:Trouble")}
EXCHANGE = {"a.shown": "b.seen", "b.shown": "a.seen"}


def start(folder, fault, where="s", time_limit=90.0):
    settings = {"a.fault": fault, "a.where": where}
    spec = testing.write_spec(folder, PAIR, EXCHANGE, settings, {"a": "b"})
    run = folder / "run"
    run.mkdir()
    launch([spec], run, time_limit=time_limit)


def processes_in(folder):
    found = []
    for process in psutil.process_iter():
        try:
            named = [process.cwd(), *process.cmdline()]
            here = any(str(folder) in text for text in named)
            if here and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


BUG = r"KeyError: 'missing key'"


@pytest.mark.parametrize(
    ("fault", "where", "says"),
    [
        ("bug", "f_init", rf"run: a \(f_init at t = 0 s\): {BUG}"),
        ("bug", "clock", rf"run: a \(s at t = 2 s\): {BUG}"),
        ("bug", "o_i", rf"run: a \(o_i at t = 3 s\): {BUG}"),
        ("bug", "s", rf"run: a \(s at t = 3 s\): {BUG}"),
        ("bug", "o_f", rf"run: a \(o_f at t = 6 s\): {BUG}"),
        ("nan", "o_i", r"run: a \(o_i at t = 3 s\): a.shown at t = 3 s: x is nan, expected a fin"),
        ("shape", "o_i", r"run: a \(o_i at t = 3 s\): a.shown at t = 3 s: x is an array \(3,\)"),
        ("refuse", "s", r"run: a \(s at t = 3 s\): the pressure is negative; make the step"),
        ("value", "s", r"run: a \(s at t = 3 s\): the pressure is negative$"),
        ("exit", "s", r"run: a \(s at t = 3 s\): SystemExit: 3"),
    ],
)
def test_the_root_cause_comes_last_and_victims_are_named(tmp_path, fault, where, says):
    with pytest.raises(ms.Refused) as caught:
        start(tmp_path, fault, where)
    *before, cause = str(caught.value).splitlines()
    assert re.search(says, cause), caught.value
    assert not any("b.seen" in line for line in before), "no word of a victim's own"
    is_bug = fault in ("bug", "exit")
    assert ("Traceback" in "".join(before)) == is_bug
    assert not [line for line in before if "hosting" in line], "only frames of the model"
    errors = (tmp_path / "run/instances/a/stderr.txt").read_text()
    assert errors.count("Traceback") == is_bug
    assert not processes_in(tmp_path)


def test_a_process_that_dies_without_a_word_is_named(tmp_path):
    with pytest.raises(
        ms.Refused, match=r"run: a \(s at t = 3 s\) ended with exit code 9: it said nothing"
    ):
        start(tmp_path, "die")
    assert not processes_in(tmp_path)


def test_a_hanging_component_ends_with_the_time_limit(tmp_path):
    says = r"longer than 15 s and was ended: .* a is in s at t = 3 s since \d+ s\.$"
    with pytest.raises(ms.Refused, match=says):
        start(tmp_path, "hang", time_limit=15.0)
    assert len(instance_folders(tmp_path / "run")) == 2
    assert not processes_in(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_command_ends_everything(tmp_path, number):
    spec = testing.write_spec(tmp_path, PAIR, EXCHANGE, {"a.fault": "hang"}, {"a": "b"})
    command = [sys.executable, "-m", "manyscale.cli", "run", spec, "--run-dir", tmp_path / "run"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60.0
        while len(processes_in(tmp_path / "run")) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30.0)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert errors.strip() == "manyscale: interrupted."
    assert not processes_in(tmp_path)


def test_what_failed_is_left_for_programs_too(tmp_path):
    with pytest.raises(ms.Refused):
        start(tmp_path, "refuse")
    record = json.loads((tmp_path / "run/instances/a/workdir/failure.json").read_text())
    assert record["instance"] == "a"
    assert not record["victim"]
