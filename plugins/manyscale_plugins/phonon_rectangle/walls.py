"""Walls of a rectangle: what they send back, and what of that is unknown."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.mass_diffusion.modes import Axis
from manyscale_plugins.phonon_rectangle.rows import GIVEN, PERIODIC, SPECULAR
from manyscale_plugins.phonon_rectangle.sweep import EAST, NORTH, SOUTH, WEST

Floats = NDArray[np.float64]

KINDS = ("isothermal", "diffuse", "specular", "periodic", "interface")
NAMES = ("left", "right", "bottom", "top")
_CLOSED = ("specular", "periodic")


class Wall(NamedTuple):
    """One side of a rectangle.

    isothermal: a black body at a temperature. diffuse: returns every mode in all directions, with
    the heat it brought. specular: a mirror. periodic: the opposite wall is the same place.
    interface: an open side with diffusion behind it, at a temperature and with the gradient that
    the flux through it has there, so that it is no obstacle by itself.
    """

    kind: str
    temperature: float = 0.0  # K above the reference


Walls = tuple[Wall, Wall, Wall, Wall]  # low x, high x, low y, high y


def codes(walls: Walls) -> NDArray[np.int64]:
    """Return the walls as sweeps know them."""
    known = {"specular": SPECULAR, "periodic": PERIODIC}
    return np.array([known.get(wall.kind, GIVEN) for wall in walls])


def _closed(walls: Walls, pair: tuple[int, int]) -> bool:
    return all(walls[side].kind in _CLOSED for side in pair)


def is_flat(walls: Walls, rows: int) -> bool:
    """Return whether nothing depends on y: one row of cells between mirrors."""
    return rows == 1 and _closed(walls, (SOUTH, NORTH))


def turned(walls: Walls, cells: tuple[int, ...]) -> bool:
    """Return whether rows should run in y: sweeps close rows, not columns, on themselves.

    Raises ValueError for walls that cannot be swept: periodic on one side only, or nowhere a wall
    that absorbs or scatters.
    """
    for pair in ((WEST, EAST), (SOUTH, NORTH)):
        kinds = [walls[side].kind for side in pair]
        if "periodic" in kinds and kinds[0] != kinds[1]:
            names = [NAMES[side] for side in pair]
            raise ValueError(
                f"wall_{names[0]} is {kinds[0]} and wall_{names[1]} is {kinds[1]}, expected both or"
                " neither periodic: opposite sides of a period are one place"
            )
    across, along = _closed(walls, (SOUTH, NORTH)), _closed(walls, (WEST, EAST))
    if across and along and 1 in cells:
        return cells[0] > 1
    if across and along:
        raise ValueError(
            "all four walls are specular or periodic, expected one at least that is isothermal,"
            " diffuse or an interface: nothing but the crystal scatters here, so one row of cells"
            " (ny = 1) says the same"
        )
    return across and cells[0] > 1


def refuse_no_way_out(walls: Walls, heated: bool) -> None:
    """Raise ValueError for a steady problem whose heat cannot leave."""
    if heated and not any(wall.kind in ("isothermal", "interface") for wall in walls):
        raise ValueError(
            "the rectangle is heated and no wall lets heat out, so it has no steady state: make a"
            " wall isothermal or an interface, or source = 0"
        )


def basis(low: Wall, high: Wall, cells: int, length: float) -> tuple[Axis, bool]:
    """Return the axis whose basis suits two walls, and whether it runs from high to low."""
    held = [wall.kind in ("isothermal", "interface") for wall in (low, high)]
    if low.kind == "periodic":
        return Axis("periodic", cells, length), False
    named = {(True, True): "fixed_both", (False, False): "no_flux"}
    return Axis(named.get((held[0], held[1]), "fixed_left"), cells, length), held == [False, True]


class Unknowns(NamedTuple):
    """Where the temperature of cells, of diffuse walls and behind interfaces stand in a vector."""

    cells: tuple[int, int]  # y, x
    modes: int
    walls: Walls

    def side(self, wall: int) -> int:
        """Return the number of cells along a wall."""
        return self.cells[0] if wall in (WEST, EAST) else self.cells[1]

    def _pieces(self) -> list[tuple[int, int]]:
        """Return wall and length of what is unknown of the walls, in order."""
        found = []
        for wall, declared in enumerate(self.walls):
            if declared.kind == "diffuse":
                found.append((wall, self.modes * self.side(wall)))
            elif declared.kind == "interface":
                found.append((wall, self.side(wall)))
        return found

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return self.cells[0] * self.cells[1] + sum(length for _, length in self._pieces())

    def split(self, x: Floats) -> tuple[Floats, dict[int, Floats]]:
        """Return theta (y, x), and by wall what it has: (mode, side) or (side,) [K]."""
        count = self.cells[0] * self.cells[1]
        theta, parts = x[:count].reshape(self.cells), {}
        for wall, length in self._pieces():
            piece = x[count : count + length]
            shape = (-1, self.side(wall)) if self.walls[wall].kind == "diffuse" else (-1,)
            parts[wall] = piece.reshape(shape)
            count += length
        return theta, parts

    def joined(self, theta: Floats, parts: dict[int, Floats]) -> Floats:
        """Return the vector of these parts."""
        return np.concatenate([theta.ravel(), *(parts[w].ravel() for w, _ in self._pieces())])
