"""One implicit step of the flow in a tube of given cross-section, by Newton's method."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BAND = 4  # neighbours of an unknown on either side, pressures and velocities in turn


@dataclass(frozen=True)
class Tube:
    """A tube in equal cells, and how long a step is.

    `speed` is the wave speed c [m/s] of the wall at rest, `stabilisation` the alpha [m3/(Pa s)]
    of the pressure smoothing in the continuity equation.
    """

    cell: float  # dx, m
    step: float  # dt, s
    density: float  # kg/m3
    speed: float  # m/s
    stabilisation: float = 0.0


@dataclass(frozen=True)
class Flow:
    """Velocity [m/s], pressure [Pa] and cross-section [m2] at the nodes of the tube."""

    velocity: Array
    pressure: Array
    area: Array


def advance(tube: Tube, old: Flow, area: Array, inlet: float, most: int = 30) -> Flow:
    """Return the flow after one step, with the cross-section `area` at its end.

    `inlet` is the velocity [m/s] at the inlet at the end of the step. Raises ValueError if
    Newton's method does not converge in `most` iterations.
    """
    # imported here, so that declaring the model stays cheap
    from scipy.linalg import solve_banded

    unknowns = np.column_stack((old.velocity, old.pressure)).ravel()
    for _ in range(most):
        u, p = unknowns[0::2], unknowns[1::2]
        left = residual(tube, old, u, p, area, inlet)
        if not np.isfinite(left).all():
            break
        band = jacobian(tube, old, u, area)
        change = solve_banded((BAND, BAND), band, -left, overwrite_b=True, check_finite=False)
        unknowns = unknowns + change
        if converged(tube, change):
            return Flow(unknowns[0::2].copy(), unknowns[1::2].copy(), area)
    raise ValueError(
        f"the flow was not found in {most} iterations of Newton's method; shorten the step or"
        " bring the cross-section in smaller steps"
    )


def converged(tube: Tube, change: Array) -> bool:
    """Return whether a change of velocities and pressures is small beside c and rho c^2."""
    velocity, pressure = change[0::2], change[1::2] / (tube.density * tube.speed)
    return bool(max(np.abs(velocity).max(), np.abs(pressure).max()) < 1e-12 * tube.speed)


def residual(tube: Tube, old: Flow, u: Array, p: Array, area: Array, inlet: float) -> Array:
    """Return what the equations leave over, (2 nodes,): momentum and continuity in turn."""
    left = np.empty(2 * len(u))
    storage, faces = tube.cell / tube.step, 0.5 * (area[1:] + area[:-1])
    through = faces * 0.5 * (u[1:] + u[:-1])
    momentum = through * u[:-1]  # upwind: flow is to the right
    force = 0.5 * faces * np.diff(p) / tube.density
    left[2:-2:2] = (
        storage * (u * area - old.velocity * old.area)[1:-1]
        + np.diff(momentum)
        + force[1:]
        + force[:-1]
    )
    left[3:-2:2] = (
        storage * (area - old.area)[1:-1] + np.diff(through) - tube.stabilisation * np.diff(p, 2)
    )
    left[0] = u[0] - inlet
    left[1] = p[0] - 2.0 * p[1] + p[2]
    left[-2] = u[-1] - 2.0 * u[-2] + u[-3]
    left[-1] = p[-1] - pressure_of(tube, _outlet_speed(tube, old, u))
    return left


def _outlet_speed(tube: Tube, old: Flow, u: Array) -> float:
    """Return the wave speed [m/s] at the outlet that lets a wave pass."""
    before = tube.speed**2 - old.pressure[-1] / (2.0 * tube.density)
    return float(np.sqrt(before) - 0.25 * (u[-1] - old.velocity[-1]))


def pressure_of(tube: Tube, speed: float) -> float:
    """Return the pressure [Pa] at which waves of the wall have this speed [m/s]."""
    return 2.0 * tube.density * (tube.speed**2 - speed**2)


def jacobian(tube: Tube, old: Flow, u: Array, area: Array) -> Array:
    """Return the derivative of the residual in banded form, (2 BAND + 1, 2 nodes)."""
    band = np.zeros((2 * BAND + 1, 2 * len(u)))
    faces = 0.5 * (area[1:] + area[:-1])
    west, east = faces[:-1], faces[1:]
    behind, here, ahead = u[:-2], u[1:-1], u[2:]

    def put(row: int, node: int, kind: int, values: Any) -> None:
        """Set d(row of node i)/d(unknown `kind` of node i + `node`) for every inner i."""
        column = 2 * node + kind
        first = 2 + column
        band[BAND + row - column, first : first + 2 * len(here) : 2] = values

    put(0, -1, 0, -west * (behind + 0.5 * here))
    put(0, 0, 0, tube.cell / tube.step * area[1:-1]
        + east * (here + 0.5 * ahead) - 0.5 * west * behind)  # fmt: skip
    put(0, 1, 0, 0.5 * east * here)
    put(0, -1, 1, -0.5 * west / tube.density)
    put(0, 0, 1, 0.5 * (west - east) / tube.density)
    put(0, 1, 1, 0.5 * east / tube.density)
    put(1, -1, 0, -0.5 * west)
    put(1, 0, 0, 0.5 * (east - west))
    put(1, 1, 0, 0.5 * east)
    put(1, -1, 1, -tube.stabilisation)
    put(1, 0, 1, 2.0 * tube.stabilisation)
    put(1, 1, 1, -tube.stabilisation)
    _ends(band, tube, _outlet_speed(tube, old, u))
    return band


def _ends(band: Array, tube: Tube, speed: float) -> None:
    """Set the rows of inlet velocity and pressure, outlet velocity and pressure."""
    n = band.shape[1]
    entries = [(0, 0, 1.0), (1, 1, 1.0), (1, 3, -2.0), (1, 5, 1.0)]
    entries += [(n - 2, n - 2, 1.0), (n - 2, n - 4, -2.0), (n - 2, n - 6, 1.0)]
    entries += [(n - 1, n - 1, 1.0), (n - 1, n - 2, -tube.density * speed)]
    for row, column, value in entries:
        band[BAND + row - column, column] = value
