"""Reference solutions for diffusion along a thin fast line (a pipe) in a slow crystal.

Lengths are in units of the pipe radius a, times in a2/D and diffusivities in D of the crystal. In
all of them the concentration is uniform across the pipe, and it is continuous at its surface.
Sources: Hart (1957), Acta Metallurgica 5, 597 (the limit of many lines); Le Claire and Rabinovitch
(1981), Journal of Physics C 14, 3863 (the isolated pipe). The determinant and the transforms below
are derived from the equations in the physics page.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse, special
from scipy.sparse import linalg

from manyscale_plugins.effective_medium import kernel as mixture

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]


def hart(fraction: float, ratio: float) -> float:
    """Effective diffusivity / D when lines of D_p/D = `ratio` fill `fraction` of the crystal."""
    return mixture.hart(fraction, 1.0, ratio)


def effective_diffusivity(wavenumber: float, outer: float, ratio: float) -> float:
    """Decay rate of the slowest mode cos(kz), over k2 D; one pipe in a closed cylinder.

    `wavenumber` is kR, `outer` is R/a, `ratio` is D_p/D. With lam/D = k2 + mu2 the crystal holds
    J0(mu r) Y1(mu R) - Y0(mu r) J1(mu R), and the pipe (D_p k2 - lam) a c = 2 D dc/dr at r = a.
    The lowest root lies below the Hart limit.
    """
    k, core = wavenumber, 1.0 / outer

    def mismatch(mu: float) -> float:
        edge, edge_slope = special.y1(mu), special.j1(mu)
        value = special.j0(mu * core) * edge - special.y0(mu * core) * edge_slope
        slope = -mu * (special.j1(mu * core) * edge - special.y1(mu * core) * edge_slope)
        return float(((ratio - 1.0) * k**2 - mu**2) * 0.5 * core * value - slope)

    bound = k * np.sqrt(hart(core**2, ratio) - 1.0)
    trial = np.linspace(1e-3, 1.0 + 1e-9, 2000) * bound
    signs = np.sign([mismatch(mu) for mu in trial])
    first = int(np.flatnonzero(signs[:-1] != signs[1:])[0])
    root = optimize.brentq(mismatch, trial[first], trial[first + 1], xtol=1e-15 * bound)
    return float(1.0 + (root / k) ** 2)


def isolated_pipe(depth: Floats, ratio: float, time: float) -> Floats:
    """Concentration in a pipe normal to a surface held at 1, at `depth` (n,) and `time`.

    Sine transform in depth (wavenumber k), Laplace transform in time (s = sigma - k2): the excess
    over the crystal without a pipe is
    k (D_p - 1) K0(q) / (sigma ((sigma + (D_p - 1) k2) K0(q) + 2 q K1(q))), q2 = sigma.
    """
    nodes, node_weights = np.polynomial.legendre.leggauss(600)
    root = 0.5 * (nodes + 1.0)
    widest = 8.0 / np.sqrt(time)
    k = widest * root**2
    measure = widest * root * node_weights

    def transform(sigma: Complexes) -> Complexes:
        q, column = np.sqrt(sigma), k[:, None]
        outside, edge = special.kve(0, q), special.kve(1, q)
        pipe = (sigma + (ratio - 1.0) * column**2) * outside + 2.0 * q * edge
        found: Complexes = column * (ratio - 1.0) * outside / (sigma * pipe)
        return found

    excess = _invert_laplace(transform, time) * np.exp(-(k**2) * time)
    waves = np.sin(np.multiply.outer(depth, k))
    return _crystal(depth, time) + 2.0 / np.pi * np.asarray((waves * measure * excess).sum(axis=-1))


def fisher_pipe(depth: Floats, ratio: float, time: float) -> Floats:
    """Concentration in the same pipe when the crystal conducts only across it, (n,).

    Laplace transform: exp(-y sqrt((s + 2 q K1(q)/K0(q))/D_p))/s with q2 = s.
    """

    def transform(s: Complexes) -> Complexes:
        q = np.sqrt(s)
        loss = 2.0 * q * special.kve(1, q) / special.kve(0, q)
        found: Complexes = np.exp(-np.multiply.outer(depth, np.sqrt((s + loss) / ratio))) / s
        return found

    return _invert_laplace(transform, time)


def _crystal(depth: Floats, time: float) -> Floats:
    return np.asarray(special.erfc(depth / (2.0 * np.sqrt(time))))


def _invert_laplace(transform: Callable[[Complexes], Complexes], time: float) -> Floats:
    """Value at `time` by the contour of Weideman (2006), SIAM J. Numer. Anal. 44, 2342."""
    count = 32
    angle = -np.pi + (np.arange(count) + 0.5) * (2.0 * np.pi / count)
    bent = 0.6407 * angle
    contour = 0.5017 * angle / np.tan(bent) - 0.6122 + 0.2645j * angle
    slope = 0.5017 / np.tan(bent) - 0.5017 * bent / np.sin(bent) ** 2 + 0.2645j
    s = count / time * contour
    terms = np.exp(s * time) * transform(s) * slope
    return np.asarray((terms.sum(axis=-1) / (1j * time)).real)


class Resolved(NamedTuple):
    """Finite volumes of pipe and crystal together: volumes dc/dt = source - conduction c.

    Unknowns (radial, axial) flattened. The pipe is radial cell 0, the crystal has radial faces in
    geometric progression from 1 to its outer radius.
    """

    volumes: Floats
    conduction: sparse.csc_array
    source: Floats
    depth: Floats


def resolve(
    outer: float, length: float, ratio: float, cells: tuple[int, int], held: bool
) -> Resolved:
    """Finite volumes on 0 < r < `outer`, 0 < z < `length`; all faces closed but z = 0 when `held`.

    `cells` are the radial cells of the crystal and the axial cells; `held` keeps 1 at z = 0.
    """
    radial, axial = cells
    faces = np.geomspace(1.0, outer, radial + 1)
    middle = np.concatenate(([1.0], np.sqrt(faces[1:] * faces[:-1])))
    area = np.pi * np.concatenate(([1.0], faces[1:] ** 2 - faces[:-1] ** 2))
    step = length / axial
    across = 2.0 * np.pi * step / np.log(middle[1:] / middle[:-1])
    along = area * np.where(np.arange(radial + 1) == 0, ratio, 1.0) / step
    stretch = _chain(np.ones(axial - 1))
    rows, columns = sparse.eye_array(axial), sparse.diags_array(along)
    surface = np.zeros((radial + 1, axial))
    surface[:, 0] = 2.0 * along if held else 0.0
    conduction = (
        sparse.kron(_chain(across), rows)
        + sparse.kron(columns, stretch)
        + sparse.diags_array(surface.ravel())
    )
    volumes = np.repeat(area * step, axial)
    depth: Floats = np.linspace(0.5 * step, length - 0.5 * step, axial)
    return Resolved(volumes, sparse.csc_array(conduction), surface.ravel(), depth)


def resolved_effective_diffusivity(
    wavenumber: float, outer: float, ratio: float, cells: tuple[int, int]
) -> float:
    """Decay rate of the slowest mode cos(kz) over k2 D on the resolved mesh, by inverse iteration.

    Arguments as in `effective_diffusivity` and `resolve`.
    """
    k = wavenumber / outer
    mesh = resolve(outer, np.pi / k, ratio, cells, held=False)
    shifted = linalg.splu(mesh.conduction + sparse.diags_array(k**2 * mesh.volumes, format="csc"))
    mode = np.tile(np.cos(k * mesh.depth), cells[0] + 1)
    for _ in range(30):
        mode = shifted.solve(mesh.volumes * mode)
        mode -= mesh.volumes @ mode / mesh.volumes.sum()  # rounding feeds the steady mode
        mode /= np.abs(mode).max()
    decay = (mode @ (mesh.conduction @ mode)) / (mode @ (mesh.volumes * mode))
    return float(decay / k**2)


def resolved_pipe(mesh: Resolved, time: float, steps: int) -> Floats:
    """Concentration in the pipe (axial,) at `time` from zero, by BDF2 begun with Euler."""
    dt = time / steps
    storage = sparse.diags_array(mesh.volumes, format="csc")
    before = np.zeros_like(mesh.volumes)
    now = linalg.splu(storage + dt * mesh.conduction).solve(dt * mesh.source)
    solver = linalg.splu(1.5 * storage + dt * mesh.conduction)
    for _ in range(steps - 1):
        held = mesh.volumes * (2.0 * now - 0.5 * before) + dt * mesh.source
        before, now = now, solver.solve(held)
    return np.asarray(now[: mesh.depth.size])


def _chain(links: Floats) -> sparse.csc_array:
    """Graph Laplacian of cells in a row joined by `links`."""
    ends = np.concatenate(([0.0], links, [0.0]))
    diagonals = [ends[1:] + ends[:-1], -links, -links]
    return sparse.csc_array(sparse.diags_array(diagonals, offsets=[0, 1, -1]))
