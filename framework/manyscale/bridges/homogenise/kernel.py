"""Apparent stiffness of a heterogeneous cell by scale averaging.

Bilinear finite elements on a rectilinear grid, plane strain, linear elasticity, one phase per
element. Strain and stress are (xx, yy, xy) with the engineering shear strain.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

CONDITIONS = ("linear_displacement", "periodic", "uniform_traction")
_GAUSS = 1.0 / np.sqrt(3.0)


@dataclass(frozen=True)
class Cell:
    """A rectilinear grid of elements, each of one phase.

    Attributes
    ----------
    edges_x, edges_y
        Ascending edges (nx + 1,) and (ny + 1,) in m.
    stiffness
        Stiffness (nx, ny, 3, 3) of every element in Pa.
    """

    edges_x: Floats
    edges_y: Floats
    stiffness: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of elements (nx, ny)."""
        return self.stiffness.shape[0], self.stiffness.shape[1]

    @property
    def volumes(self) -> Floats:
        """Areas (nx ny,) of the elements in m2."""
        return np.asarray(np.outer(np.diff(self.edges_x), np.diff(self.edges_y)).ravel())


@dataclass(frozen=True)
class Apparent:
    """What a cell shows under the unit strains, each (3, 3).

    Attributes
    ----------
    stiffness
        Column j is the mean stress <sigma> under the unit strain j, in Pa.
    energy
        <sigma_i : eps_j> in J/m3; equals `stiffness` (Hill-Mandel).
    strain
        Column j is the mean strain <eps> under the unit strain j; the identity.
    """

    stiffness: Floats
    energy: Floats
    strain: Floats


def edges(given: Floats, count: int, refine: int, name: str) -> Floats:
    """Return the edges (count refine + 1,) [m] of the elements from two or count + 1 given ones.

    Raises `ValueError` naming them as `name` if their number is another or they do not ascend.
    """
    if len(given) not in (2, count + 1):
        raise ValueError(
            f"{name} has {len(given)} edges for {count} cells: give {count + 1}, or the two ends"
        )
    if not (np.diff(given) > 0.0).all():
        raise ValueError(f"{name} does not ascend: sort the edges and take equal ones out")
    elements = count * refine
    at = np.arange(elements + 1) * ((len(given) - 1) / elements)
    return np.asarray(np.interp(at, np.arange(len(given)), given))


def fingerprint(cell: Cell, condition: str) -> bytes:
    """Return a hash of all that an apparent stiffness depends on."""
    digest = hashlib.blake2b(condition.encode(), digest_size=16)
    for array in (cell.edges_x, cell.edges_y, cell.stiffness):
        digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.digest()


def plane_strain(young: Floats, poisson: Floats) -> Floats:
    """Return isotropic stiffness (..., 3, 3) [Pa] from E [Pa] and Poisson's ratio [1]."""
    young, poisson = np.broadcast_arrays(young, poisson)
    shear = young / (2.0 * (1.0 + poisson))
    lame = young * poisson / ((1.0 + poisson) * (1.0 - 2.0 * poisson))
    stiffness = np.zeros((*shear.shape, 3, 3))
    stiffness[..., 0, 0] = stiffness[..., 1, 1] = lame + 2.0 * shear
    stiffness[..., 0, 1] = stiffness[..., 1, 0] = lame
    stiffness[..., 2, 2] = shear
    return stiffness


def voigt_bound(cell: Cell) -> Floats:
    """Return the mean stiffness (3, 3) [Pa], the upper bound."""
    local = cell.stiffness.reshape(-1, 3, 3)
    return np.asarray(np.einsum("e,eij->ij", cell.volumes / cell.volumes.sum(), local))


def reuss_bound(cell: Cell) -> Floats:
    """Return the inverse (3, 3) [Pa] of the mean compliance, the lower bound."""
    local = np.linalg.inv(cell.stiffness.reshape(-1, 3, 3))
    mean = np.einsum("e,eij->ij", cell.volumes / cell.volumes.sum(), local)
    return np.asarray(np.linalg.inv(mean))


def homogenise(cell: Cell, condition: str) -> Apparent:
    """Return the apparent stiffness under one of `CONDITIONS`.

    Raises `ValueError` for another condition.
    """
    if condition not in CONDITIONS:
        raise ValueError(f"{condition!r} is no boundary condition: use {', '.join(CONDITIONS)}")
    gradients, weights, degrees = _elements(cell)
    system = _assembled(cell, gradients, weights, degrees)
    if condition == "uniform_traction":
        displacement = _under_traction(cell, system, gradients, weights, degrees)
    else:
        displacement = _under_strain(cell, system, condition)
    return _averages(cell, gradients, weights, displacement[degrees])


