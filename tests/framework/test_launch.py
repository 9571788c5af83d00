"""A launch ends with one root cause, within its time, and leaves no process behind."""

import json
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


def start(folder, fault, time_limit=90.0):
    spec = testing.write_spec(folder, PAIR, EXCHANGE, {"a.fault": fault}, {"a": "b"})
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


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("bug", r"run: a \(s at t = 3 s\): KeyError: 'missing key'"),
        ("nan", r"run: a \(o_i at t = 3 s\): a.shown at t = 3 s: x is nan, expected a finite"),
        ("refuse", r"run: a \(s at t = 3 s\): the pressure is negative"),
    ],
)
def test_the_root_cause_is_one_sentence_and_no_victim(tmp_path, fault, says):
    with pytest.raises(ms.Refused, match=says) as caught:
        start(tmp_path, fault)
    assert "\n" not in str(caught.value)
    errors = (tmp_path / "run/instances/a/stderr.txt").read_text()
    assert ("Traceback" in errors) == (fault == "bug")
    log = (tmp_path / "run/muscle3_manager.log").read_text()
    assert ("Traceback" in log) == (fault == "bug")
    assert not processes_in(tmp_path)


def test_a_process_that_dies_without_a_word_is_named(tmp_path):
    with pytest.raises(ms.Refused, match="run: a ended with exit code 9: it said nothing"):
        start(tmp_path, "die")
    assert not processes_in(tmp_path)


def test_a_hanging_component_ends_with_the_time_limit(tmp_path):
    with pytest.raises(ms.Refused, match="longer than 15 s and was ended"):
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
    assert process.returncode == 130
    assert errors.strip() == "manyscale: interrupted."
    assert not processes_in(tmp_path)


def test_what_failed_is_left_for_programs_too(tmp_path):
    with pytest.raises(ms.Refused):
        start(tmp_path, "refuse")
    record = json.loads((tmp_path / "run/instances/a/workdir/failure.json").read_text())
    assert record["instance"] == "a"
    assert not record["victim"]
