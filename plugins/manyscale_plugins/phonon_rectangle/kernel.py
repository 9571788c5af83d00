"""Phonons in a rectangle, steady or in implicit steps: discrete ordinates on temperatures.

tau_m d(phi)/dt + Lambda_m (mu_x d/dx + mu_y d/dy) phi + phi = theta, phi = e/C in kelvin, with
sum_m (C_m/tau_m) (theta - <phi_m>) = heating. Unknown are theta in the cells and what walls
return. An implicit Euler step of dt has the same form with Lambda/(1 + tau/dt), and cells that
emit theta and, in the rest of their emission, what they held before.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.phonon_bte import acceleration
from manyscale_plugins.phonon_bte.acceleration import Options
from manyscale_plugins.phonon_bte.share import ALONE, Share
from manyscale_plugins.phonon_rectangle import walls as sides
from manyscale_plugins.phonon_rectangle.balance import Past, Problem, beams
from manyscale_plugins.phonon_rectangle.rectangle import Rectangle

Floats = NDArray[np.float64]


class Solved(NamedTuple):
    """A rectangle in balance."""

    theta: Floats  # (y, x) K, pseudo-temperature
    flux_x: Floats  # (y, x + 1) W/m2
    flux_y: Floats  # (y + 1, x) W/m2
    energy: Floats  # (y, x) J/m3 above the reference; of a step in time
    distribution: Floats  # (own beam, 4, ..., lane) K of a step in time, for the next one
    unknown: Floats  # (n,) K, for the next step too
    residual: float
    sweeps: int


def solve(
    rectangle: Rectangle, options: Options, share: Share = ALONE, past: Past | None = None
) -> Solved:
    """Return the rectangle in balance, after a step in time if there is a past.

    Raises ValueError for walls that cannot be, or with the residual if it does not get there.
    """
    turned = sides.turned(rectangle.walls, rectangle.heating.shape)
    if past is None:
        sides.refuse_no_way_out(rectangle.walls, bool(rectangle.heating.any()))
    if not turned:
        return _solved(rectangle, options, share, past)
    found = _solved(rectangle.transposed(), options, share, past)
    return found._replace(
        theta=found.theta.T,
        flux_x=found.flux_y.T,
        flux_y=found.flux_x.T,
        energy=found.energy.T,
    )


def _solved(rectangle: Rectangle, options: Options, share: Share, past: Past | None) -> Solved:
    problem = Problem(rectangle, share, past)
    x, residual, sweeps = acceleration.solve(
        problem.balance, problem.corrected, problem.first_guess(), options
    )
    theta, _ = problem.unknowns.split(x)
    told = problem.told
    net_x, net_y, energy = (share.total(one) for one in told[1:])
    return Solved(theta, net_x, net_y, energy, problem.distribution, x, residual, sweeps)


def shapes(rectangle: Rectangle, share: Share = ALONE) -> tuple[tuple[int, ...], int]:
    """Return the shape of the distribution that this process keeps, and how much is unknown."""
    if sides.turned(rectangle.walls, rectangle.heating.shape):
        rectangle = rectangle.transposed()
    own = beams(rectangle, None, share.part)
    ny, nx = rectangle.heating.shape
    unknowns = sides.Unknowns((ny, nx), rectangle.modes.velocity.size, rectangle.walls)
    return (len(own.mode), 4, ny, nx, own.lanes.shape[2]), unknowns.size


def at_rest(rectangle: Rectangle, dt: float, temperature: float, share: Share = ALONE) -> Past:
    """Return the past of a crystal in equilibrium at a temperature [K above the reference]."""
    shape, unknown = shapes(rectangle, share)
    return Past(dt, np.full(shape, temperature), np.full(unknown, temperature))


def heating(
    shape: tuple[int, int], lengths: tuple[float, float], box: Floats, power: float
) -> Floats:
    """Return power [W/m3] in a box x0, x1, y0, y1 [m], in cells (y, x) by the part inside."""
    parts = []
    for count, length, (low, high) in zip(shape[::-1], lengths, (box[:2], box[2:]), strict=True):
        edges = np.linspace(0.0, length, count + 1)
        inside = np.minimum(edges[1:], high) - np.maximum(edges[:-1], low)
        parts.append(np.maximum(inside, 0.0) * (count / length))
    return np.asarray(power * np.multiply.outer(parts[1], parts[0]))
