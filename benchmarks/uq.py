"""Designs, statistics and studies beside SALib and chaospy (extra `uq`): one core, one run.

Prints seconds, errors and ratios. What a peer does not have is left out; without the extra the
lines of this package stand alone.
"""

import os

for name in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{name}_NUM_THREADS"] = "1"

import math  # noqa: E402
import statistics as middle  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from manyscale.bridges.gather import statistics  # noqa: E402
from manyscale.bridges.sampler import chaos, designs, distributions  # noqa: E402

ROOT = Path(__file__).parents[1]
P = [0.05, 0.25, 0.5, 0.75, 0.95]
S1 = np.array([0.313905191148, 0.442411144790, 0.0])
ANGLES = distributions.parsed("; ".join(f"x{k} uniform {-math.pi} {math.pi}" for k in (1, 2, 3)))
TEN = distributions.parsed("; ".join(f"x{k} normal 0 1" for k in range(10)))


def seconds(function, repeats=5):
    """Median processor time of a call, and what it returned last.

    Everything measured with it runs in one thread, so that a busy machine does not count.
    """
    times, found = [], None
    for _ in range(repeats):
        start = time.process_time()
        found = function()
        times.append(time.process_time() - start)
    return middle.median(times), found


def ishigami(x):
    """Return sin x1 + 7 sin2 x2 + 0.1 x3**4 sin x1."""
    return np.sin(x[..., 0]) * (1.0 + 0.1 * x[..., 2] ** 4) + 7.0 * np.sin(x[..., 1]) ** 2


def additive(x):
    """Return a cheap answer of ten parameters."""
    return x @ np.arange(1.0, 11.0) + x[:, 0] * x[:, 1]


def plan(design, parameters, n=1024, order=8):
    """Return the members of a design."""
    return designs.plan(design, parameters, 1, n=n, n_outer=2, n_inner=2, order=order)


def told(design, parameters, made, y, order=8):
    """Return what answers of a design say."""
    table = statistics.Table(*made[:5], y[:, None])
    return statistics.found(design, parameters, table, order=order, probabilities=P)


def million(design):
    """Return a million samples of ten parameters, and what they say."""
    n = 2**20 if design == "sobol" else 1_000_000
    made = plan(design, TEN, n)
    return made, told(design, TEN, made, additive(made.theta))


print("1e6 samples x 10 dimensions, sampling and statistics [s of one core]")
ours = {}
for design in ("mc", "lhs", "sobol"):
    whole, (made, _) = seconds(lambda d=design: million(d), 3)
    answer, _ = seconds(lambda m=made: additive(m.theta), 3)
    ours[design] = whole - answer
    print(f"  {design:9} {ours[design]:.2f}, without the {answer:.2f} the answers take")


def saltelli(rows):
    """Return the indices of a Saltelli design of ten parameters."""
    made = plan("saltelli", TEN, rows)
    y = additive(made.theta)
    return told("saltelli", TEN, made, y)


ROWS = 2**16
whole, found = seconds(lambda: saltelli(ROWS), 3)
print(f"  saltelli  {whole:.2f} for {ROWS * 12:,} runs with indices and their errors")
try:
    from SALib.analyze import sobol as analyse
    from SALib.sample import sobol as sample
except ImportError:
    print("  no SALib: pip install 'manyscale[uq]'")