def _nodes(cell: Cell) -> Floats:
    """Return positions (n, 2) of the nodes, the first axis of the grid slowest, in m."""
    x, y = np.meshgrid(cell.edges_x, cell.edges_y, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _elements(cell: Cell) -> tuple[Floats, Floats, Whole]:
    """Return strain from displacement (e, 4, 3, 8) [1/m], weights (e, 4) [m2], unknowns (e, 8).

    Corners go anticlockwise from the lower left one, each with its x and y displacement; the
    second axis is the Gauss point.
    """
    nx, ny = cell.shape
    dx = np.repeat(np.diff(cell.edges_x), ny)[:, None, None]
    dy = np.tile(np.diff(cell.edges_y), nx)[:, None, None]
    signs = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    at = _GAUSS * signs
    along_x = 0.5 * signs[:, 0] * (1.0 + at[:, None, 1] * signs[:, 1]) / dx
    along_y = 0.5 * signs[:, 1] * (1.0 + at[:, None, 0] * signs[:, 0]) / dy
    gradients = np.zeros((nx * ny, 4, 3, 8))
    gradients[:, :, 0, 0::2] = gradients[:, :, 2, 1::2] = along_x
    gradients[:, :, 1, 1::2] = gradients[:, :, 2, 0::2] = along_y
    weights = np.repeat(cell.volumes[:, None] / 4.0, 4, axis=1)
    first = (np.arange(nx)[:, None] * (ny + 1) + np.arange(ny)).reshape(-1, 1)
    corners = first + np.array([0, ny + 1, ny + 2, 1])
    degrees = (2 * corners[:, :, None] + np.arange(2)).reshape(-1, 8)
    return gradients, weights, degrees


def _assembled(cell: Cell, gradients: Floats, weights: Floats, degrees: Whole) -> Any:
    """Return the stiffness matrix of all nodes (2n, 2n)."""
    from scipy.sparse import csr_array

    local = cell.stiffness.reshape(-1, 1, 3, 3)
    stressed = (local * weights[:, :, None, None]) @ gradients
    own = (gradients.transpose(0, 1, 3, 2) @ stressed).sum(axis=1)
    rows = np.repeat(degrees, 8, axis=1).ravel()
    columns = np.tile(degrees, (1, 8)).ravel()
    size = 2 * len(cell.edges_x) * len(cell.edges_y)
    return csr_array((own.ravel(), (rows, columns)), shape=(size, size))


def _under_strain(cell: Cell, system: Any, condition: str) -> Floats:
    """Return displacements (2n, 3) [m] whose fluctuation vanishes on the boundary or repeats."""
    linear = _linear(cell)
    spread = _admitted(cell, condition)
    reduced = (spread.T @ system @ spread).tocsc()
    fluctuation = _solved(reduced, -(spread.T @ (system @ linear)))
    return np.asarray(linear + spread @ fluctuation)


def _linear(cell: Cell) -> Floats:
    """Return the displacements (2n, 3) [m] of the three unit strains."""
    x, y = _nodes(cell).T
    linear = np.zeros((2 * len(x), 3))
    linear[0::2, 0] = x
    linear[1::2, 1] = y
    linear[0::2, 2], linear[1::2, 2] = 0.5 * y, 0.5 * x
    return linear


def _admitted(cell: Cell, condition: str) -> Any:
    """Return the matrix (2n, unknowns) that gives every node its free fluctuation, or none."""
    from scipy.sparse import csr_array

    nx, ny = cell.shape
    if condition == "periodic":
        free = np.arange(nx)[:, None] * ny + np.arange(ny) - 1  # the first node stays: no shift
        unknown = np.pad(free, ((0, 1), (0, 1)), mode="wrap")
        count = nx * ny - 1
    else:
        free = np.arange(max(nx - 1, 0))[:, None] * (ny - 1) + np.arange(max(ny - 1, 0))
        unknown = np.pad(free, 1, constant_values=-1)
        count = free.size
    nodes = np.flatnonzero(unknown.ravel() >= 0)
    columns = unknown.ravel()[nodes]
    rows = np.concatenate([2 * nodes, 2 * nodes + 1])
    both = np.concatenate([2 * columns, 2 * columns + 1])
    shape = (2 * unknown.size, 2 * count)
    return csr_array((np.ones(len(rows)), (rows, both)), shape=shape)


def _under_traction(
    cell: Cell, system: Any, gradients: Floats, weights: Floats, degrees: Whole
) -> Floats:
    """Return displacements (2n, 3) [m] under the uniform tractions of mean unit strains."""
    volume = cell.volumes.sum()
    shares = np.einsum("eg,egij->eij", weights, gradients)  # m; forces of a unit stress
    forces = np.zeros((system.shape[0], 3))
    np.add.at(forces, degrees, shares.transpose(0, 2, 1))
    free = np.ones(len(forces), dtype=bool)
    free[[0, 1, 2 * cell.shape[0] * (cell.shape[1] + 1) + 1]] = False  # no shift, no rotation
    displacement = np.zeros_like(forces)
    displacement[free] = _solved(system[free][:, free].tocsc(), forces[free])
    compliance = forces.T @ displacement / volume
    return np.asarray(displacement @ np.linalg.inv(compliance))


def _solved(system: Any, load: Floats) -> Floats:
    from scipy.sparse.linalg import splu

    if not system.shape[0]:
        return np.zeros_like(load)
    options = {"SymmetricMode": True}
    order = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    return np.asarray(order.solve(load))


def _averages(cell: Cell, gradients: Floats, weights: Floats, displacement: Floats) -> Apparent:
    """Average strain, stress and energy over the Gauss points; `displacement` is (e, 8, 3)."""
    volume = cell.volumes.sum()
    strain = gradients @ displacement[:, None]
    stress = cell.stiffness.reshape(-1, 1, 3, 3) @ strain
    return Apparent(
        stiffness=np.einsum("eg,egij->ij", weights, stress) / volume,
        energy=np.einsum("eg,egki,egkj->ij", weights, stress, strain, optimize=True) / volume,
        strain=np.einsum("eg,egij->ij", weights, strain) / volume,
    )
