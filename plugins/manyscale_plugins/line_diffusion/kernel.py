"""Diffusion along a line that exchanges with the bulk cell around it, in its axial eigenbasis.

Arrays named `amounts` hold coefficients (nz,) [mol/m3] of c_p - offset, where the offset is the
value at the fixed ends (zero without any). Every axial mode is one scalar equation.
"""

import math
from typing import NamedTuple

import numpy as np

from manyscale_plugins.mass_diffusion import modes
from manyscale_plugins.mass_diffusion.modes import Axis, Floats

WELL_RADIUS = math.exp(-np.euler_gamma) / (2.0 * math.sqrt(2.0))
MOST_SUBSTEPS = 8  # every sub-step is implicit: more of them change nothing that shows


class Pipe(NamedTuple):
    """Constants of one line: ends and points, radius [m], diffusivities [m2/s], conductance G."""

    axis: Axis
    radius: float
    diffusivity: float
    conductance: float  # m2/s: q' = G (c_p - c_cell)

    @property
    def area(self) -> float:
        """Cross section [m2]."""
        return math.pi * self.radius**2


class Surroundings(NamedTuple):
    """What the bulk says of the step, and its response to a unit source held over it.

    Cell values now and, without a source, at the end (nz,) [mol/m3]; response (nz,) [s/m2] per
    axial mode.
    """

    c_now: Floats
    c_pred: Floats
    response: Floats


class March(NamedTuple):
    """Time marching within a bulk step: sub-step [s], number of sub-steps, theta of the scheme."""

    dt: float
    number: int
    theta: float


class Passed(NamedTuple):
    """Result of one bulk step.

    Coefficients (nz,) [mol/m3], mean source (nz,) [mol/(m s)] in real space, influx [mol].
    """

    amounts: Floats
    q_line: Floats
    influx: float


def conductance(radius: float, diffusivity_bulk: float, cell_size: float) -> float:
    """Well-law conductance G = 2 pi D / ln(r_e/a) [m2/s]; ValueError when r_e <= a."""
    equivalent = WELL_RADIUS * cell_size
    if equivalent <= radius:
        raise ValueError(
            f"cells of {cell_size:.6g} m have the well radius r_e = {equivalent:.6g} m, not larger "
            f"than the line radius {radius:.6g} m, and the well law has no meaning: use cells "
            f"larger than {radius / WELL_RADIUS:.6g} m"
        )
    return 2.0 * math.pi * diffusivity_bulk / math.log(equivalent / radius)


def offset(axis: Axis, c_left: float) -> float:
    """Value taken off the concentration [mol/m3]: c_left with a fixed end, else 0."""
    return c_left if axis.fixed else 0.0


def substeps(asked: int, pipe: Pipe, dt: float) -> int:
    """Sub-steps of a bulk step `dt` [s]: as asked, or for 0 one per h2/D_p, at most 8.

    The sub-steps are implicit, so the bound costs accuracy of fast transients only.
    """
    wanted = math.ceil(min(pipe.diffusivity * dt / pipe.axis.size**2, MOST_SUBSTEPS))
    return asked or max(1, wanted)


def refuse_unstable(pipe: Pipe, dt: float) -> None:
    """Raise ValueError when an explicit exchange over `dt` [s] breaks dt G/(pi a2) < 1."""
    largest = pipe.area / pipe.conductance
    if dt >= largest:
        raise ValueError(
            f"exchange = explicit is unstable with a bulk step of {dt:.6g} s: it must be below "
            f"{largest:.6g} s; shorten dt of the bulk or choose exchange = response"
        )


def start(axis: Axis, shape: str, c_initial: float, c_left: float) -> Floats:
    """Coefficients (nz,) of the start profile; ValueError for a cosine without no-flux ends."""
    profile = modes.initial_profile(axis, shape, c_initial)
    return modes.forward(profile - offset(axis, c_left), axis.boundary)


def advance(
    pipe: Pipe, amounts: Floats, around: Surroundings, shift: float, march: March, exchange: str
) -> Passed:
    """Advance over one bulk step by `respond` or, for exchange = explicit, by `hold`."""
    chosen = hold if exchange == "explicit" else respond
    return chosen(pipe, amounts, around, shift, march)


def respond(
    pipe: Pipe, amounts: Floats, around: Surroundings, shift: float, march: March
) -> Passed:
    """Advance over one bulk step with the source q' = G (c_p - c_cell) eliminated.

    `shift` is the offset of `amounts` [mol/m3]. At the end of sub-step j of n the cell value is
    c_now + (j/n)(c_pred - c_now) + (R/n) (sum of the sources so far): at the end of the last it is
    what the bulk finds with the mean source.
    """
    boundary, (dt, count, theta) = pipe.axis.boundary, march
    now = modes.forward(around.c_now - shift, boundary)
    increment = (modes.forward(around.c_pred - shift, boundary) - now) / count
    feedback = around.response / count
    gain = pipe.conductance / (1.0 + theta * pipe.conductance * feedback)
    rate = pipe.diffusivity * dt * modes.eigenvalues(pipe.axis)
    pull = dt * gain / pipe.area
    total, means = np.zeros_like(amounts), np.zeros_like(amounts)
    for step in range(count):
        cell = now + (step + theta) * increment + feedback * total
        new = _theta_step(amounts, rate + pull, pull * cell, theta)
        mean = theta * new + (1.0 - theta) * amounts
        total += gain * (mean - cell)
        means += mean
        amounts = new
    return Passed(amounts, modes.backward(total / count, boundary), _influx(pipe, means, dt))


def hold(pipe: Pipe, amounts: Floats, around: Surroundings, shift: float, march: March) -> Passed:
    """Advance over one bulk step with the source G (c_p - c_now) of its start held.

    `shift` is the offset of `amounts` [mol/m3]. Raises ValueError beyond dt G/(pi a2) < 1.
    """
    boundary, (dt, count, theta) = pipe.axis.boundary, march
    refuse_unstable(pipe, count * dt)
    source = pipe.conductance * (amounts - modes.forward(around.c_now - shift, boundary))
    rate = pipe.diffusivity * dt * modes.eigenvalues(pipe.axis)
    means = np.zeros_like(amounts)
    for _ in range(count):
        new = _theta_step(amounts, rate, -dt / pipe.area * source, theta)
        means += theta * new + (1.0 - theta) * amounts
        amounts = new
    return Passed(amounts, modes.backward(source, boundary), _influx(pipe, means, dt))


def _theta_step(amounts: Floats, rate: Floats, drive: Floats, theta: float) -> Floats:
    # As an increment: a rounded factor on `amounts` would lose mass steadily.
    return np.asarray(amounts + (drive - rate * amounts) / (1.0 + theta * rate))


def _influx(pipe: Pipe, means: Floats, dt: float) -> float:
    slope = modes.inward_gradient(pipe.axis)
    return -pipe.diffusivity * pipe.area * dt * float((slope * means).sum())
