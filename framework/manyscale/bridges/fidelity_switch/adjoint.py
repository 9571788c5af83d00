"""Dual-weighted residuals of -u'' = f on an interval with held ends, linear finite elements.

J(u) - J(u_h) = R(u_h)(z - z_h), with the residual R(u_h)(v) = (f, v) - (u_h', v') and the adjoint
solution z of (v', z') = J(v) (Becker and Rannacher, Acta Numerica 10 (2001) 1, section 2).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Goal = Literal["mean", "point", "flux"]

_LOOSEST = 1e6  # tol where the goal hardly feels a cell


def solve(nodes: Floats, load: Floats, ends: tuple[float, float] = (0.0, 0.0)) -> Floats:
    """Return the nodal values (n,) of the linear elements for the load vector (n,)."""
    from scipy.linalg import solveh_banded

    stiff = 1.0 / np.diff(nodes)
    values = np.zeros(len(nodes))
    values[[0, -1]] = ends
    if len(nodes) > 2:
        right = load[1:-1].copy()
        right[0] += stiff[0] * ends[0]
        right[-1] += stiff[-1] * ends[1]
        bands = np.zeros((2, len(right)))
        bands[0, 1:] = -stiff[1:-1]
        bands[1] = stiff[:-1] + stiff[1:]
        values[1:-1] = solveh_banded(bands, right)
    return values


def load_of(nodes: Floats, means: Floats) -> Floats:
    """Return the load vector (n,) of a source with these means (n - 1,) in the elements."""
    halves = 0.5 * np.diff(nodes) * means
    load = np.zeros(len(nodes))
    load[:-1] += halves
    load[1:] += halves
    return load


def integral(nodes: Floats, values: Floats) -> float:
    """Return the integral of a piecewise linear function."""
    return float(np.sum(0.5 * (values[1:] + values[:-1]) * np.diff(nodes)))


def adjoint(nodes: Floats, goal: Goal, at: float = 0.0) -> Floats:
    """Return z (n,) at the nodes, which is exact there.

    mean: of u over the interval; point: u at the place `at`; flux: du/dx at the right end, whose
    adjoint is 1 there.
    """
    length = nodes[-1] - nodes[0]
    if goal == "mean":
        return solve(nodes, load_of(nodes, np.full(len(nodes) - 1, 1.0 / length)))
    if goal == "flux":
        return solve(nodes, np.zeros(len(nodes)), (0.0, 1.0))
    return solve(nodes, _hats_at(nodes, at))


def _hats_at(nodes: Floats, at: float) -> Floats:
    """Return the values of all hat functions at one place."""
    if not nodes[0] < at < nodes[-1]:
        raise ValueError(f"the goal lies at {at:g} m, outside of ({nodes[0]:g}, {nodes[-1]:g}) m")
    k = int(np.searchsorted(nodes, at, side="right")) - 1
    part = (at - nodes[k]) / (nodes[k + 1] - nodes[k])
    load = np.zeros(len(nodes))
    load[k], load[k + 1] = 1.0 - part, part
    return load


def local_tolerance(nodes: Floats, goal: Goal, at: float = 0.0) -> Floats:
    """Return tol (n - 1,) of the cells in parts of tau: TOL/(N abs(z)), TOL = N tau mean abs(z).

    The sum of abs(z) tol over the cells is then that of a tolerance that is everywhere the same.
    """
    z = adjoint(nodes, goal, at)
    weight = np.abs(0.5 * (z[1:] + z[:-1]))
    return np.asarray(weight.mean() / np.maximum(weight, weight.mean() / _LOOSEST))


def dual_estimate(nodes: Floats, means: Floats, density: Floats) -> Floats:
    """Return what every element (n - 1,) adds to the estimate of J(u) - J(u_h).

    means: of f in the elements; density: of j where J(u) = (j, u). z comes from quadratic
    elements, so z - z_h is a bubble in each: in one dimension hats and bubbles are orthogonal,
    and its height is j h2/8. u_h' is constant, so the residual against it is f times its integral.
    """
    h = np.diff(nodes)
    heights = density * h**2 / 8.0
    return np.asarray(means * heights * h * (2.0 / 3.0))