else:
    problem = {"num_vars": 10, "names": [p.name for p in TEN], "bounds": [[0.0, 1.0]] * 10,
               "dists": ["norm"] * 10}  # fmt: skip

    def peer():
        """Do the same by SALib, with its bootstrap of 100 resamples."""
        x = sample.sample(problem, ROWS, calc_second_order=False, seed=1)
        return analyse.analyze(problem, additive(x), calc_second_order=False, seed=1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, answer = seconds(peer, 1)
    off = np.abs(answer["S1"] - found["S1"][0]).max()
    print(f"  SALib     {theirs:.2f}, S1 differs by {off:.1e}: ratio {theirs / whole:.1f}")

print("Ishigami by polynomial chaos of order 10, 1331 runs")


def expanded(order):
    """Return first-order indices from scratch: nodes, answers, projection."""
    z = chaos.nodes(ANGLES, order)
    theta = np.stack([p.from_standard(z[:, k]) for k, p in enumerate(ANGLES)], axis=1)
    tensor = chaos.projected(ANGLES, order, ishigami(theta)[:, None])
    return chaos.indices(*chaos.flat(tensor, order))[0][0]


own, first = seconds(lambda: expanded(10), 21)
print(f"  ours      {own * 1e3:.2f} ms, error {np.abs(first - S1).max():.2e}")
try:
    import chaospy
except ImportError:
    print("  no chaospy: pip install 'manyscale[uq]'")
else:
    joint = chaospy.J(*(chaospy.Uniform(-math.pi, math.pi) for _ in range(3)))

    def theirs_of(order):
        """Do the same by chaospy."""
        terms = chaospy.generate_expansion(order, joint, normed=True)
        nodes, weights = chaospy.generate_quadrature(order, joint, rule="gaussian")
        model = chaospy.fit_quadrature(terms, nodes, weights, ishigami(nodes.T))
        return chaospy.Sens_m(model, joint)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, first = seconds(lambda: theirs_of(6), 1)
        ours6, mine = seconds(lambda: expanded(6), 21)
    errors = [np.abs(one - S1).max() for one in (first, mine)]
    print(f"  order 6: chaospy {theirs:.2f} s, error {errors[0]:.2e}")
    print(f"  order 6: ours {ours6 * 1e3:.2f} ms, {errors[1]:.2e}: ratio {theirs / ours6:.0f}")

print("Law of total variance, error at 2000 runs of the linear chain")
from manyscale.bridges.gather import total_variance  # noqa: E402

for outer, inner in ((1000, 2), (400, 5), (100, 20)):
    error = total_variance.deviation(0.36, 0.2225, outer, inner)
    print(f"  {outer:4} x {inner:2}: {error:.4f} of 0.36")

print("Driver: what a member costs besides its model")
sys.path.insert(0, str(ROOT / "tests"))
os.environ["PYTHONPATH"] = str(ROOT / "tests")
from manyscale.hosting.in_process import run  # noqa: E402
from manyscale.studies.begin import Asked, study_of  # noqa: E402
from manyscale.studies.carry_out import carry_out  # noqa: E402
from manyscale.studies.hosts import Farm, Here  # noqa: E402
from manyscale.studies.study import Sizes  # noqa: E402

MEMBERS = 20_000
spec = ROOT / "coupling_specs/total_variance"
many = {"n_outer": MEMBERS // 20, "sampler.record": "", "variance_split.record": ""}
run(spec, {**many, "n_outer": 2})
whole, _ = seconds(lambda: run(spec, many), 3)


def loop():
    """Compute the members of total variance without coupling."""
    from manyscale_plugins.random_conductivity_rve import kernel

    made = designs.plan("nested", distributions.parsed("theta normal 0 0.2 1 epistemic"), 2, n=2,
                        n_outer=MEMBERS // 20, n_inner=20, order=1)  # fmt: skip
    for theta, seed in zip(made.theta[:, 0], made.seed.tolist(), strict=True):
        z = np.random.Generator(np.random.Philox(key=seed)).standard_normal(16)
        kernel.lognormal(theta, z, 0.8, 1.0)


alone, _ = seconds(loop, 3)
print(f"  sampler, two farms, gather: {(whole - alone) / MEMBERS * 1e6:.1f} us a member, beside"
      f" {alone / MEMBERS * 1e6:.1f} us in a plain loop")  # fmt: skip

GRID = """
ymmsl_version: v0.2
models:
  finding:
    description: A number
    components:
      grid: {description: Finds it, implementation: grid, ports: {o_f: found}}
programs:
  grid:
    description: grid
    ports: {o_f: found}
    executable: EXECUTABLE
    args: -m manyscale.hosting.muscle toys.uncertain:Grid
settings: {grid.record: found, muscle_local_log_level: WARNING}
"""
with tempfile.TemporaryDirectory() as place:
    path = Path(place, "model.ymmsl")
    path.write_text(GRID.replace("EXECUTABLE", sys.executable))
    for name, workers, n in (("here", 0, 512), ("farm, 1 process", 1, 512), ("farm, 2", 2, 512)):
        study = study_of([path], "laptop", {}, Asked(["grid.a=normal(1, 0.2)"], sizes=Sizes(n)))
        folder = Path(place, f"{workers}")
        folder.mkdir()
        study.write(folder)
        marks = []

        def watch(done, wanted, failed, marks=marks):
            """Note when each run is done."""
            marks.append(time.perf_counter())

        carry_out(study, folder, Farm(study, folder, workers) if workers else Here(study), watch)
        each = (marks[-1] - marks[9]) / (len(marks) - 10)
        print(f"  manyscale uq, {name}: {each * 1e3:.2f} ms a run of a coupling that takes no time")
    start = time.perf_counter()
    words = [sys.executable, "-m", "manyscale.cli", "run", str(path), "--run-dir", f"{place}/run"]
    subprocess.run(words, check=True, capture_output=True)
    print(f"  manyscale run, once: {time.perf_counter() - start:.1f} s")
