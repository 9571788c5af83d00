"""Sweeps through a rectangle: rows of cells from the bottom up and from the top down.

A beam is a mode with some directions of the first quadrant, side by side in lanes; each is carried
in all four. Only the rows that cross the present row of cells are kept. Beams are swept in blocks
whose sums do not depend on who computes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import numba
import numpy as np

from manyscale_plugins.phonon_rectangle.rows import (
    CONTENT,
    EXCHANGE,
    FLUX_X,
    FLUX_Y,
    GIVEN,
    PATH_X,
    PATH_Y,
    PERIODIC,
    REASSOCIATE,
    SPECULAR,
    TELLING,
    A,
    Arrays,
    B,
    Floats,
    Numbers,
    carried,
    closed,
    enter,
    flux,
    inlined,
)

_WORTH_THREADS = 2**22  # cells times directions; threads that wait for busy cores cost more below
WEST, EAST, SOUTH, NORTH = range(4)
"""Walls at low x, high x, low y and high y."""


@inlined
def _row(
    kind: int,
    theta: Floats,
    share: float,
    right: Floats,
    left: Floats,
    beam: Floats,
    kinds: Numbers,
    jump: float,
    west: Floats,
    east: Floats,
    told: Arrays,
    old: Floats,
    new: Floats,
    phi: Floats,
    ends: Floats,
    leaving: Floats,
    j: int,
    up: int,
) -> None:
    """Carry a row both ways; what enters at its ends depends on the walls there."""
    net_x = told[1]
    nx = theta.shape[1]
    if kinds[WEST] == PERIODIC or (kinds[WEST] == SPECULAR and kinds[EAST] == SPECULAR):
        mirrored = kinds[WEST] == SPECULAR
        closed(kind, theta, share, right, left, beam, old, jump, mirrored, ends, j)
        phi[:] = ends[0]
        net_x[j, 0] += flux(beam[FLUX_X], phi)
        carried(kind, theta, share, phi, right, beam, told, old[1], new[1], j, 1, up)
        if not mirrored:
            phi[:] = ends[1]
        net_x[j, nx] -= flux(beam[FLUX_X], phi)
        carried(kind, theta, share, phi, left, beam, told, old[0], new[0], j, -1, up)
    elif kinds[WEST] == SPECULAR:
        enter(phi, east[0, j], east[1, j], beam[PATH_X])
        net_x[j, nx] -= flux(beam[FLUX_X], phi)
        carried(kind, theta, share, phi, left, beam, told, old[0], new[0], j, -1, up)
        net_x[j, 0] += flux(beam[FLUX_X], phi)
        carried(kind, theta, share, phi, right, beam, told, old[1], new[1], j, 1, up)
        leaving[EAST, j] += flux(beam[FLUX_X], phi)
    else:
        enter(phi, west[0, j], west[1, j], beam[PATH_X])
        net_x[j, 0] += flux(beam[FLUX_X], phi)
        carried(kind, theta, share, phi, right, beam, told, old[1], new[1], j, 1, up)
        if kinds[EAST] == GIVEN:
            leaving[EAST, j] += flux(beam[FLUX_X], phi)
            enter(phi, east[0, j], east[1, j], beam[PATH_X])
        net_x[j, nx] -= flux(beam[FLUX_X], phi)
        carried(kind, theta, share, phi, left, beam, told, old[0], new[0], j, -1, up)
        leaving[WEST, j] += flux(beam[FLUX_X], phi)


@inlined
def _across(
    kind: int,
    theta: Floats,
    share: float,
    rows: Floats,
    beam: Floats,
    kinds: Numbers,
    jump: float,
    walls: Floats,
    told: Arrays,
    old: Floats,
    new: Floats,
    phi: Floats,
    ends: Floats,
    leaving: Floats,
    up: int,
) -> None:
    """Carry rows (2, cell, lane), of left- and right-going beams, from one wall to the other."""
    net_y = told[2]
    ny, nx = theta.shape
    start, wall = (0, NORTH) if up > 0 else (ny - 1, SOUTH)
    for i in range(nx):
        entering = flux(beam[FLUX_Y], rows[0, i]) + flux(beam[FLUX_Y], rows[1, i])
        net_y[start + (up < 0), i] += up * entering
    for n in range(ny):
        j = start + n * up
        _row(
            kind, theta, share, rows[1], rows[0], beam, kinds, jump, walls[WEST], walls[EAST],
            told, old, new, phi, ends, leaving, j, up,
        )  # fmt: skip
    for i in range(nx):
        leaving[wall, i] += flux(beam[FLUX_Y], rows[0, i]) + flux(beam[FLUX_Y], rows[1, i])


@inlined
def _beam(
    kind: int,
    theta: Floats,
    share: float,
    beam: Floats,
    kinds: Numbers,
    jump: float,
    walls: Floats,
    told: Arrays,
    old: Floats,
    new: Floats,
    leaving: Floats,
) -> None:
    """Carry a beam up and down; first away from a wall that is no mirror."""
    nx, lanes = theta.shape[1], beam.shape[1]
    rows = np.zeros((2, nx, lanes))  # between two mirrors nothing enters them
    phi, ends = np.empty(lanes), np.empty((2, lanes))
    first = 1 if kinds[SOUTH] == GIVEN else -1
    for turn in range(2):
        up = first if turn == 0 else -first
        wall = SOUTH if up > 0 else NORTH
        if kinds[wall] == GIVEN:
            for i in range(nx):
                for way in range(2):
                    enter(rows[way, i], walls[wall, 0, i], walls[wall, 1, i], beam[PATH_Y])
        half = 2 if up > 0 else 0
        _across(
            kind, theta, share, rows, beam, kinds, jump, walls, told, old[half : half + 2],
            new[half : half + 2], phi, ends, leaving, up,
        )  # fmt: skip


def _sweep_blocks(
    kind: int,
    theta: Floats,
    share: Floats,
    beams: Floats,
    starts: Numbers,
    kinds: Numbers,
    jump: float,
    walls: Floats,
    told: Arrays,
    old: Floats,
    new: Floats,
    leaving: Floats,
) -> None:
    for block in numba.prange(starts.size - 1):
        for n in range(starts[block], starts[block + 1]):
            own = (told[0][block], told[1][block], told[2][block], told[3][block])
            remembered = n if kind > TELLING else 0
            _beam(
                kind, theta, share[n], beams[n], kinds, jump, walls[n], own, old[remembered],
                new[remembered], leaving[n],
            )  # fmt: skip


def _compiled(parallel: bool) -> Callable[..., None]:
    compiled = numba.njit(
        parallel=parallel, cache=True, fastmath=REASSOCIATE, error_model="numpy", nogil=True
    )
    return cast(Callable[..., None], compiled(_sweep_blocks))


_sweep, _sweep_on_threads = _compiled(False), _compiled(True)


class Beams(NamedTuple):
    """The beams of one process."""

    mode: Numbers  # (beam,)
    share: Floats  # (beam,) part of a cell's emission that comes from its temperature
    lanes: Floats  # (beam, 8, lane)
    starts: Numbers  # first beam of every block, and the end
    directions: int  # of all processes


class Told(NamedTuple):
    """What a sweep says, block by block."""

    gained: Floats  # (block, y, x) W/m3, from scattering and what was remembered, seen by theta
    net_x: Floats  # (block, y, x + 1) W/m2; empty of a silent sweep
    net_y: Floats  # (block, y + 1, x) W/m2
    energy: Floats  # (block, y, x) J/m3 of the phonons, of a remembering sweep


def swept(
    kind: int,
    theta: Floats,
    beams: Beams,
    walls: tuple[Numbers, float, Floats],
    old: Floats | None = None,
) -> tuple[Told, Floats, Floats]:
    """Sweep once; return what it told, what reached the walls, and the new distribution.

    `theta` (y, x) K; `walls`: kinds (4,), what the left end of a period is above the right one
    [K], and what enters (beam, 4, 2, longest side): temperature [K] and gradient behind it [K/m].
    What reached the walls is (beam, 4, longest side) W/m2.
    """
    ny, nx = theta.shape
    blocks = beams.starts.size - 1
    told = Told(
        np.zeros((blocks, ny, nx)),
        np.zeros((blocks, ny, nx + 1)),
        np.zeros((blocks, ny + 1, nx)),
        np.zeros((blocks, ny, nx) if old is not None else (blocks, 1, 1)),
    )
    before = np.zeros((1, 4, 1, 1, 1)) if old is None else old
    new = np.empty_like(before)
    leaving = np.zeros((len(beams.lanes), 4, max(nx, ny)))
    many = theta.size * beams.directions > _WORTH_THREADS
    sweep = _sweep_on_threads if many else _sweep
    kinds, jump, entering = walls
    sweep(
        kind, theta, beams.share, beams.lanes, beams.starts, kinds, jump, entering, tuple(told),
        before, new, leaving,
    )  # fmt: skip
    return told, leaving, new


def lanes(
    path: Floats,
    strength: tuple[Floats, Floats, Floats],
    share: Floats,
    directions: tuple[Floats, Floats, Floats],
    cell: tuple[float, float],
) -> Floats:
    """Return what sweeps need of beams, (beam, 8, lane).

    `path` (beam,) is the mean free path [m], `strength` heat capacity [J/(m3 K)], current
    [W/(m2 K)] and exchange [W/(m3 K)] (beam,), `share` (beam,) the part of a cell's emission that
    comes from its temperature; `directions`: mu_x, mu_y and weight, (beam, lane); `cell`: dx and
    dy [m].
    """
    mu_x, mu_y, weight = directions
    reach = (share * path)[:, None]
    along, across = 2.0 * reach * mu_x / cell[0], 2.0 * reach * mu_y / cell[1]
    capacity, current, exchange = (one[:, None] * weight for one in strength)
    found = np.empty((len(path), 8, mu_x.shape[1]))
    found[:, A] = along / (1.0 + along + across)
    found[:, B] = across / (1.0 + along + across)
    found[:, EXCHANGE], found[:, CONTENT] = 0.5 * exchange, capacity
    found[:, PATH_X], found[:, PATH_Y] = path[:, None] * mu_x, path[:, None] * mu_y
    found[:, FLUX_X], found[:, FLUX_Y] = current * mu_x, current * mu_y
    return found
