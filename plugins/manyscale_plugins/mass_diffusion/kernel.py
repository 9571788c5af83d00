"""Diffusion in a box with line sources, advanced in the eigenbasis of its finite volumes.

Every array named `amounts` holds coefficients (nx, ny, nz) [mol/m3] of u = c - offset, where the
offset is the value on the fixed faces (zero without any). A step multiplies each coefficient and
adds one rank-one term per line, so it needs no transform; a line sees only its own contraction.

A process may hold `held`, a slice of the x modes: (held, ny, nz). What sums over x comes as one row
per x mode; rows of all processes, joined in order, add up to the same bits on any number of them.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, cast

import numba
import numpy as np

from manyscale_plugins.mass_diffusion import modes
from manyscale_plugins.mass_diffusion.lines import Lines
from manyscale_plugins.mass_diffusion.modes import Box, Floats


class Weights(NamedTuple):
    """One step of a scheme for one coefficient u, with w = D dt (eigenvalue of -lap) [1].

    u_new = u + (kept (u - u_before) - rate w u + dt (source S + source_before S_before))
                / (now + implicit w), where S is the time mean of the source over the step.
    As an increment: a factor 1/(1 + w) on u would lose the same digit of mass in every step.
    """

    rate: float
    kept: float
    now: float
    implicit: float
    source: float
    source_before: float


IMPLICIT_EULER = Weights(1.0, 0.0, 1.0, 1.0, 1.0, 0.0)
CRANK_NICOLSON = Weights(1.0, 0.0, 1.0, 0.5, 1.0, 0.0)
EXPLICIT = Weights(1.0, 0.0, 1.0, 0.0, 1.0, 0.0)
BDF2 = Weights(1.0, 0.5, 1.5, 1.0, 1.5, -0.5)
STAY = Weights(0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
ALL = slice(None)


def weights(scheme: str, step: int) -> Weights:
    """Weights of the step that starts at `step`; bdf2 begins with implicit Euler."""
    if scheme == "bdf2":
        return BDF2 if step else IMPLICIT_EULER
    named = {"crank_nicolson": CRANK_NICOLSON, "explicit": EXPLICIT}
    return named.get(scheme, IMPLICIT_EULER)


def refuse_unstable(scheme: str, diffusivity: float, dt: float, box: Box) -> None:
    """Raise ValueError when an explicit step `dt` [s] is beyond 1/(2 D sum 1/h2)."""
    largest = 0.5 / (diffusivity * sum(1.0 / axis.size**2 for axis in box))
    if scheme == "explicit" and dt > largest * (1.0 + 1e-12):
        raise ValueError(
            f"scheme explicit is unstable with dt = {dt:.6g} s: the largest stable step of this "
            f"grid is {largest:.6g} s; shorten dt or choose scheme implicit_euler"
        )


def whole_steps(dt: float, t_end: float) -> int:
    """Return the steps dt [s] in t_end [s]; ValueError when it is not whole within 1e-9."""
    count = max(1, round(t_end / dt))
    if abs(count * dt - t_end) > 1e-9 * t_end:
        raise ValueError(
            f"t_end = {t_end:.12g} s is not a whole number of steps dt = {dt:.12g} s; the nearest "
            f"is t_end = {count * dt:.12g} s"
        )
    return count


def offset(box: Box, c_left: float) -> float:
    """Value taken off the concentration [mol/m3]: c_left when any face is fixed, else 0."""
    return c_left if any(axis.fixed for axis in box) else 0.0


def start(box: Box, along_z: Floats, held: slice = ALL) -> Floats:
    """Coefficients (held, ny, nz) of values that vary along z only, `along_z` (nz,)."""
    x, y, z = box
    profile = modes.forward(along_z, z.boundary)
    return modes.totals(x)[held, None, None] * modes.totals(y)[:, None] * profile


def concentration(amounts: Floats, box: Box, shift: float) -> Floats:
    """Cell values (nx, ny, nz) [mol/m3] from coefficients and their offset."""
    values = amounts
    for along, axis in enumerate(box):
        values = modes.backward(values, axis.boundary, along, workers=2)
    return values + shift


def amount(c: Floats, box: Box) -> float:
    """Substance in the box [mol]."""
    return float(c.sum()) * math.prod(axis.size for axis in box)


def inflow_rows(amounts: Floats, box: Box, held: slice = ALL) -> Floats:
    """Gradients at the fixed faces, summed over them, one row per x mode (held, fixed axis)."""
    found = np.zeros((len(amounts), sum(axis.fixed for axis in box)))
    for row, factors in zip(found.T, _across_faces(box), strict=True):
        x, y, z = (np.flatnonzero(factor) for factor in (factors[0][held], *factors[1:]))
        row[x] = ((amounts[np.ix_(x, y, z)] * factors[2][z]).sum(axis=2) * factors[1][y]).sum(
            axis=1
        )
    return found


def inflow(rows: Floats, box: Box, diffusivity: float) -> float:
    """Substance entering through all fixed faces [mol/s], from rows (nx, fixed axis)."""
    rate = 0.0
    for row, (x, _, _) in zip(rows.T, _across_faces(box), strict=True):
        used = np.flatnonzero(x)
        rate += float((row[used] * x[used]).sum())
    return diffusivity * rate * math.prod(axis.size for axis in box)


@lru_cache(maxsize=8)
def _across_faces(box: Box) -> list[list[Floats]]:
    """For each axis with fixed faces, what every basis function of every axis weighs."""
    sums = [modes.totals(axis) for axis in box]
    return [
        [*sums[:along], -modes.inward_gradient(axis) / axis.size, *sums[along + 1 :]]
        for along, axis in enumerate(box)
        if axis.fixed
    ]


def influx_of_step(weight: Weights, dt: float, rates: tuple[float, float], last: float) -> float:
    """Boundary influx [mol] of one step, weighted in time as its scheme weights the gradients.

    `rates` are the inflows [mol/s] before and after the step, `last` the influx of the step before.
    """
    rate = (weight.rate - weight.implicit) * rates[0] + weight.implicit * rates[1]
    return (dt * rate + weight.kept * last) / weight.now


def response_rows(
    lines: Lines, box: Box, weight: Weights, diffusivity: float, dt: float, held: slice = ALL
) -> Floats:
    """Share of every x mode in the response of the lines, (held, line, nz) [s/m2]."""
    wx, wy, wz = (diffusivity * dt * modes.eigenvalues(axis) for axis in box)
    found = np.empty((len(wx[held]), len(lines.cells), wz.size))
    for row, rate, along_x in zip(found, wx[held], lines.x.T[held], strict=True):
        gain = weight.source * dt / (weight.now + weight.implicit * (rate + wy[:, None] + wz))
        for line, share in enumerate(row):
            square = along_x[line] ** 2 * lines.y[line] ** 2
            share[:] = (square[:, None] * gain).sum(axis=0)
    return found


def response(rows: Floats, box: Box) -> Floats:
    """Change of the line cell at t + dt per unit line source, (line, nz) [s/m2] per axial mode."""
    total: Floats = np.add.reduce(rows, axis=0)
    return total / (box[0].size * box[1].size)


def advance(
    amounts: Floats,
    before: Floats | None,
    sources: tuple[Floats, Floats],
    lines: Lines,
    box: Box,
    scheme: tuple[Weights, Weights],
    rate: float,
    dt: float,
    held: slice = ALL,
) -> tuple[Floats, Floats]:
    """One step of `dt` [s] with diffusivity `rate` [m2/s].

    `sources` are the line sources (line, nz) [mol/(m s)] per axial mode, mean over this step and
    over the step before; `scheme` holds the weights of this step and of the next. Returns the new
    coefficients, and what every x mode shows the lines (held, 2 lines, nz) for `seen`.
    """
    this, following = scheme
    per_area = dt / (box[0].size * box[1].size)
    added = (this.source * sources[0] + this.source_before * sources[1]) * per_area
    carried = following.source_before * sources[0] * per_area
    along_x, along_y, along_z = (rate * dt * modes.eigenvalues(axis) for axis in box)
    return _sweep(
        amounts,
        amounts if before is None else before,
        added,
        carried,
        np.ascontiguousarray(lines.x[:, held]),
        lines.y,
        along_x[held],
        along_y,
        along_z,
        tuple(this[:4]),
        tuple(following[:4]),
    )


def seen(rows: Floats) -> tuple[Floats, Floats]:
    """Value in the cell of every line, and one step later if no source acts in it.

    Both (line, nz) [mol/m3] per axial mode, from the rows (nx, 2 lines, nz) of all x modes.
    """
    total = np.add.reduce(rows, axis=0)
    count = len(total) // 2
    return total[:count], total[count:]


def _sweep_rows(
    u: Floats,
    before: Floats,
    added: Floats,
    carried: Floats,
    px: Floats,
    py: Floats,
    wx: Floats,
    wy: Floats,
    wz: Floats,
    this: tuple[float, ...],
    following: tuple[float, ...],
) -> tuple[Floats, Floats]:
    nx, ny, nz = u.shape
    count = px.shape[0]
    new = np.empty_like(u)
    seen = np.zeros((nx, 2 * count, nz))
    rate, kept, now, implicit = this
    next_rate, next_kept, next_now, next_implicit = following
    later = np.empty(nz)
    push = np.empty(nz)
    for i in range(nx):
        for j in range(ny):
            push[:] = 0.0
            later[:] = 0.0
            for line in range(count):
                weight = px[line, i] * py[line, j]
                for k in range(nz):
                    push[k] += weight * added[line, k]
                    later[k] += weight * carried[line, k]
            for k in range(nz):
                w = wx[i] + wy[j] + wz[k]
                here = u[i, j, k]
                gain = kept * (here - before[i, j, k]) + push[k] - rate * w * here
                gain /= now + implicit * w
                value = here + gain
                ahead = next_kept * gain + later[k] - next_rate * w * value
                later[k] = value + ahead / (next_now + next_implicit * w)
                new[i, j, k] = value
            for line in range(count):
                weight = px[line, i] * py[line, j]
                for k in range(nz):
                    seen[i, line, k] += weight * new[i, j, k]
                    seen[i, count + line, k] += weight * later[k]
    return new, seen


_sweep = cast(
    Callable[..., tuple[Floats, Floats]],
    numba.njit(cache=True, error_model="numpy", nogil=True)(_sweep_rows),
)
