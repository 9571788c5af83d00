"""A day of a scene and the air above it solved as one: the reference of the coupled run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from manyscale_plugins.mixed_layer.kernel import Above, Layer, warmed
from manyscale_plugins.surface_energy_balance.air import GAMMA, RHO_CP
from manyscale_plugins.surface_energy_balance.kernel import surface_temperature

Array = NDArray[Any]
Sky = Callable[[float, float, float], tuple[float, float]]
"""Shortwave and longwave [W/m2] for a time [s], theta [K] and vapour pressure [Pa]."""


class Ground(NamedTuple):
    """Pixels of a scene, in any shape."""

    albedo: Array
    emissivity: Array
    ra: Array  # s/m
    rs: Array  # s/m
    ground_fraction: float


def heat(ground: Ground, sky: Sky, time: float, theta: float, vapour: float) -> tuple[float, float]:
    """Return the means of sensible and latent heat [W/m2] of a scene under this air."""
    air = *sky(time, theta, vapour), theta, vapour
    T = surface_temperature(*ground[:4], *air, ground.ground_fraction)
    deficit = np.maximum(saturation(T) - vapour, 0.0)
    sensible = RHO_CP * (T - theta) / ground.ra
    latent = RHO_CP / GAMMA * deficit / (ground.ra + ground.rs)
    return float(np.mean(sensible)), float(np.mean(latent))


def saturation(T: Array) -> Array:
    """Return the vapour pressure of saturated air [Pa]."""
    return np.asarray(611.2 * np.exp(17.67 * (T - 273.15) / (T - 29.65)))


def stepped(
    ground: Ground,
    layer: Layer,
    above: Above | None,
    sky: Sky,
    dt: float,
    steps: int,
    scheme: str = "adams_bashforth",
) -> Array:
    """Return the layer (steps + 1, 3) with the steps of the model, in one loop."""
    found, before = [layer], None
    for step in range(steps):
        now = np.array(heat(ground, sky, step * dt, layer.theta, layer.vapour))
        mean = now if before is None or scheme == "explicit_euler" else 1.5 * now - 0.5 * before
        layer = warmed(layer, float(mean[0]), float(mean[1]), dt, above)
        found.append(layer)
        before = now
    return np.array(found)


def resolved(
    ground: Ground,
    layer: Layer,
    above: Above | None,
    sky: Sky,
    times: Array,
    rtol: float = 1e-8,
) -> Array:
    """Return the layer (time, 3) with steps as short as an error of `rtol` wants them."""

    def rates(time: float, state: Array) -> list[float]:
        theta, moisture, height = state  # K, Pa m, m
        sensible, latent = heat(ground, sky, time, theta, moisture / height)
        growth = 0.0 if above is None else max(sensible, 0.0) / (above.lapse_rate * height)
        taken = 0.0 if above is None else above.vapour * growth
        wet = latent * GAMMA / RHO_CP + taken / RHO_CP
        return [sensible / (RHO_CP * height), wet, growth / RHO_CP]

    begin = [layer.theta, layer.vapour * layer.height, layer.height]
    span = float(times[0]), float(times[-1])
    found = solve_ivp(rates, span, begin, "DOP853", times, rtol=rtol, atol=1e-9, max_step=1800.0)
    theta, moisture, height = found.y
    return np.array([theta, moisture / height, height]).T
