"""Launched runs to be tormented: started as users do, looked into from outside."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil

from manyscale import testing
from manyscale.hosting import telemetry
from manyscale.launching import runs
from manyscale.testing import Component
from manyscale_guard import nursery

TIME_LIMIT = 120.0  # s; whatever happens, a run is over by then
STEADY = "toys.steady:Steady"


def spec(folder, **settings):
    """Write a coupling of two; return its file."""
    pair = {"a": Component(STEADY), "b": Component(STEADY)}
    given = {"b.start": 0.4, "a.record": "told;last", "b.record": "told;last"}
    conduits = {"a.told": "b.heard", "b.told": "a.heard"}
    return testing.write_spec(folder, pair, conduits, {**given, **settings}, {"a": "b"})


def spec_on_ranks(folder, **settings):
    """Write a coupling of a rod on two MPI ranks and what heats it; return its file."""
    parts = {
        "furnace": Component("toys.ranks:Furnace"),
        "rod": Component("toys.ranks:Rod", ranks=2),
        "heater": Component("toys.ranks:Heater"),
    }
    conduits = {
        "furnace.begin": "rod.begun",
        "rod.profile": "heater.profile",
        "heater.heat": "rod.heated",
    }
    return testing.write_spec(folder, parts, conduits, {"rod.record": "done", **settings})


class Launched:
    """One `manyscale run`, and what can be seen of it."""

    def __init__(self, files, folder, *options, environment=None, command=("run",)):
        self.run = Path(folder)
        words = [sys.executable, "-m", "manyscale.cli", *map(str, command), *map(str, files)]
        words += ["--run-dir", str(folder), "--time-limit", str(TIME_LIMIT), *map(str, options)]
        self.process = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self.errors = ""

    def processes(self):
        """Return every process of the run by kind: supervisor, keeper, manager, ..."""
        found = {"supervisor": [], "keeper": [], "manager": [], "instantiator": []}
        found |= {"agent": [], "component": [], "mpirun": [], "nursery": []}
        mark = f"{runs.RUN_NAME}={self.run}"
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if process.pid == self.process.pid:
                    found["supervisor"].append(process)
                    continue
                told = Path(f"/proc/{process.pid}/environ").read_text().split("\0")
                if mark not in told:
                    continue
                kind = self._kind(process, " ".join(process.cmdline()))
                if any(re.match(rf"{nursery.VARIABLE}=\d", entry) for entry in told):
                    kind = "nursery"
            except (psutil.Error, OSError, UnicodeDecodeError):
                continue
            found.setdefault(kind, []).append(process)
        return found

    def _kind(self, process, line):
        if "keeper.py" in line:
            return "keeper"
        if "muscle3.muscle_manager" in line:
            above = process.parent()
            nested = above is not None and "muscle_manager" in " ".join(above.cmdline())
            return (
                "instantiator"
                if nested and "keeper.py" not in " ".join(above.cmdline())
                else "manager"
            )
        if "native_instantiator.agent" in line:
            return "agent"
        if "manyscale.hosting.muscle" in line and "mpirun" not in line:
            return "component"
        return "mpirun" if "mpirun" in line or "hydra" in line else "other"

    def steps(self):
        """Return how many turns the slowest component has made, 0 before all are up."""
        places = sorted((self.run / "instances").glob("*/workdir"))
        told = [telemetry.read(place) for place in places]
        return min((t.turns if t else 0 for t in told), default=0)

    def until(self, holds, limit=40.0):
        """Wait until something holds, or the run is over; return whether it holds."""
        deadline = time.monotonic() + limit
        while not holds():
            if self.process.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def end(self):
        """Wait for the end; return the exit code."""
        try:
            _, self.errors = self.process.communicate(timeout=TIME_LIMIT + 60.0)
        finally:
            self.process.kill()
        return self.process.returncode

    @property
    def cause(self):
        """The last line said on standard error."""
        lines = [line for line in self.errors.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def left(self, limit=20.0):
        """Return what is left of the run a little later: processes, shared memory, secrets."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            alive = [p for some in self.processes().values() for p in some]
            if not alive:
                break
            time.sleep(0.1)
        found = [f"{p.pid} {p.name()}" for p in alive if p.is_running()]
        found += [str(p) for p in Path("/dev/shm").glob("manyscale-*") if self._made(p)]
        return found + [str(p) for p in self.run.glob(".guard*")]

    def _made(self, path):
        number = re.match(r"manyscale-(\d+)-", path.name)
        return number is not None and not psutil.pid_exists(int(number[1]))

    def state(self):
        """Return what the run says about itself."""
        return json.loads((self.run / runs.FILE).read_text())
