"""Kernels of the downscaling of surface temperature: ns per pixel and core, and how they grow.

The peer of the energy balance is the same Newton iteration in numpy, whole scenes at a time. CPU
time of one thread is counted, so that other users of the machine do not matter.
"""

import os

for name in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{name}_NUM_THREADS"] = "1"

import statistics  # noqa: E402
import time  # noqa: E402

import numpy as np  # noqa: E402

from manyscale_plugins.aggregation_constraint import kernel as constraint  # noqa: E402
from manyscale_plugins.surface_energy_balance import kernel as balance  # noqa: E402
from manyscale_plugins.surface_energy_balance.air import GAMMA, RHO_CP, SIGMA  # noqa: E402

NOON, SURFACE = balance.Weather(800.0, 350.0, 298.15, 1500.0), balance.Surface()
FINE, COARSE, REPEATS = 30.0, 500.0, 3
STEPS = 6  # what Newton's method needs to 1e-9 K


def scene(n):
    """Return patchy surface data (n, n), a tenth of it under square gaps of 50 pixels."""
    numbers = np.random.default_rng(1)
    cover = numbers.random((n, n), dtype=np.float32)
    gaps = numbers.random((n // 50 + 1, n // 50 + 1)) < 0.1
    valid = ~np.kron(gaps, np.ones((50, 50), bool))[:n, :n]
    return 0.28 - 0.12 * cover, 0.1 + 0.8 * cover, 0.95 + 0.04 * cover, valid


def seconds(function):
    """Return the median CPU time of a call, and what it returned."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        found = function()
        times.append(time.process_time() - start)
    return statistics.median(times), found


def with_numpy(albedo, ndvi, emissivity):
    """Find the same temperatures by array arithmetic."""
    S, L, Ta, ea = NOON
    albedo, emissivity = albedo.astype(float), emissivity.astype(float)
    ra, rs = balance.resistances(ndvi)
    a, v, k = RHO_CP / ra, RHO_CP / GAMMA / (ra + rs), 0.9 * emissivity * SIGMA
    gain = 0.9 * ((1.0 - albedo) * S + emissivity * L)
    T = np.full(albedo.shape, Ta + 5.0)
    for _ in range(STEPS):
        es = 611.2 * np.exp(17.67 * (T - 273.15) / (T - 29.65))
        wet = es > ea
        f = gain - k * T**4 - a * (T - Ta) - v * np.where(wet, es - ea, 0.0)
        slope = -4.0 * k * T**3 - a - np.where(wet, v * es * 4302.645 / (T - 29.65) ** 2, 0.0)
        T = T - f / slope
    return T


def grid(size):
    """Return the geotransform of square pixels."""
    return np.array([0.0, size, 0.0, 0.0, 0.0, -size])


def observed(n):
    """Return coarse temperatures, a tenth of them under clouds."""
    numbers, count = np.random.default_rng(2), int(n * FINE / COARSE)
    lst = 303.0 + numbers.standard_normal((count, count))
    clear = numbers.random(lst.shape) > 0.1
    return constraint.Observation(lst, clear, np.full(lst.shape, 0.5), grid(COARSE))


albedo, ndvi, emissivity, valid = scene(1000)
everywhere = np.ones_like(valid)
balance.balance(albedo[:2], ndvi[:2], emissivity[:2], everywhere[:2], NOON, SURFACE)  # compiles
ours, found = seconds(
    lambda: balance.balance(albedo, ndvi, emissivity, everywhere, NOON, SURFACE, threads=1)
)
theirs, expected = seconds(lambda: with_numpy(albedo, ndvi, emissivity))
worst = np.abs(found.temperature - expected).max()
print(f"energy balance: {ours * 1e3:.0f} ns per pixel and core (budget 300)")
print(f"numpy: {theirs * 1e3:.0f} ns, ratio {theirs / ours:.1f}, differs by {worst:.1e} K")

modes = {
    "exact": constraint.Rule(),
    "exact, errors correlated to 1000 m": constraint.Rule(correlation_length=1000.0),
    "exact in T^4": constraint.Rule("T4"),
    "tikhonov, 1000 m": constraint.Rule(method="tikhonov", correlation_length=1000.0),
}
given = found.temperature, valid, grid(FINE), observed(1000)
for wanted in (False, True):
    for name, rule in modes.items():
        if wanted and rule.aggregate_in == "T4":
            continue
        constraint.constrained(*given, rule, wanted)  # compiles
        spent, out = seconds(lambda rule=rule, wanted=wanted: constraint.constrained(
            *given, rule, wanted
        ))  # fmt: skip
        left = np.abs(out.residual).max() if rule.method == "exact" else np.nan
        what = f"{name}, with posterior" if wanted else name
        print(f"constraint, {what}: {spent * 1e3:.0f} ns per pixel, {left:.1e} K left")

print("pixels      balance  constraint  [ns per pixel and core]")
for n in (1000, 2000, 4000):
    surface = scene(n)
    one, found = seconds(lambda s=surface: balance.balance(*s, NOON, SURFACE, threads=1))
    given = found.temperature, surface[3], grid(FINE), observed(n)
    other, _ = seconds(lambda given=given: constraint.constrained(*given))
    print(f"{n * n:10d} {one / n**2 * 1e9:8.0f} {other / n**2 * 1e9:11.0f}")
