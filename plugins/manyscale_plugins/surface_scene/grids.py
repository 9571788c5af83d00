"""Grids of rasters: where pixels lie on a map, and which of them lie in a rectangle.

Row 0 is north and column 0 is west everywhere but in the files. Coordinates are in the unit of the
coordinate reference system.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Window = tuple[slice, slice]
"""Rows and columns of a part of a raster."""

NEAR = 1e-3  # of a pixel: lattices as near as this are one
_TOUCH = 1e-6  # of a pixel: less than this is no overlap


class Grid(NamedTuple):
    """Pixels of one size: west and north edge, width and height, shape, reference system."""

    west: float
    north: float
    width: float  # > 0
    height: float  # > 0
    shape: tuple[int, int]  # rows, columns
    crs: str

    @property
    def geotransform(self) -> Floats:
        """GDAL's six numbers."""
        return np.array([self.west, self.width, 0.0, self.north, 0.0, -self.height])

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north edge."""
        rows, columns = self.shape
        south = self.north - rows * self.height
        return self.west, south, self.west + columns * self.width, self.north

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    def edges(self, axis: int) -> Floats:
        """Return ascending edges (n + 1,) of rows (axis 0, as -y) or columns."""
        start, step = ((-self.north, self.height), (self.west, self.width))[axis]
        return np.asarray(start + step * np.arange(self.shape[axis] + 1), dtype=np.float64)

    def part(self, window: Window) -> Grid:
        """Return the grid of a window."""
        rows, columns = window
        return self._replace(
            west=self.west + columns.start * self.width,
            north=self.north - rows.start * self.height,
            shape=(rows.stop - rows.start, columns.stop - columns.start),
        )

    def touched(self, bounds: tuple[float, float, float, float]) -> Window | None:
        """Return the pixels that share some area with a rectangle, None if there are none."""
        west, south, east, north = bounds
        rows = self._reach(0, self.north - north, self.north - south)
        columns = self._reach(1, west - self.west, east - self.west)
        return None if rows is None or columns is None else (rows, columns)

    def _reach(self, axis: int, near: float, far: float) -> slice | None:
        size = (self.height, self.width)[axis]
        first = max(0, int(np.floor(near / size + _TOUCH)))
        last = min(self.shape[axis], int(np.ceil(far / size - _TOUCH)))
        return slice(first, last) if last > first else None

    def inside(self, other: Grid) -> tuple[float, float]:
        """Return by how many rows and columns of its own it begins within another grid."""
        return (
            (other.north - self.north) / self.height,
            (self.west - other.west) / self.width,
        )

    def fits(self, other: Grid) -> bool:
        """Return whether its pixels are pixels of another grid's lattice."""
        length = max(*self.shape, 1)
        alike = all(
            abs(a / b - 1.0) * length < NEAR
            for a, b in ((self.width, other.width), (self.height, other.height))
        )
        return alike and all(abs(k - round(k)) < NEAR for k in self.inside(other))

    def turned(self) -> Grid:
        """Return the grid that results from exchanging x and y."""
        south = self.bounds[1]
        rows, columns = self.shape
        return Grid(south, self.west + columns * self.width, self.height, self.width,
                    (columns, rows), self.crs)  # fmt: skip

    def __str__(self) -> str:
        rows, columns = self.shape
        size = f"{self.width:.6g}" if self.width == self.height else (
            f"{self.width:.6g} x {self.height:.6g}"
        )  # fmt: skip
        return f"{rows} x {columns} pixels of {size}"


def extent(grid: Grid) -> str:
    """Return where a grid lies, in words."""
    west, south, east, north = grid.bounds
    return f"x {west:.9g} to {east:.9g}, y {south:.9g} to {north:.9g}"


def common(one: Grid, other: Grid) -> tuple[float, float, float, float] | None:
    """Return the rectangle two grids of one reference system share, None if there is none."""
    a, b = one.bounds, other.bounds
    west, south, east, north = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
    slack = _TOUCH * min(one.width, other.width)
    return (west, south, east, north) if east - west > slack and north - south > slack else None
