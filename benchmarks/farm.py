"""What a farm costs and saves, beside the alternative, in one run.

    python benchmarks/farm.py [costs] [adaptivity] [balancing] [start] [damage]

Times are CPU times of the process where that is what counts, so that other work on the machine
does not show; `start` is wall time.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))  # the models of the tests
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")])
)

import numpy as np  # noqa: E402

from manyscale.bridges.farm import balancing, farm, similarity  # noqa: E402
from manyscale.bridges.farm.call import COMPUTED  # noqa: E402
from manyscale.hosting.in_process import run  # noqa: E402
from manyscale.launching.local import launch  # noqa: E402
from manyscale.testing import Component, write_spec  # noqa: E402
from toys import damage, farmed  # noqa: E402
from toys.called import call  # noqa: E402
from toys.functions import power_law  # noqa: E402


class Timed(list):
    """A feed of calls that notes the CPU time at which each begins."""

    def __iter__(self) -> Iterator:
        self.times = []
        for item in super().__iter__():
            self.times.append(time.process_time())
            yield item
        self.times.append(time.process_time())

    def per_member(self, count):
        """Return the shortest and the median time of a call per member in us."""
        each = np.diff(self.times)[1:] / count * 1e6
        return each.min(), np.median(each)


def warm(count):
    """Jobs of `count` members with a temperature each."""
    T = np.linspace(200.0, 400.0, count)
    return {"jobs_in": {"member": np.arange(count), "temperature": T}}


def strained(count):
    """Jobs of `count` members with a strain each."""
    e = np.linspace(0.0, 1e-3, count)
    return {"jobs_in": {"member": np.arange(count), "increment": e}}


def timed(model, jobs, count, calls=25, **settings):
    """Return the shortest and the median time of a call per member in us."""
    feed = Timed([(jobs(count), float(k)) for k in range(calls)])
    call(farm(model)(workers=1, **settings), feed)
    return feed.per_member(count)


def alone(count, calls=5):
    """Return the time per call of one member behind the same loop, one message each, in us."""
    feed = Timed([({"given": {"temperature": 300.0}}, float(k)) for k in range(count)])
    call(power_law(), feed)
    return feed.per_member(1)


def costs():
    """Print what a trivial member costs per step, host and doors included, no transport."""
    print("trivial members, one worker: us per member and step (least, median)")
    rows = [
        ("batch kernel, 1000 members", timed(farmed.radiation, warm, 1000), 2.0),
        ("batch kernel, 4000 members", timed(farmed.radiation, warm, 4000), 1.0),
        ("batch kernel with state, 1000", timed(farmed.Creeps, strained, 1000), 2.0),
        ("batch kernel with state, 4000", timed(farmed.Creeps, strained, 4000), 1.0),
        ("one by one, 1000 members", timed(power_law, warm, 1000), 15.0),
        ("one by one with state, 1000", timed(farmed.Creep, strained, 1000), 15.0),
    ]
    for what, (least, median), budget in rows:
        print(f"  {what:34}{least:8.2f}{median:8.2f}   budget {budget:g}")
    least, median = alone(2000)
    more = least / rows[0][1][0]
    print(f"  {'a message of its own each':34}{least:8.2f}{median:8.2f}   {more:.0f} x the first")


def all_pairs(points, distance, active, ref, coarse):
    """One step as all pairs in numpy: distances, then who computes (Redeker and Eck 2013)."""
    distance = distance + np.linalg.norm(points[None] - points[:, None], axis=-1)
    largest = distance.max()
    active = active.copy()
    for i in np.flatnonzero(active):
        near = distance[i] < coarse * ref * largest
        near[i] = False
        active[i] = not (near & active).any()
    for i in np.flatnonzero(~active):
        active[i] = distance[i, active].min() > ref * largest
    return distance, active


def adaptivity():
    """Print a step of adaptivity beside the comparison of all pairs."""
    print("adaptivity: ms per step")
    for count, budget in ((4000, 20.0), (100_000, 1000.0)):
        for mode in ("present", "vectors"):
            _, median = timed(farmed.radiation, warm, count, calls=8, adaptivity=mode)
            line = f"  whole call, {mode}, {count} members: {median * count / 1e3:.1f} ms"
            print(f"{line}   budget {budget:g}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"  peak memory of this process {peak:.2f} GB   budget 1")
    print("  three inputs that move slowly, beside all pairs:")
    rng = np.random.default_rng(0)
    for count in (1000, 4000, 100_000):
        points = np.cumsum(rng.standard_normal((count, 3)), axis=0)
        points /= np.ptp(points, axis=0).max()
        active, steps = np.ones(count, dtype=bool), []
        for _ in range(8):
            begun = time.process_time()
            reach = 0.02 * similarity.spread(points)
            active = similarity.cover(points, active, 0.5 * reach, reach).active
            steps.append((time.process_time() - begun) * 1e3)
            points = points + 1e-3 * rng.standard_normal(points.shape)
        line = f"  {count:7} members: {np.median(steps[1:]):8.2f} ms, {active.sum()} compute"
        if count <= 4000:
            begun = time.process_time()
            all_pairs(points, np.zeros((count, count)), np.ones(count, bool), 0.02, 0.5)
            seconds = time.process_time() - begun
            line += (
                f"; all pairs {seconds * 1e3:.0f} ms, {seconds * 1e3 / np.median(steps[1:]):.0f} x"
            )
        print(line)


def balanced():
    """Print makespan over ideal: simulated, and sleeping jobs on real workers."""
    rng, rows = np.random.default_rng(0), {"rounds": [], "equal": [], "lpt 20 %": [], "queue": []}
    for _ in range(200):
        cost = rng.lognormal(0.0, 1.0, 256)
        known = cost * np.maximum(1.0 + 0.2 * rng.standard_normal(256), 0.01)
        parts = balancing.portions(known, 4)
        each = np.array([cost[part].sum() for part in parts])
        found = (
            balancing.rounds_makespan(cost, 4),
            balancing.makespan(balancing.equal_count(256, 4), cost),
            balancing.makespan(balancing.lpt(known, 4), cost),
            balancing.queue_makespan(np.arange(len(parts)), each, 4),
        )
        for name, seconds in zip(rows, found, strict=True):
            rows[name].append(seconds / balancing.ideal(cost, 4))
    means = ", ".join(f"{name} {np.mean(values):.3f}" for name, values in rows.items())
    print(
        f"makespan/ideal, 256 jobs, sigma = 1, 4 workers, mean of 200 draws: {means}; budget 1.10"
    )


def members_of(folder, count):
    """Return a coupling of `count` members in a farm."""
    parts = {
        "macro": Component("toys.farmed:Strainer"),
        "farm": Component("manyscale.bridges.farm:farm@toys.farmed:Creep"),
    }
    wires = {"macro.jobs_out": "farm.jobs_in", "farm.results_out": "macro.results_in"}
    settings = {"macro.members": count, "macro.steps": 1, "farm.pool": "threads"}
    return write_spec(folder / "farm", parts, wires, settings)


def start():
    """Print the wall time of a coupling of 50 members in a farm, and as MUSCLE3 processes."""
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        spec = members_of(Path(folder), 50)
        run_dir = Path(folder, "run")
        run_dir.mkdir()
        begun = time.perf_counter()
        launch([spec], run_dir, time_limit=300.0)
        seconds["farm"] = time.perf_counter() - begun
        parts = {
            "macro": Component("toys.farmed:Fan"),
            "member": Component("toys.farmed:Creep", 50),
        }
        wires = {"macro.strain_out": "member.strain_in", "member.stress_out": "macro.stress_in"}
        spec = write_spec(Path(folder, "many"), parts, wires, {"macro.steps": 1})
        run_dir = Path(folder, "many_run")
        run_dir.mkdir()
        begun = time.perf_counter()
        launch([spec], run_dir, time_limit=400.0)
        seconds["processes"] = time.perf_counter() - begun
    ratio = seconds["processes"] / seconds["farm"]
    print(
        f"50 members, whole coupling of one step: farm {seconds['farm']:.1f} s, 50 MUSCLE3"
        f" processes {seconds['processes']:.1f} s: {ratio:.1f} x   budget 5 x"
    )


BAR = {"drive": 1.0, "bar.cells": 200, "bar.steps": 20, "bar.dt": 0.05, "farm.workers": 1}


def bar(parts, **settings):
    """Run the damaged bar; return u, the solves, and the largest error over its bound."""
    wires = {"bar.jobs_out": "farm.jobs_in", "farm.results_out": "bar.results_in"}
    given = BAR | {f"farm.{name}": value for name, value in settings.items()}
    with tempfile.TemporaryDirectory() as folder:
        spec = write_spec(Path(folder), parts, wires, given)
        found = run(spec, record=["farm.results_out", "bar.jobs_out"])
    shown = found.recorded["farm.results_out"]
    solves = sum(int((one.messages[0]["provenance"] == COMPUTED).sum()) for one in shown)
    ratio = 0.0
    for jobs, results in zip(found.recorded["bar.jobs_out"], shown, strict=False):
        if "damage" in jobs.messages[0]:
            error = np.abs(results.messages[0]["K"] - (1.0 - jobs.messages[0]["damage"]) / 2.0)
            bound = results.messages[0]["err"]
            over = np.where(error > 1e-14, error, 0.0)
            ratio = max(ratio, float((over / np.maximum(bound, 1e-300)).max()))
    return damage.solution(found.states["bar"].K), solves, ratio


def damaged():
    """Print macro error against micro solves, for every way to save them."""
    farmed_by = "manyscale.bridges.farm:farm@toys.damage:"
    telling = {
        "bar": Component("toys.damage:TellingBar"), "farm": Component(farmed_by + "damaged")
    }  # fmt: skip
    living = {
        "bar": Component("toys.damage:LivingBar"), "farm": Component(farmed_by + "Damaging")
    }  # fmt: skip
    print("damaged bar, 200 cells, 20 steps: solves, how many fewer, error of u, error/bound")
    lip = {"lipschitz": 0.5}
    ways = [
        ("alike now, tol", telling, [(t, {"adaptivity": "present", "adaptivity_tol": t, **lip})
                                     for t in (0.002, 0.005, 0.01, 0.02, 0.05)]),
        ("cache, step", telling, [(s, {"cache": "on", "cache_step": f"damage {s}"})
                                  for s in (0.002, 0.005, 0.01, 0.02, 0.05)]),
        ("surrogate, tol", telling, [(t, {"surrogate": "on", "sur_tol": t})
                                     for t in (1e-4, 1e-3, 1e-2)]),
        ("alike in history, Cr", living, [(c, {"adaptivity": "vectors", "Cr": c})
                                          for c in (0.02, 0.05, 0.1, 0.2)]),
    ]  # fmt: skip
    for what, parts, settings in ways:
        exact, full, _ = bar(parts)
        for value, given in settings:
            u, solves, ratio = bar(parts, **given)
            error = np.abs(u - exact).max() / np.abs(exact).max()
            shown = f"{ratio:.2f}" if given.get("lipschitz") else "-"
            print(f"  {what:22}{value:8g}{solves:7}{full / solves:8.1f} x{error:10.2e}{shown:>7}")


def main():
    """Run the parts that are named, or all."""
    parts = {
        "costs": costs, "adaptivity": adaptivity, "balancing": balanced, "start": start,
        "damage": damaged,
    }  # fmt: skip
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    main()
