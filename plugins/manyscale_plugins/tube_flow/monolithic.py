"""The same tube and wall as one system: the reference for coupled runs.

The wall law is inserted in the equations of the flow, and Newton's method finds velocity and
pressure of all nodes together. Written apart from the kernels of flow and wall: balances of a
cell in terms of the local wave speed, derivatives by complex steps.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_REACH = 4  # unknowns on either side that an equation depends on


@dataclass(frozen=True)
class Whole:
    """A tube with its wall: cell [m], step [s], rho [kg/m3], c [m/s], cross-section a0 [m2]."""

    cell: float
    step: float
    density: float
    speed: float
    rest_area: float


def area_of(whole: Whole, pressure: Array) -> Array:
    """Return the cross-section [m2] at a pressure [Pa]; a/a0 is (c/local wave speed)^4."""
    local = whole.speed**2 - pressure / (2.0 * whole.density)
    return whole.rest_area * (whole.speed**2 / local) ** 2


def march(
    whole: Whole, inlet: Callable[[float], float], nodes: int, steps: int, start: float = 0.0
) -> Iterator[tuple[Array, Array]]:
    """Yield velocity [m/s] and pressure [Pa] after each step, each (nodes,), from rest."""
    unknowns = np.zeros(2 * nodes)
    unknowns[0::2] = inlet(start)
    for step in range(1, steps + 1):
        unknowns = _solve(whole, unknowns, inlet(start + step * whole.step))
        yield unknowns[0::2].copy(), unknowns[1::2].copy()


def _solve(whole: Whole, before: Array, inlet: float) -> Array:
    from scipy.linalg import solve_banded

    unknowns: Array = before.copy()
    for _ in range(30):
        band = _derivative(whole, before, unknowns, inlet)
        left = balances(whole, before, unknowns, inlet)
        change = solve_banded((_REACH, _REACH), band, -left)
        unknowns = unknowns + change
        # pressures count as the velocities of the waves that carry them
        velocity, pressure = change[0::2], change[1::2] / (whole.density * whole.speed)
        if max(np.abs(velocity).max(), np.abs(pressure).max()) < 1e-12 * whole.speed:
            return unknowns
    raise ValueError("the monolithic tube was not found in 30 iterations of Newton's method")


def _derivative(whole: Whole, before: Array, unknowns: Array, inlet: float) -> Array:
    """Return d(balances)/d(unknowns) in banded form, one complex step per group of columns."""
    size, width, tiny = len(unknowns), 2 * _REACH + 1, 1e-30
    band = np.zeros((width, size))
    for group in range(width):
        columns = np.arange(group, size, width)
        moved = unknowns.astype(complex)
        moved[columns] += 1j * tiny
        slope = balances(whole, before, moved, inlet).imag / tiny
        for offset in range(-_REACH, _REACH + 1):
            rows = columns + offset
            inside = (rows >= 0) & (rows < size)
            band[_REACH + offset, columns[inside]] = slope[rows[inside]]
    return band


def balances(whole: Whole, before: Array, unknowns: Array, inlet: float) -> Array:
    """Return momentum and mass that every node gains beyond what flows in, (2 nodes,)."""
    (u, p), (u_old, p_old) = ((y[0::2], y[1::2]) for y in (unknowns, before))
    a, a_old = area_of(whole, p), area_of(whole, p_old)
    gain = np.empty(len(unknowns), dtype=unknowns.dtype)
    held = whole.cell / whole.step
    west, east = (a[:-2] + a[1:-1]) / 2, (a[1:-1] + a[2:]) / 2
    flow_in, flow_out = west * (u[:-2] + u[1:-1]) / 2, east * (u[1:-1] + u[2:]) / 2
    pushed = (west * (p[:-2] - p[1:-1]) + east * (p[1:-1] - p[2:])) / (2 * whole.density)
    carried = flow_out * u[1:-1] - flow_in * u[:-2]
    gain[2:-2:2] = held * (a * u - a_old * u_old)[1:-1] + carried - pushed
    gain[3:-2:2] = held * (a - a_old)[1:-1] + flow_out - flow_in
    gain[0], gain[1] = u[0] - inlet, p[2] - 2 * p[1] + p[0]
    gain[-2] = u[-1] - 2 * u[-2] + u[-3]
    # the outgoing Riemann invariant u - 4 (local wave speed) is the same at both times
    now, then = (whole.speed**2 - q[-1] / (2 * whole.density) for q in (p, p_old))
    gain[-1] = 2 * whole.density * (now - (np.sqrt(then) - (u[-1] - u_old[-1]) / 4) ** 2)
    return gain
