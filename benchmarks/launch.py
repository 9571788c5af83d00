"""What the supervisor costs: the same run under plain `muscle_manager` and under `launch`.

Prints the wall time added, the processor time of supervisor and keeper over the wall time, and
what `manyscale run` spends on the check before and the report after.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
os.environ["PYTHONPATH"] = str(HERE.parent / "tests")

from faults.runs import spec  # noqa: E402
from manyscale.cli.running import Watch  # noqa: E402
from manyscale.cli.terminal import console  # noqa: E402
from manyscale.launching.local import command, launch  # noqa: E402

REPETITIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
SETTINGS = {"a.steps": 80, "b.steps": 80, "a.pause": 0.1, "b.pause": 0.0}


def plain(file, run):
    """Return the wall time of the plain manager."""
    run.mkdir()
    began = time.perf_counter()
    subprocess.run(command([file], run), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def supervised(file, run):
    """Return wall time, and processor time of supervisor and keeper over it."""
    run.mkdir()
    me = psutil.Process()
    spent = [0.0]

    def look():
        watch.look()
        with_keeper = [p for p in me.children() if "keeper.py" in " ".join(p.cmdline())]
        spent[0] = sum(sum(p.cpu_times()[:2]) for p in with_keeper) or spent[0]

    before = sum(me.cpu_times()[:2])
    began = time.perf_counter()
    with Watch(console(stderr=True), run) as watch:
        launch([file], run, time_limit=120.0, watch=look)
    wall = time.perf_counter() - began
    own = sum(me.cpu_times()[:2]) - before
    return wall, (own + spent[0]) / wall


def whole(file, run):
    """Return the wall time of `manyscale run` before, within and after the launch."""
    words = [sys.executable, "-m", "manyscale.cli", "run", str(file), "--run-dir", str(run)]
    began = time.time()
    subprocess.run(words, check=True, capture_output=True)
    ended = time.time()
    told = json.loads((run / "run.json").read_text())
    return told["started"] - began, told["ended"] - told["started"], ended - told["ended"]


def main():
    """Measure side by side, and print."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        file = spec(place, **SETTINGS)
        plains, launches, shares, parts = [], [], [], []
        for i in range(REPETITIONS):
            plains.append(plain(file, place / f"plain{i}"))
            wall, share = supervised(file, place / f"launch{i}")
            launches.append(wall)
            shares.append(share)
            parts.append(whole(file, place / f"whole{i}"))
        middle = statistics.median
        added = [b - a for a, b in zip(plains, launches, strict=True)]
        print(f"plain muscle_manager            {middle(plains):6.2f} s")
        print(f"supervised and guarded          {middle(launches):6.2f} s")
        print(f"added                           {middle(added):6.2f} s  (at most 0.5 s)")
        print(f"supervisor and keeper           {100 * middle(shares):6.2f} % of a core  (3 %)")
        for i, name in enumerate(("check, before", "launch", "report, after")):
            print(f"manyscale run: {name:16} {middle(part[i] for part in parts):6.2f} s")


if __name__ == "__main__":
    main()
