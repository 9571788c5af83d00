"""Orthonormal bases in which the finite-volume Laplacian of a uniform grid is diagonal.

On N cells of size h with the face conditions below, the eigenvalues of -d2/dx2 are
(4/h2) sin2(angle/2), and the basis functions at cell centres j + 1/2 are real:

| boundary   | faces                                 | transform | angle         |
|------------|---------------------------------------|-----------|---------------|
| no_flux    | zero gradient at both                 | DCT-II    | pi k/N        |
| fixed_both | zero value at both                    | DST-II    | pi (k+1)/N    |
| fixed_left | zero value at low, no gradient at high| DST-IV    | pi (k+1/2)/N  |
| periodic   | low and high are one face             | Hartley   | 2 pi k/N      |

A zero value sits on the face, half a cell from the first centre. Sources: Strang (1999), SIAM
Review 41, 135 (cosine transforms); Bracewell (1983), J. Opt. Soc. Am. 73, 1832 (Hartley).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Floats = NDArray[np.float64]

PERIODIC = "periodic"
FIXED = ("fixed_left", "fixed_both")


class Axis(NamedTuple):
    """One direction of a box: face conditions, number of cells and length [m]."""

    boundary: str
    cells: int
    length: float

    @property
    def size(self) -> float:
        """Cell size [m]."""
        return self.length / self.cells

    @property
    def fixed(self) -> bool:
        """Whether the value is held on the low face."""
        return self.boundary in FIXED

    @property
    def centres(self) -> Floats:
        """Cell centres (cells,) [m]."""
        return np.linspace(0.5 * self.size, self.length - 0.5 * self.size, self.cells)


Box = tuple[Axis, Axis, Axis]


def eigenvalues(axis: Axis) -> Floats:
    """Eigenvalues of minus the finite-volume second derivative, (cells,) [1/m2]."""
    k = np.arange(axis.cells)
    half_angle = {
        "no_flux": 0.5 * np.pi * k / axis.cells,
        "fixed_both": 0.5 * np.pi * (k + 1) / axis.cells,
        "fixed_left": 0.5 * np.pi * (k + 0.5) / axis.cells,
        PERIODIC: np.pi * k / axis.cells,
    }[axis.boundary]
    return np.asarray((2.0 / axis.size * np.sin(half_angle)) ** 2)


def forward(values: Floats, boundary: str, along: int = -1, workers: int = 1) -> Floats:
    """Coefficients of cell values along one array axis; any shape, same units."""
    if boundary == PERIODIC:
        return _hartley(values, along, workers)
    if boundary == "no_flux":
        return np.asarray(fft.dct(values, 2, axis=along, norm="ortho", workers=workers))
    kind = 2 if boundary == "fixed_both" else 4
    return np.asarray(fft.dst(values, kind, axis=along, norm="ortho", workers=workers))


def backward(coefficients: Floats, boundary: str, along: int = -1, workers: int = 1) -> Floats:
    """Cell values from coefficients along one array axis: the inverse of `forward`."""
    if boundary == PERIODIC:
        return _hartley(coefficients, along, workers)
    if boundary == "no_flux":
        return np.asarray(fft.idct(coefficients, 2, axis=along, norm="ortho", workers=workers))
    kind = 2 if boundary == "fixed_both" else 4
    return np.asarray(fft.idst(coefficients, kind, axis=along, norm="ortho", workers=workers))


def row(axis: Axis, cell: int) -> Floats:
    """Value of every basis function in one cell, (cells,)."""
    unit = np.zeros(axis.cells)
    unit[cell] = 1.0
    return forward(unit, axis.boundary)


def totals(axis: Axis) -> Floats:
    """Sum of every basis function over the cells, (cells,); exact zeros where it vanishes."""
    sums = forward(np.ones(axis.cells), axis.boundary)
    return np.where(np.abs(sums) < 1e-9 * np.sqrt(axis.cells), 0.0, sums)


def inward_gradient(axis: Axis) -> Floats:
    """Slope along the inward normal of the fixed faces, summed over them, (cells,) [1/m].

    One number per basis function; times -D the flux into the box. Zeros when no face is fixed.
    """
    slope = np.zeros(axis.cells)
    if axis.fixed:
        slope += row(axis, 0)
    if axis.boundary == "fixed_both":
        slope += row(axis, axis.cells - 1)
    return slope * (2.0 / axis.size)


def initial_profile(axis: Axis, shape: str, c_initial: float) -> Floats:
    """Start values along one axis (cells,) [mol/m3]; ValueError for a cosine without no_flux."""
    if shape == "cosine" and axis.boundary != "no_flux":
        raise ValueError(
            f"initial = cosine needs no-flux ends in z, but bc_z = {axis.boundary}: set bc_z = "
            "no_flux or initial = uniform"
        )
    wave = np.cos(np.pi * axis.centres / axis.length) if shape == "cosine" else 0.0
    return c_initial * (1.0 + wave) * np.ones(axis.cells)


def _hartley(values: Floats, along: int, workers: int) -> Floats:
    spectrum = fft.fft(values, axis=along, norm="ortho", workers=workers)
    return np.asarray(spectrum.real - spectrum.imag)
