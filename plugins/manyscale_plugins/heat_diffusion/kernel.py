"""Conduction in a box, rho c dT/dt = div(k grad T) + Q, with a conductivity for every cell.

Finite volumes on the grids and with the schemes of `mass_diffusion`: its eigenbasis inverts the
part of the operator that is uniform, exactly; conjugate gradients, preconditioned by it, do the
rest. With one conductivity everywhere that is one iteration. Between cells the harmonic mean
counts. A conductivity that depends on temperature is taken at the end of the step, by iteration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.mass_diffusion import modes
from manyscale_plugins.mass_diffusion.kernel import Weights
from manyscale_plugins.mass_diffusion.modes import Axis

Floats = NDArray[np.float64]

FLIPPED = "fixed_right"
"""Held on the high face only: `fixed_left`, seen from the other end."""
_TOLERANCE = 1e-12  # of a step: what is left of the imbalance over what drove it
_PICARD, _GRADIENTS = 100, 2000  # iterations at most


class Side(NamedTuple):
    """One direction of a box: its grid, whether it is seen from its high end, values held."""

    axis: Axis
    flipped: bool
    held: tuple[float, float]  # K on the low and the high face, where these are fixed

    @property
    def fixed(self) -> tuple[bool, bool]:
        """Whether the low and the high face are held."""
        low, high = self.axis.fixed, self.axis.boundary == "fixed_both"
        return (high, low) if self.flipped else (low, high)


Box = tuple[Side, Side, Side]
Conductivity = Callable[[Floats], Floats]
"""W/(m K) of every cell from its temperature [K]."""


def side(boundary: str, cells: int, length: float, held: tuple[float, float]) -> Side:
    """Return one direction of a box."""
    flipped = boundary == FLIPPED
    return Side(Axis("fixed_left" if flipped else boundary, cells, length), flipped, held)


def centres(one: Side) -> Floats:
    """Return cell centres (cells,) [m]."""
    return one.axis.centres


def _slices(along: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    low, high = [slice(None)] * 3, [slice(None)] * 3
    low[along], high[along] = slice(None, -1), slice(1, None)
    return tuple(low), tuple(high)


def fluxes(T: Floats, k: Floats, box: Box, along: int, driven: bool = True) -> Floats:
    """Return the flux through the faces of one direction [W/m2], one more than cells.

    Undriven, held faces are at 0 K: the linear part.
    """
    one = box[along]
    low, high = _slices(along)
    shape = list(T.shape)
    shape[along] += 1
    found = np.zeros(shape)
    inner = [slice(None)] * 3
    inner[along] = slice(1, -1)
    h = one.axis.size
    pairs = 2.0 * k[low] * k[high] / (k[low] + k[high])
    found[tuple(inner)] = pairs * (T[low] - T[high]) / h
    ends = [np.moveaxis(array, along, 0) for array in (found, T, k)]
    faces, values, own = ends
    if one.axis.boundary == modes.PERIODIC:
        wrapped = 2.0 * own[-1] * own[0] / (own[-1] + own[0])
        faces[0] = faces[-1] = wrapped * (values[-1] - values[0]) / h
    held = one.held if driven else (0.0, 0.0)
    if one.fixed[0]:
        faces[0] = 2.0 * own[0] * (held[0] - values[0]) / h
    if one.fixed[1]:
        faces[-1] = 2.0 * own[-1] * (values[-1] - held[1]) / h
    return found


def outflow(T: Floats, k: Floats, box: Box, driven: bool = True) -> Floats:
    """Return -div(k grad T) of every cell [W/m3]."""
    found = np.zeros(T.shape)
    for along, one in enumerate(box):
        found += np.diff(fluxes(T, k, box, along, driven), axis=along) / one.axis.size
    return found


def influx(T: Floats, k: Floats, box: Box) -> float:
    """Return the heat that enters through held faces [W]."""
    volume = cell_volume(box)
    return -float(sum(np.diff(_ends(fluxes(T, k, box, i), i)).sum() / one.axis.size
                      for i, one in enumerate(box) if any(one.fixed)) * volume)  # fmt: skip


def _ends(faces: Floats, along: int) -> Floats:
    moved = np.moveaxis(faces, along, 0)
    return np.stack([moved[0].ravel(), moved[-1].ravel()], axis=-1)


def cell_volume(box: Box) -> float:
    """Return the volume of a cell [m3]."""
    x, y, z = (one.axis.size for one in box)
    return x * y * z


class Step(NamedTuple):
    """A step in time: its length, its scheme, and what comes in it."""

    capacity: float  # J/(m3 K)
    dt: float  # s
    weights: Weights
    source: Floats  # W/m3, weighted in time as the scheme weights fluxes


def advanced(
    T: Floats, before: Floats, step: Step, conductivity: Conductivity, box: Box
) -> tuple[Floats, int]:
    """Return T (x, y, z) K after a step, and the iterations of its conductivity.

    `before` is T one step earlier. Raises ValueError if the iteration does not settle.
    """
    w, storage = step.weights, step.capacity / step.dt
    past = (w.rate - w.implicit) * outflow(T, conductivity(T), box) - step.source
    past -= storage * w.kept * (T - before)
    new, driving = T, 0.0
    for iteration in range(_PICARD):
        k = conductivity(new)
        missing = past + storage * w.now * (new - T) + w.implicit * outflow(new, k, box)
        size = float(np.abs(missing).max())
        driving = max(driving, size)
        if size <= _TOLERANCE * driving + _round_off(new, k, box, storage):
            return new, iteration
        new = new - _solved(missing, k, box, storage * w.now, w.implicit)
    raise ValueError(
        f"the temperatures do not settle in a step of {step.dt:.6g} s: what is left is"
        f" {size / driving:.3g} of what drives them after {_PICARD} iterations, expected"
        f" {_TOLERANCE:g}: shorten dt"
    )


def _round_off(T: Floats, k: Floats, box: Box, storage: float) -> float:
    """Return the imbalance [W/m3] that the last digits of the temperatures make up."""
    stiff = storage + float(k.max()) * float(_eigenvalues(box).max())
    return 4.0 * float(np.finfo(np.float64).eps) * stiff * float(np.abs(T).max())


def _solved(missing: Floats, k: Floats, box: Box, storage: float, implicit: float) -> Floats:
    """Return x with storage x + implicit (-div k grad x) = missing."""
    from scipy.sparse.linalg import LinearOperator, cg

    shape, size = missing.shape, missing.size
    diagonal = storage + implicit * float(np.exp(np.log(k).mean())) * _eigenvalues(box)

    def product(x: Floats) -> Floats:
        values = x.reshape(shape)
        return (storage * values + implicit * outflow(values, k, box, False)).ravel()

    def uniform(x: Floats) -> Floats:
        return _inverted(x.reshape(shape), diagonal, box).ravel()

    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    first = LinearOperator((size, size), matvec=uniform, dtype=np.float64)
    x, unsolved = cg(operator, missing.ravel(), rtol=1e-4, atol=0.0, maxiter=_GRADIENTS, M=first)
    del unsolved  # the caller looks at what is left, and goes on from there
    return np.asarray(x.reshape(shape))


def _eigenvalues(box: Box) -> Floats:
    x, y, z = (modes.eigenvalues(one.axis) for one in box)
    found = x[:, None, None] + y[:, None] + z
    return np.asarray(found)


def _inverted(values: Floats, diagonal: Floats, box: Box) -> Floats:
    """Divide by the diagonal in the eigenbasis; a mean that nothing holds stays as it is."""
    flipped = tuple(along for along, one in enumerate(box) if one.flipped)
    waves: Floats = np.flip(values, flipped)
    for along, one in enumerate(box):
        waves = modes.forward(waves, one.axis.boundary, along)
    waves = waves / np.where(diagonal > 0.0, diagonal, 1.0)
    for along, one in enumerate(box):
        waves = modes.backward(waves, one.axis.boundary, along)
    return np.asarray(np.flip(waves, flipped))


def of_table(temperatures: Floats, values: Floats) -> Conductivity:
    """Return k(T) of a table, straight between its points.

    The function raises ValueError for a temperature outside.
    """
    order = np.argsort(temperatures)
    known, k = temperatures[order], values[order]

    def conductivity(T: Floats) -> Floats:
        low, high = float(T.min()), float(T.max())
        slack = 1e-9 * known[-1]
        if known.size > 1 and (low < known[0] - slack or high > known[-1] + slack):
            outside = low if low < known[0] else high
            raise ValueError(
                f"a cell has {outside:.6g} K, but kappa_in holds k for {known[0]:g}..{known[-1]:g}"
                " K: let its sender compute more temperatures"
            )
        return np.asarray(np.interp(T, known, k))

    return conductivity


def face_temperature(T: float, k: float, width: float, flux_in: float) -> float:
    """Return the temperature [K] of a face through which a flux [W/m2] enters a cell."""
    return T + flux_in * width / (2.0 * k)
