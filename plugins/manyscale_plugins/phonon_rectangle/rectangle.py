"""A rectangle full of phonons, and the beams it is swept with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.phonon_bte.quadrature import quadrant
from manyscale_plugins.phonon_bte.spectrum import Spectrum
from manyscale_plugins.phonon_rectangle.sweep import Beams, lanes
from manyscale_plugins.phonon_rectangle.walls import Walls, is_flat

Floats = NDArray[np.float64]

LANES = 16  # directions of a beam
BLOCKS = 16  # of beams: more ranks than that have nothing to do


class Rectangle(NamedTuple):
    """Modes between four walls, with heat put in."""

    modes: Spectrum
    lengths: tuple[float, float]  # m, in x and y
    heating: Floats  # (y, x) W/m3
    walls: Walls
    directions: tuple[int, int]  # polar and azimuthal, of a quadrant
    jump: float = 0.0  # K that the left end of a period is above its right end, or low y above high

    @property
    def cell(self) -> tuple[float, float]:
        """Size of a cell in x and y [m]."""
        ny, nx = self.heating.shape
        return self.lengths[0] / nx, self.lengths[1] / ny

    def transposed(self) -> Rectangle:
        """Return the same with x and y exchanged."""
        west, east, south, north = self.walls
        return self._replace(
            lengths=self.lengths[::-1], heating=self.heating.T, walls=(south, north, west, east)
        )


def beams(rectangle: Rectangle, dt: float | None, part: Callable[[int], slice]) -> Beams:
    """Return the beams that a process holds, for a step of dt [s] or the steady state."""
    modes = rectangle.modes
    mu_x, mu_y, weight = _grouped(*quadrant(*rectangle.directions))
    if is_flat(rectangle.walls, rectangle.heating.shape[0]):
        mu_y = np.zeros_like(mu_y)
    groups = len(mu_x)
    count = modes.velocity.size * groups
    blocks = min(BLOCKS, count)
    edges = np.linspace(0, count, blocks + 1).astype(np.int64)
    own = part(blocks)
    first, last = int(edges[own.start]), int(edges[own.stop])
    number = np.arange(first, last)
    mode, group = number // groups, number % groups
    remaining = emitted_share(modes, dt)[mode]
    strength = (modes.heat_capacity[mode], modes.current[mode], modes.exchange[mode])
    directions = (mu_x[group], mu_y[group], weight[group])
    found = lanes(modes.free_path[mode], strength, remaining, directions, rectangle.cell)
    starts = edges[own.start : own.stop + 1] - first
    return Beams(mode, remaining, found, starts, 4 * count * weight.shape[1])


def _grouped(mu_x: Floats, mu_y: Floats, weight: Floats) -> list[Floats]:
    """Return directions in groups (group, lane), padded with copies that weigh nothing."""
    width = min(LANES, weight.size)
    groups = -(-weight.size // width)
    more = groups * width - weight.size
    parts = (np.pad(mu_x, (0, more), "edge"), np.pad(mu_y, (0, more), "edge"))
    return [one.reshape(groups, width) for one in (*parts, np.pad(weight, (0, more)))]


def emitted_share(modes: Spectrum, dt: float | None) -> Floats:
    """Return 1/(1 + tau/dt) (mode,): how much of its emission a cell owes to its temperature."""
    if dt is None:
        return np.ones(modes.velocity.size)
    return np.asarray(1.0 / (1.0 + modes.free_path / (modes.velocity * dt)))
