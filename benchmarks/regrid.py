"""1e6 cells onto 7e4, beside xarray-regrid (extra `peers`): one core, one run, equal results.

Prints ms for the weights, the application and both, and the ratio of the whole. The peer is
given what it does fastest: no missing values.
"""

import os

for name in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{name}_NUM_THREADS"] = "1"

import statistics  # noqa: E402
import time  # noqa: E402

import numpy as np  # noqa: E402
import xarray as xr  # noqa: E402

from manyscale.bridges.regrid import kernel, overlaps  # noqa: E402

SOURCE, TARGET, REPEATS = (1000, 1000), (264, 265), 15


def edges(shape):
    """Edges of equal cells on the unit square."""
    return [np.linspace(0.0, 1.0, count + 1) for count in shape]


def centres(shape):
    """Coordinates of equal cells on the unit square."""
    return {n: (np.arange(k) + 0.5) / k for n, k in zip("xy", shape, strict=True)}


def seconds(function):
    """Median time of a call, and what it returned."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = function()
        times.append(time.perf_counter() - start)
    return statistics.median(times), found


field = np.random.default_rng(1).random(SOURCE)
pairs = list(zip(edges(SOURCE), edges(TARGET), strict=True))
rules = {"first order": kernel.Rule(), "second order": kernel.Rule(order=2)}


def both():
    """Overlaps along both axes."""
    return [overlaps.overlap(a, b) for a, b in pairs]


def weights():
    """Overlaps and their matrices."""
    return [kernel.means(one, rules["first order"]) for one in both()]


for_weights, operators = seconds(weights)
for_application, _ = seconds(lambda: overlaps.along_axes(operators, field))
print(f"weights {for_weights * 1e3:.2f} ms, application {for_application * 1e3:.2f} ms")
ours = {}
for name, rule in rules.items():
    whole, (found, _) = seconds(lambda rule=rule: kernel.regrid(field, both(), rule))
    ours[name] = whole, found
    error = found.mean() / field.mean() - 1.0
    print(f"{name}: {whole * 1e3:.2f} ms in all, integral changed by {abs(error):.1e} of it")

try:
    import xarray_regrid  # noqa: F401
except ImportError:
    raise SystemExit("no peer: pip install 'manyscale[peers]'") from None
array = xr.DataArray(field, dims=("x", "y"), coords=centres(SOURCE))
grid = xr.Dataset(coords=centres(TARGET))
peer, found = seconds(lambda: array.regrid.conservative(grid, skipna=False, latitude_coord=None))
whole, own = ours["first order"]
print(
    f"xarray-regrid: {peer * 1e3:.2f} ms in all, differs by {np.abs(found.values - own).max():.1e}"
)
print(f"ratio {peer / whole:.1f}")
