"""A scene from files to files: time and memory of both couplings, growth, and the sharpeners.

`python benchmarks/downscaling.py [tiles|growth|peers]...`; `growth` goes to 1e8 pixels and needs
3 GB of disk. Wall time is that of this machine as it is, CPU time sums all processes; memory is
the largest sum of what all processes hold (PSS), looked at twenty times a second.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import rasterio

from manyscale.launching.local import command
from manyscale_plugins.aggregation_constraint import kernel as constraint
from manyscale_plugins.downscaling_baseline import scores
from manyscale_plugins.downscaling_baseline.kernel import Coarse
from manyscale_plugins.surface_energy_balance import kernel as balance
from manyscale_plugins.surface_scene import grids
from manyscale_plugins.surface_scene.areas import coarse_means
from manyscale_plugins.synthetic_scene import SyntheticScene

SPECS = Path(__file__).parents[1] / "coupling_specs"
PATTERN = 500  # fine pixels of the scene that is laid side by side, 30 coarse ones
STEP = 1e-3  # of the surface data in the file
REPEATS = 3


def pattern():
    """Return surface data (3, 500, 500) as whole numbers, and the coarse temperatures (30, 30)."""
    made = SyntheticScene().made()
    packed = np.round(np.stack(made.surface) / STEP).astype(np.int16)
    return packed, made.lst[0]


def write_scene(folder, n):
    """Write coarse.tif and fine.tif of n x n fine pixels, n a multiple of 500; their paths."""
    packed, lst = pattern()
    many = n // PATTERN
    shared = {"driver": "GTiff", "crs": "EPSG:32633", "tiled": True, "compress": "deflate",
              "zlevel": 1, "bigtiff": "if_safer"}  # fmt: skip
    fine = folder / f"fine_{n}.tif"
    with rasterio.open(
        fine, "w", width=n, height=n, count=3, dtype="int16", predictor=2, nodata=-32768,
        transform=rasterio.Affine(30.0, 0, 600000.0, 0, -30.0, 5600010.0), **shared,
    ) as file:  # fmt: skip
        file.scales = (STEP,) * 3
        file.descriptions = ("albedo", "ndvi", "emissivity")
        row = np.tile(packed, (1, 1, many))
        for i in range(many):
            file.write(row, window=rasterio.windows.Window(0, i * PATTERN, n, PATTERN))
    coarse = folder / f"coarse_{n}.tif"
    whole = np.tile(lst, (many, many))
    with rasterio.open(
        coarse, "w", width=whole.shape[1], height=whole.shape[0], count=1, dtype="float64",
        transform=rasterio.Affine(500.0, 0, 600000.0, 0, -500.0, 5600010.0), **shared,
    ) as file:  # fmt: skip
        file.write(whole, 1)
    return coarse, fine


class Watch:
    """Sums memory and CPU time of a process and all it starts."""

    def __init__(self, process):
        self.process, self.peak, self.cpu = psutil.Process(process.pid), 0, {}
        self._on = True
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self):
        while self._on:
            held = 0
            for one in self._all():
                try:
                    held += one.memory_full_info().pss
                    times = one.cpu_times()
                    self.cpu[one.pid] = times.user + times.system
                except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                    continue
            self.peak = max(self.peak, held)
            time.sleep(0.05)

    def _all(self):
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def stop(self):
        """End watching; return the memory in MB and CPU time in s."""
        self._on = False
        self._thread.join()
        return self.peak / 1e6, sum(self.cpu.values())


def launched(folder, spec, files, **settings):
    """Run a system under plain muscle_manager; wall time, CPU time, memory, and its lst_0.tif."""
    run = Path(tempfile.mkdtemp(dir=folder))
    coarse, fine = files
    lines = [f"  scene.coarse: {coarse}", f"  scene.fine: {fine}"]
    lines += [f"  {name.replace('__', '.')}: {value}" for name, value in settings.items()]
    more = run.with_suffix(".ymmsl")
    more.write_text("ymmsl_version: v0.2\nsettings:\n" + "\n".join(lines) + "\n")
    parts = [SPECS / spec / f"{part}.ymmsl" for part in ("model", "settings", "laptop")]
    start = time.perf_counter()
    with (run / "output.txt").open("w") as log:
        process = subprocess.Popen(command([*parts, more], run), stdout=log, stderr=log)
        watch = Watch(process)
        code = process.wait(timeout=3000)
    wall = time.perf_counter() - start
    memory, cpu = watch.stop()
    if code:
        raise SystemExit((run / "output.txt").read_text()[-2000:])
    return wall, cpu, memory, run / "instances/writer/workdir/lst_0.tif"


def left(written, coarse):
    """Return how far means of the written pixels are from the coarse ones, in K, by strips."""
    with rasterio.open(written) as file, rasterio.open(coarse) as seen:
        lst, worst = seen.read(1), 0.0
        for i in range(0, lst.shape[0], 30):
            window = rasterio.windows.Window(0, i * PATTERN // 30, file.width, PATTERN)
            part = file.read(1, window=window)
            fine = grids.Grid(0.0, 0.0, 30.0, 30.0, part.shape, "")
            rows = lst[i : i + 30]
            means = coarse_means(part, fine, grids.Grid(0.0, 0.0, 500.0, 500.0, rows.shape, ""))
            worst = max(worst, float(np.abs(means - rows).max()))
    return worst


def tiles(folder):
    """Run 5000 x 5000 pixels, in tiles and at once."""
    n = 5000
    files = write_scene(folder, n)
    small = write_scene(folder, PATTERN)
    for spec, settings in (
        ("lst_downscaling_tiles", {"scene__tile": 60, "constraint__record": '""'}),
        ("lst_downscaling", {"model__record": '""', "constraint__record": '""'}),
    ):
        base = launched(folder, spec, small, **settings)
        wall, cpu, memory, written = launched(folder, spec, files, **settings)
        print(
            f"{spec}: {n} x {n} pixels {wall:.1f} s wall, {cpu:.1f} s CPU, {memory / 1e3:.2f} GB;"
            f" of this {base[0]:.1f} s wall and {base[1]:.1f} s CPU also for {PATTERN} x {PATTERN};"
            f" means met to {left(written, files[0]):.1e} K;"
            f" file {written.stat().st_size / 1e6:.0f} MB"
        )
    print(f"load average {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")


def growth(folder):
    """Run 1e6 to 1e8 pixels in tiles; what a pixel costs is that of those the scene grew by."""
    before = 0, 0.0
    for n in (1000, 3000, 10000):
        files = write_scene(folder, n)
        wall, cpu, memory, written = launched(
            folder, "lst_downscaling_tiles", files, scene__tile=60, constraint__record='""'
        )
        print(
            f"{n * n:.0e} pixels in tiles: {wall:.1f} s wall, {cpu:.1f} s CPU,"
            f" {1e6 * (cpu - before[1]) / (n * n - before[0]):.2f} us CPU per pixel more,"
            f" {memory / 1e3:.2f} GB, means met to {left(written, files[0]):.1e} K"
        )
        before = n * n, cpu
        written.unlink()


def seconds(function):
    """Return the median CPU time of a call, and what it returned."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        found = function()
        times.append(time.process_time() - start)
    return statistics.median(times), found


