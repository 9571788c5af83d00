"""Kills a launched coupling in its middle and lets it go on from its newest snapshot."""

import os
import signal
import subprocess
import time

import psutil
import yaml

from manyscale.launching import snapshots
from manyscale.launching.local import command, launch

TIME_LIMIT = 120.0


def as_one_file(files, path, settings):
    """Write the files of a spec, with some settings changed, as one file."""
    whole = {}
    for file in files:
        for key, value in yaml.safe_load(file.read_text()).items():
            whole[key] = whole.get(key, {}) | value if isinstance(value, dict) else value
    whole["settings"] |= settings
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    return path


def resumed(spec, folder, every, after=3, clock="simulation_time"):
    """Run `spec` with snapshots, kill it after so many, resume; return the finished run."""
    rules = {"at_end": True, clock: [{"every": every}]}
    extra = folder / "checkpoints.ymmsl"
    extra.write_text(yaml.safe_dump({"ymmsl_version": "v0.2", "checkpoints": rules}))
    first, second = folder / "killed", folder / "resumed"
    killed([spec, extra], first, after)
    second.mkdir()
    launch([spec, extra, snapshots.newest(first)], second, time_limit=TIME_LIMIT)
    return second


def killed(files, run, after):
    """Start a run and kill all of it as soon as it has so many sets of snapshots."""
    run.mkdir()
    with (run / "output.txt").open("w") as log:
        manager = subprocess.Popen(
            command(files, run), stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + TIME_LIMIT
    try:
        while len(snapshots.sets(run)) < after:
            assert manager.poll() is None, "it ended before it was killed"
            assert time.monotonic() < deadline, "no snapshot in time"
            time.sleep(0.001)
    finally:
        _end(manager)


def _end(manager):
    if manager.poll() is None:
        parent = psutil.Process(manager.pid)
        for process in [*parent.children(recursive=True), parent]:
            if process.is_running():
                os.kill(process.pid, signal.SIGKILL)
    manager.wait()
