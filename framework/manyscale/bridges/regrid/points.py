"""Maps between point sets: nearest neighbour and local radial basis functions.

A map is a sparse matrix that takes values at the source points to values at the target points.
*Consistent* maps have rows that sum to 1 and carry intensive fields; *conservative* ones have
columns that sum to 1 and carry totals such as forces. A conservative map is the transpose of the
consistent map in the other direction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

RADIAL: dict[str, tuple[Callable[[Floats], Floats], int]] = {
    "linear": (lambda r: -r, 0),
    "thin_plate_spline": (lambda r: _r2_log_r(r), 1),
    "cubic": (lambda r: r**3, 1),
    "quintic": (lambda r: -(r**5), 2),
}
"""Functions of the distance without a length of their own, and the least degree each needs."""
_BLOCK = 2**22  # numbers in one block of local systems
_LOOSE = 1e-6  # how badly a local system may reproduce its polynomials before it is refused


def nearest_map(source: Floats, target: Floats) -> csr_array:
    """Return the consistent map (m, n) that gives each target the value of its nearest source.

    Parameters
    ----------
    source, target
        Points, (n, d) and (m, d), in one unit of length.
    """
    from scipy.spatial import cKDTree

    _refuse_bad_points(source, target, 1)
    _, nearest = cKDTree(source).query(target)
    return _csr(np.ones((len(target), 1)), nearest.reshape(-1, 1), len(source))


def rbf_map(
    source: Floats,
    target: Floats,
    neighbours: int = 50,
    kernel: str = "thin_plate_spline",
    degree: int = 1,
) -> csr_array:
    """Return the consistent map (m, n) of local radial basis functions.

    Each target gets the value of the interpolant through its nearest `neighbours` sources: radial
    functions plus polynomials up to `degree`, which it reproduces. Wendland, Scattered Data
    Approximation (2004), chapter 8; the local form is that of scipy's RBFInterpolator.

    Parameters
    ----------
    source, target
        Points, (n, d) and (m, d), in one unit of length.

    Raises
    ------
    ValueError
        For a kernel or a degree that does not serve, and for neighbourhoods that do not determine
        their interpolant: too few points, equal ones, or all on one line.
    """
    from scipy.spatial import cKDTree

    radial = _radial(kernel, degree)
    terms = comb(degree + source.shape[-1], degree)
    _refuse_bad_points(source, target, terms)
    count = min(neighbours, len(source))
    if count < terms:
        raise ValueError(
            f"{count} neighbours do not determine polynomials of degree {degree}:"
            f" use {terms} or more"
        )
    _, near = cKDTree(source).query(target, k=count)
    near = np.sort(near.reshape(len(target), count), axis=1)
    weights = np.empty(near.shape)
    for part in _blocks(len(target), (count + terms) ** 2):
        weights[part] = _weights(source[near[part]], target[part], radial, degree)
    return _csr(weights, near, len(source))


def conservative(consistent: csr_array) -> csr_array:
    """Return the conservative map (m, n) from the consistent map (n, m) in the other direction.

    Its columns sum to 1: what sits at a source is shared out among the targets.
    """
    sums = np.asarray(consistent.sum(axis=1))
    if not np.allclose(sums, 1.0, rtol=0.0, atol=1e-6):
        raise ValueError(
            f"a row of the reverse map sums to {sums[np.argmax(abs(sums - 1.0))]:.6g}, expected 1:"
            " give the consistent map from the targets to the sources"
        )
    shared = consistent.copy()
    shared.data = shared.data / np.repeat(sums, np.diff(shared.indptr))
    return shared.T.tocsr()


def _r2_log_r(r: Floats) -> Floats:
    from scipy.special import xlogy

    return np.asarray(xlogy(r * r, r))


def _radial(kernel: str, degree: int) -> Callable[[Floats], Floats]:
    if kernel not in RADIAL:
        raise ValueError(f"no radial function is called {kernel!r}: use one of {', '.join(RADIAL)}")
    radial, least = RADIAL[kernel]
    if degree < least:
        raise ValueError(f"{kernel} needs polynomials of degree {least} or more, found {degree}")
    return radial


def _refuse_bad_points(source: Floats, target: Floats, least: int) -> None:
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1]:
        raise ValueError(
            f"points are (n, d), the same d on both sides; found {source.shape} and {target.shape}"
        )
    if len(source) < least:
        raise ValueError(f"{len(source)} source points are too few: {least} or more are needed")
    for name, points in (("source", source), ("target", target)):
        bad = ~np.isfinite(points).all(axis=1)
        if bad.any():
            raise ValueError(f"{name} point {int(np.argmax(bad))} is not finite")


def _blocks(count: int, size: int) -> Iterator[slice]:
    step = max(1, _BLOCK // size)
    for first in range(0, count, step):
        yield slice(first, first + step)


def _weights(
    near: Floats, target: Floats, radial: Callable[[Floats], Floats], degree: int
) -> Floats:
    """Return the weights (b, k) of the neighbours (b, k, d) of targets (b, d).

    The local system is symmetric, so its solution for the values of the basis at the target is
    the row of the map.
    """
    middle = 0.5 * (near.max(axis=1) + near.min(axis=1))
    half = 0.5 * (near.max(axis=1) - near.min(axis=1)).max(axis=1)[:, None]
    half[half == 0.0] = 1.0
    own = (near - middle[:, None]) / half[:, None]
    at = ((target - middle) / half)[:, None]
    count, powers = own.shape[1], _powers(own.shape[2], degree)
    system = np.zeros((len(own), count + len(powers), count + len(powers)))
    system[:, :count, :count] = radial(_distances(own, own))
    system[:, :count, count:] = _monomials(own, powers)
    system[:, count:, :count] = system[:, :count, count:].transpose(0, 2, 1)
    wanted = np.concatenate([radial(_distances(at, own))[:, 0], _monomials(at, powers)[:, 0]], 1)
    weights = _solved(system, wanted)[:, :count]
    reproduced = np.einsum("bk,bkp->bp", weights, system[:, :count, count:])
    loose = abs(reproduced - wanted[:, count:]).max(axis=1)
    scale = 1.0 + abs(wanted[:, count:]).max(axis=1)
    if not (loose <= _LOOSE * scale).all():
        _refuse_neighbourhood(target[int(np.argmax(~(loose <= _LOOSE * scale)))], degree)
    return weights


def _solved(system: Floats, wanted: Floats) -> Floats:
    try:
        return np.asarray(np.linalg.solve(system, wanted[:, :, None])[:, :, 0], np.float64)
    except np.linalg.LinAlgError:
        return np.full_like(wanted, np.nan)


def _refuse_neighbourhood(target: Floats, degree: int) -> None:
    raise ValueError(
        f"the source points near {np.array2string(target, precision=4, separator=', ')} do not"
        f" determine an interpolant of degree {degree}: two are equal or all lie on one line;"
        " take more neighbours or merge equal points"
    )


def _distances(one: Floats, other: Floats) -> Floats:
    """Distances (b, p, q) between the points (b, p, d) and (b, q, d) of each neighbourhood."""
    squares = np.zeros((len(one), one.shape[1], other.shape[1]))
    for axis in range(one.shape[2]):
        squares += (one[:, :, None, axis] - other[:, None, :, axis]) ** 2
    return np.asarray(np.sqrt(squares), dtype=np.float64)


def _powers(dimension: int, degree: int) -> list[tuple[int, ...]]:
    """Return the factors of every monomial up to a degree, as axes: (), (0,), (1,), (0, 0) ..."""
    axes = range(dimension)
    return [p for order in range(degree + 1) for p in combinations_with_replacement(axes, order)]


def _monomials(points: Floats, powers: list[tuple[int, ...]]) -> Floats:
    values = np.ones((*points.shape[:2], len(powers)))
    for column, axes in enumerate(powers):
        for axis in axes:
            values[:, :, column] *= points[:, :, axis]
    return values


def _csr(weights: Floats, columns: Whole, count: int) -> Any:
    from scipy.sparse import csr_array

    rows, width = weights.shape
    ends = np.arange(rows + 1) * width
    return csr_array((weights.ravel(), columns.ravel(), ends), shape=(rows, count))