def peers(folder):
    """Compare errors and CPU time of all ways, on the scene by recipe and one without physics."""
    for truth in ("energy_balance", "statistical"):
        model = SyntheticScene(truth=truth)
        recipe, made = model.recipe(), model.made()
        compare(truth, recipe, made)


def compare(kind, recipe, made):
    """Print errors [K] and CPU time of one scene."""
    everywhere = np.ones(recipe.fine.shape, bool)
    seen = Coarse(made.lst[0], made.valid[0], recipe.coarse)
    given = scores.Given(*made.surface, everywhere, recipe.fine, seen)
    weather, truth = balance.Weather(800.0, 350.0, 298.15, 1500.0), made.truth[0]
    observed = constraint.Observation(
        seen.lst, seen.valid, np.zeros(seen.lst.shape), recipe.coarse.geotransform
    )

    def constrained(length):
        T = balance.balance(*made.surface, everywhere, weather, balance.Surface(), 1e-9, 1)
        rule = constraint.Rule(correlation_length=length)
        place = recipe.fine.geotransform
        return constraint.constrained(T.temperature, everywhere, place, observed, rule).lst

    constrained(0.0), constrained(1000.0)  # compiled
    found = {
        "energy balance and constraint": lambda: constrained(0.0),
        "the same, smooth over 1000 m": lambda: constrained(1000.0),
        **{name: (lambda name=name: scores.one(given, name)) for name in scores.NAMES},
    }
    print(f"truth: {kind}, {recipe.fine.shape[0]} x {recipe.fine.shape[1]} pixels")
    first = None
    for name, function in found.items():
        cost, field = seconds(function)
        first = first or cost
        off = scores.rmse(field, truth, everywhere)
        print(f"  {name}: error {off:.3f} K, {cost:.3f} s CPU, {cost / first:.1f} times the first")


PARTS = {"tiles": tiles, "growth": growth, "peers": peers}

if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(prefix="downscaling"))
    try:
        for part in sys.argv[1:] or ["tiles", "peers"]:
            PARTS[part](place)
    finally:
        shutil.rmtree(place)
