"""Sweeps through a film: diamond differences, many modes and directions side by side.

With a = width/(Lambda mu) a cell lets (2 - a)/(2 + a) of a deviation from its own emission
through; phi, the deviational energy over C, is in kelvin. Lanes are pairs of mode and direction,
padded to blocks of equal size whose sums do not depend on who computes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LANES = 64  # of a block at least: a few vector registers, and within the first cache
BLOCKS = 32  # at most: more ranks than that have nothing to do
_WORTH_THREADS = 2**22  # cells times pairs; threads that wait for busy cores cost more below
_REASSOCIATE = {"reassoc", "contract", "nsz"}


class Lanes(NamedTuple):
    """Blocks (block, lane) of what each pair of mode and direction needs."""

    ratio: Floats  # (2 - a)/(2 + a)
    weight: Floats  # W/(m2 K): flux per kelvin of phi; 0 where padded
    pairs: int  # of all processes


def in_blocks(values: Floats, fill: float = 0.0) -> Floats:
    """Return (pair,) as (block, lane), padded at the end."""
    lanes = LANES
    while -(-values.size // lanes) > BLOCKS:
        lanes += LANES // 8
    blocks = -(-values.size // lanes)
    padded = np.full(blocks * lanes, fill)
    padded[: values.size] = values
    return padded.reshape(blocks, lanes)


def lanes(free_path: Floats, current: Floats, mu: Floats, weight: Floats, width: float) -> Lanes:
    """Return the lanes of modes (mode,) in directions (mu,) for cells of a width [m]."""
    path = np.multiply.outer(free_path, mu).ravel()
    flux = np.multiply.outer(current, 0.5 * weight * mu).ravel()
    # 2/a = 2 Lambda mu/width: its inverse overflows for modes that hardly move
    inverse = 2.0 * path / width
    return Lanes(in_blocks((inverse - 1.0) / (inverse + 1.0)), in_blocks(flux), path.size)


def _pass(
    theta: Floats,
    ratio: Floats,
    weight: Floats,
    phi: Floats,
    total: Floats,
    first: int,
    step: int,
    sign: float,
) -> None:
    """Carry phi (lane,) through all cells; add its flux to the faces' total (cell + 1,)."""
    face = first + (1 - step) // 2
    flux = 0.0
    for k in range(ratio.size):
        flux += weight[k] * phi[k]
    total[face] += sign * flux
    for i in range(theta.size):
        emitted = theta[first + step * i]
        flux = 0.0
        for k in range(ratio.size):
            value = emitted + ratio[k] * (phi[k] - emitted)
            phi[k] = value
            flux += weight[k] * value
        total[face + step * (i + 1)] += sign * flux


_through = numba.njit(fastmath=_REASSOCIATE, error_model="numpy", nogil=True)(_pass)


def _sweep_blocks(
    theta: Floats,
    ratio: Floats,
    weight: Floats,
    right: Floats,
    left: Floats,
    net: Floats,
) -> None:
    """Carry right- and left-going phi (block, lane), in place, through the film."""
    for b in numba.prange(ratio.shape[0]):
        _through(theta, ratio[b], weight[b], right[b], net[b], 0, 1, 1.0)
        _through(theta, ratio[b], weight[b], left[b], net[b], theta.size - 1, -1, -1.0)


def _compiled(parallel: bool) -> Callable[..., None]:
    compiled = numba.njit(
        parallel=parallel, cache=True, fastmath=_REASSOCIATE, error_model="numpy", nogil=True
    )
    return cast(Callable[..., None], compiled(_sweep_blocks))


_sweep, _sweep_on_threads = _compiled(False), _compiled(True)


def swept(lanes: Lanes, theta: Floats, right: Floats, left: Floats) -> tuple[Floats, ...]:
    """Return the net flux through the faces, block by block, and what leaves the film.

    `theta` (cell,) K is what the cells emit, `right` and `left` (block, lane) K what enters. The
    flux is (block, cell + 1) W/m2, positive to the right; what leaves is as what enters.
    """
    right, left = right.copy(), left.copy()
    net = np.zeros((len(lanes.ratio), theta.size + 1))
    many = theta.size * lanes.pairs > _WORTH_THREADS
    sweep = _sweep_on_threads if many else _sweep
    sweep(theta, lanes.ratio, lanes.weight, right, left, net)
    return net, right, left
