"""Where lines run through a box, and which lines are refused."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.mass_diffusion import modes
from manyscale_plugins.mass_diffusion.modes import Axis, Box, Floats


class Lines(NamedTuple):
    """Lines along z at cell centres: cells (line, 2), and basis values (line, nx), (line, ny)."""

    cells: NDArray[np.int64]
    x: Floats
    y: Floats


def cells_of(line_xy: list[list[float]], box: Box) -> NDArray[np.int64]:
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
            f"line {number} of line_xy at ({position[0]:.9g}, {position[1]:.9g}) m is not at a "
            f"cell centre of the box: the nearest is ({centre[0]:.9g}, {centre[1]:.9g}) m"
        )
    return cell


def refuse_close(cells: NDArray[np.int64], box: Box, diffusivity: float, dt: float) -> None:
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


def refuse_other(s: Floats, number: int, axis: Axis) -> None:
    """Raise ValueError when the points `s` (nz,) [m] of a line are not the bulk's cells in z."""
    theirs = s.size * (s[1] - s[0])
    if abs(s - axis.centres).max() > 1e-6 * axis.size:
        raise ValueError(
            f"line {number} on line_in is {theirs:.9g} m long in {s.size} points, but the bulk is "
            f"{axis.length:.9g} m long in {axis.cells} cells: give both the same lz and nz"
        )


def _separation(first: NDArray[np.int64], second: NDArray[np.int64], box: Box) -> float:
    apart = []
    for one, other, axis in zip(first, second, box[:2], strict=True):
        steps = abs(int(one) - int(other))
        if axis.boundary == modes.PERIODIC:
            steps = min(steps, axis.cells - steps)
        apart.append(steps * axis.size)
    return math.hypot(*apart)


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
