"""Diffusion in a box with line sources, advanced in the eigenbasis of its finite volumes.

Every array named `amounts` holds coefficients (nx, ny, nz) [mol/m3] of u = c - offset, where the
offset is the value on the fixed faces (zero without any). A step multiplies each coefficient and
adds one rank-one term per line, so it needs no transform; a line sees only its own contraction.
"""

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.mass_diffusion import modes
from manyscale_plugins.mass_diffusion.modes import Axis, Floats

Box = tuple[Axis, Axis, Axis]


class Weights(NamedTuple):
    """One step of a scheme, w = D dt (eigenvalue of -lap) [1], for one coefficient u:

    u_new = ((old - old_rate w) u + before u_before + dt (source S + source_before S_before))
            / (now + now_rate w), with S the time mean of the source over the step.
    """

    old: float
    old_rate: float
    before: float
    now: float
    now_rate: float
    source: float
    source_before: float


IMPLICIT_EULER = Weights(1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0)
CRANK_NICOLSON = Weights(1.0, 0.5, 0.0, 1.0, 0.5, 1.0, 0.0)
EXPLICIT = Weights(1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0)
BDF2 = Weights(2.0, 0.0, -0.5, 1.5, 1.0, 1.5, -0.5)
STAY = Weights(1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)


class Lines(NamedTuple):
    """Lines along z at cell centres: cells (line, 2), and basis values (line, nx), (line, ny)."""

    cells: NDArray[np.int64]
    x: Floats
    y: Floats


