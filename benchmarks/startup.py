"""Start and end of a coupling of many: processor time of one instance, and of all of them.

    python benchmarks/startup.py [--before TREE] [--many 50] [--rounds 3]

One caller and a crowd of 50 exchange one number and end, in turn

    bare       as programs on bare libmuscle, under plain `muscle_manager`
    hosted     as hosted models, under plain `muscle_manager`
    each       under `manyscale run`, every instance started by itself (MANYSCALE_NURSERY=no)
    now        under `manyscale run`

and, with another checkout of this project, `hosted` and `run` as they are there. Prints medians:
wall time until everybody has exchanged, wall and processor time of all; ratios are of `now`.
"""

import argparse
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ymmsl
from ymmsl import v0_2 as y

import crowd
from manyscale.launching.local import command
from manyscale.testing import Component, write_spec

HERE = Path(__file__).parent
TIME_LIMIT = 150  # s of one run
STAGES = {
    "the interpreter": "pass",
    "with numpy": "import numpy",
    "with libmuscle": "import numpy, libmuscle",
    "the host of a model": "import manyscale.hosting.muscle",
    "the same after gc.freeze()": "import gc, manyscale.hosting.muscle; gc.freeze()",
}


def path_of(tree):
    """Return where Python finds the package in a checkout of this project, and the crowd."""
    places = [HERE] if tree is None else [HERE, tree / "framework", tree / "plugins"]
    return os.pathsep.join(map(str, places))


def spent(words, tree=None, **more):
    """Run a command; return wall time and processor time of it and all below it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": path_of(tree), **more}
    began = time.perf_counter()
    subprocess.run(words, env=environment, check=True, capture_output=True, timeout=TIME_LIMIT)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def stages(trees, rounds):
    """Print the processor time of one process that imports more and more, and ends."""
    found = {(name, stage): [] for name in trees for stage in STAGES}
    for _ in range(rounds):
        for name, stage in found:
            words = [sys.executable, "-c", STAGES[stage]]
            found[name, stage].append(1e3 * spent(words, trees[name])[1])
    print(f"{'one process, ms of processor time':36}" + "".join(f"{name:>8}" for name in trees))
    for stage in STAGES:
        middles = (statistics.median(found[name, stage]) for name in trees)
        print(f"  {stage:34}" + "".join(f"{middle:8.0f}" for middle in middles))


def specs(folder, many):
    """Write the coupling twice: for hosted models, and for bare programs."""
    parts = {"caller": Component("crowd:Caller"), "called": Component("crowd:Called", many)}
    wires = {"caller.asked": "called.asked", "called.answer": "caller.answer"}
    hosted = write_spec(folder / "hosted", parts, wires)
    config = ymmsl.load_as(y.Configuration, hosted)
    for role in parts:
        program = config.programs[y.Reference(f"program_of_{role}")]
        program.executable, program.args = crowd.bare_program(role)
    bare = folder / "bare.ymmsl"
    bare.write_text(ymmsl.dump(config))
    return hosted, bare


def exchanged(run, began):
    """Return when the last instance had heard something for the first time, in s."""
    with sqlite3.connect(run / "performance.sqlite") as profile:
        heard = "SELECT MIN(stop_time) FROM all_events WHERE type = 'RECEIVE' GROUP BY instance"
        return max(first for (first,) in profile.execute(heard)) / 1e9 - began


def one_run(spec, run, how, tree, **more):
    """Run a coupling; return s until all have exchanged, of wall and of processor time."""
    supervised = [sys.executable, "-m", "manyscale.cli", "run", str(spec), "--run-dir", str(run)]
    words = [*supervised, "--time-limit", str(TIME_LIMIT)]
    if how == "plain":
        run.mkdir()
        words = command([spec], run)
    began = time.time()
    wall, processor = spent(words, tree, **more)
    found = exchanged(run, began), wall, processor
    shutil.rmtree(run)
    return found


def whole(kinds, many, rounds):
    """Print what start and end of all cost, and over which of the others `now` is."""
    found = {name: [] for name in kinds}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        hosted, bare = specs(place, many)
        for number in range(rounds):
            for name, (how, tree, more) in kinds.items():
                spec = bare if name == "bare" else hosted
                found[name].append(one_run(spec, place / f"run{number}", how, tree, **more))
    middle = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in found.items()
    }
    print(f"\n{many + 1} instances, s{'':16}exchanged    wall processor    now over it")
    for name, row in middle.items():
        ratios = (now / other for now, other in zip(middle["now"], row, strict=True))
        shown = "".join(f"{value:10.2f}" for value in row)
        print(f"  {name:22}{shown}   " + " ".join(f"{ratio:5.2f}" for ratio in ratios))


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", type=Path, help="another checkout of this project")
    parser.add_argument("--many", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    kinds = {
        "bare": ("plain", None, {}),
        "hosted": ("plain", None, {}),
        "each": ("run", None, {"MANYSCALE_NURSERY": "no"}),
        "now": ("run", None, {}),
    }
    trees = {"now": None}
    if asked.before:
        trees = {"before": asked.before.resolve(), **trees}
        old = {"before, hosted": "plain", "before, run": "run"}
        kinds |= {name: (how, trees["before"], {}) for name, how in old.items()}
    stages(trees, 3 * asked.rounds)
    whole(kinds, asked.many, asked.rounds)


if __name__ == "__main__":
    main()