def line_cells(line_xy: list[list[float]], box: Box) -> NDArray[np.int64]:
    """Cells (line, 2) of lines at `line_xy` rows x, y [m]; [[]]: one line nearest the box centre.

    Raises ValueError for a line away from a cell centre or outside, and for cells not square.
    """
    x, y, _ = box
    rows = [row for row in line_xy if row]
    if not math.isclose(x.size, y.size, rel_tol=1e-9):
        raise ValueError(
            f"lines need square cells, but the cells are {x.size:.6g} m by {y.size:.6g} m in x and "
            "y: choose lx/nx equal to ly/ny"
        )
    if not rows:
        return np.array([[(x.cells - 1) // 2, (y.cells - 1) // 2]])
    return np.array([_cell_of_line(number, row, (x, y)) for number, row in enumerate(rows)])


def _cell_of_line(number: int, position: list[float], axes: tuple[Axis, Axis]) -> list[int]:
    if len(position) != 2:
        raise ValueError(f"line {number} of line_xy has {len(position)} numbers, expected x and y")
    cell = [
        min(max(math.floor(p / axis.size), 0), axis.cells - 1)
        for p, axis in zip(position, axes, strict=True)
    ]
    centre = [float(axis.centres[c]) for axis, c in zip(axes, cell, strict=True)]
    if any(abs(p - c) > 1e-6 * axes[0].size for p, c in zip(position, centre, strict=True)):
        raise ValueError(
            f"line {number} of line_xy at ({position[0]:.9g}, {position[1]:.9g}) m is not at a cell "
            f"centre of the box: the nearest is ({centre[0]:.9g}, {centre[1]:.9g}) m"
        )
    return cell


def refuse_close_lines(cells: NDArray[np.int64], box: Box, diffusivity: float, dt: float) -> None:
    """Raise ValueError when two lines feel each other within a step: closer than 4 sqrt(D dt)."""
    smallest = 4.0 * math.sqrt(diffusivity * dt)
    for second in range(1, len(cells)):
        for first in range(second):
            apart = _separation(cells[first], cells[second], box)
            if apart < smallest:
                raise ValueError(
                    f"lines {first} and {second} of line_xy are {apart:.6g} m apart, less than "
                    f"4 sqrt(D dt) = {smallest:.6g} m: shorten dt to at most "
                    f"{(apart / 4.0) ** 2 / diffusivity:.6g} s or move them apart"
                )


def _separation(first: NDArray[np.int64], second: NDArray[np.int64], box: Box) -> float:
    apart = []
    for one, other, axis in zip(first, second, box[:2], strict=True):
        steps = abs(int(one) - int(other))
        if axis.boundary == modes.PERIODIC:
            steps = min(steps, axis.cells - steps)
        apart.append(steps * axis.size)
    return math.hypot(*apart)


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
    """Number of steps dt [s] in t_end [s]; ValueError when it is not whole within 1e-9."""
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


def initial_profile(axis: Axis, shape: str, c_initial: float) -> Floats:
    """Start values along one axis (cells,) [mol/m3]; ValueError for a cosine without no_flux."""
    if shape == "cosine" and axis.boundary != "no_flux":
        raise ValueError(
            f"initial = cosine needs no-flux ends in z, but bc_z = {axis.boundary}: set bc_z = "
            "no_flux or initial = uniform"
        )
    wave = np.cos(np.pi * axis.centres / axis.length) if shape == "cosine" else 0.0
    return c_initial * (1.0 + wave) * np.ones(axis.cells)


def start(box: Box, along_z: Floats) -> Floats:
    """Coefficients (nx, ny, nz) of values that vary along z only, `along_z` (nz,)."""
    x, y, z = box
    profile = modes.forward(along_z, z.boundary)
    return modes.totals(x)[:, None, None] * modes.totals(y)[:, None] * profile


def concentration(amounts: Floats, box: Box, shift: float) -> Floats:
    """Cell values (nx, ny, nz) [mol/m3] from coefficients and their offset."""
    values = amounts
    for along, axis in enumerate(box):
        values = modes.backward(values, axis.boundary, along, workers=2)
    return values + shift


def amount(c: Floats, box: Box) -> float:
    """Substance in the box [mol]."""
    return float(c.sum()) * math.prod(axis.size for axis in box)


def inflow(amounts: Floats, box: Box, diffusivity: float) -> float:
    """Substance entering through all fixed faces [mol/s], from the gradients at the faces."""
    sums = [modes.totals(axis) for axis in box]
    rate = 0.0
    for along, axis in enumerate(box):
        if axis.fixed:
            factors = list(sums)
            factors[along] = -modes.inward_gradient(axis) / axis.size
            rate += _contract(amounts, factors)
    return diffusivity * rate * math.prod(axis.size for axis in box)


def influx_of_step(
    scheme: str, step: int, dt: float, rates: tuple[float, float], last: float
) -> float:
    """Boundary influx [mol] of the step that starts at `step`, weighted in time as the scheme.

    `rates` are the inflows [mol/s] before and after the step, `last` the influx of the step before.
    """
    weight = weights(scheme, step)
    if weight is BDF2:
        return (dt * rates[1] - weight.before * last) / weight.now
    return dt * (weight.old_rate * rates[0] + weight.now_rate * rates[1])


def _contract(amounts: Floats, factors: list[Floats]) -> float:
    used = [np.flatnonzero(factor) for factor in factors]
    x, y, z = (factor[index] for factor, index in zip(factors, used, strict=True))
    return float((((amounts[np.ix_(*used)] * z).sum(axis=2) * y).sum(axis=1) * x).sum())


def place(cells: NDArray[np.int64], box: Box) -> Lines:
    """Lines through the given cells (line, 2)."""
    x, y, _ = box
    along_x = [modes.row(x, i) for i in cells[:, 0]]
    along_y = [modes.row(y, j) for j in cells[:, 1]]
    return Lines(
        cells,
        np.array(along_x).reshape(-1, x.cells),
        np.array(along_y).reshape(-1, y.cells),
    )


def response(lines: Lines, box: Box, weight: Weights, diffusivity: float, dt: float) -> Floats:
    """Change of the line cell at t + dt per unit line source, (line, nz) [s/m2] per axial mode."""
    wx, wy, wz = (diffusivity * dt * modes.eigenvalues(axis) for axis in box)
    found = np.zeros((len(lines.cells), wz.size))
    for i, rate in enumerate(wx):
        gain = weight.source * dt / (weight.now + weight.now_rate * (rate + wy[:, None] + wz))
        for line in range(len(found)):
            square = lines.x[line, i] ** 2 * lines.y[line] ** 2
            found[line] += (square[:, None] * gain).sum(axis=0)
    return found / (box[0].size * box[1].size)


def advance(
    amounts: Floats,
    before: Floats | None,
    sources: tuple[Floats, Floats],
    lines: Lines,
    box: Box,
    scheme: tuple[Weights, Weights],
    rate: float,
    dt: float,
) -> tuple[Floats, Floats, Floats]:
    """One step of `dt` [s] with diffusivity `rate` [m2/s].

    `sources` are the line sources (line, nz) [mol/(m s)] per axial mode, mean over this step and
    over the step before; `scheme` holds the weights of this step and of the next. Returns the new
    coefficients, and per line and axial mode (line, nz) [mol/m3] their value in the line cell and
    the value one step later when no source acts in it.
    """
    this, following = scheme
    per_area = dt / (box[0].size * box[1].size)
    added = (this.source * sources[0] + this.source_before * sources[1]) * per_area
    carried = following.source_before * sources[0] * per_area
    eigenvalues = [rate * dt * modes.eigenvalues(axis) for axis in box]
    new, seen = _sweep(
        amounts,
        amounts if before is None else before,
        added,
        carried,
        lines.x,
        lines.y,
        *eigenvalues,
        tuple(this[:5]),
        tuple(following[:5]),
    )
    count = len(lines.cells)
    total = np.add.reduce(seen, axis=0)
    return new, total[:count], total[count:]


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _sweep(u, before, added, carried, px, py, wx, wy, wz, this, following):  # type: ignore[no-untyped-def]
    nx, ny, nz = u.shape
    count = px.shape[0]
    new = np.empty_like(u)
    seen = np.zeros((nx, 2 * count, nz))
    a, a_rate, a_before, a_now, a_now_rate = this
    b, b_rate, b_before, b_now, b_now_rate = following
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
                value = (a - a_rate * w) * u[i, j, k] + a_before * before[i, j, k] + push[k]
                value /= a_now + a_now_rate * w
                ahead = (b - b_rate * w) * value + b_before * u[i, j, k] + later[k]
                later[k] = ahead / (b_now + b_now_rate * w)
                new[i, j, k] = value
            for line in range(count):
                weight = px[line, i] * py[line, j]
                for k in range(nz):
                    seen[i, line, k] += weight * new[i, j, k]
                    seen[i, count + line, k] += weight * later[k]
    return new, seen
