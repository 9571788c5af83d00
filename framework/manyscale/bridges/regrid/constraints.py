"""Aggregation constraints: a fine guess m is changed until its means are the coarse data c.

R takes the means of the coarse cells, |T| and |t| are coarse and fine volumes, D = diag(|t|).
additive: f = m + D^-1 R^T (R D^-1 R^T)^-1 (c - R m), the least change in the L2 norm; on nested
grids it is m + P (c - R m) with P the value of the coarse cell. On fine cells of one size D drops
out. tikhonov: the minimum of ||f - m||^2 + w ||R f - c||^2 in L2 norms. multiplicative:
f = m P(c / R m), nested grids only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

import numpy as np
from scipy import linalg

from manyscale.bridges.regrid.kernel import beside, outer, per_volume
from manyscale.bridges.regrid.overlaps import Floats, Matrix, Overlap, along, along_axes

Constraint = Literal["additive", "multiplicative", "tikhonov"]
_MET = 1e-9  # of the largest coarse value: what may be left of the constraint


@dataclass(frozen=True)
class _Axis:
    """Both grids along one axis, and the operators between them."""

    overlap: Overlap  # source: coarse, target: fine

    @property
    def means(self) -> Matrix:
        """R (coarse, fine)."""
        back = self.overlap.transposed()
        return back.matrix(back.lengths / back.sizes[1][back.rows])

    @property
    def shares(self) -> Matrix:
        """D^-1 R^T (fine, coarse) in 1/m."""
        one = self.overlap
        coarse, fine = one.sizes
        return one.matrix(one.lengths / coarse[one.columns] / fine[one.rows])

    @property
    def constant(self) -> Matrix:
        """P (fine, coarse) of nested cells."""
        return self.overlap.matrix(np.ones(len(self.overlap.rows)))

    def spread(self, values: Floats, axis: int) -> Floats:
        """Return D^-1 R^T (R D^-1 R^T)^-1 along one axis of coarse values."""
        if self.overlap.nested:
            return along(self.constant, values, axis)
        turned = np.moveaxis(values, axis, 0)
        solved = _solve(self.means @ self.shares, turned.reshape(len(turned), -1))
        return along(self.shares, np.moveaxis(solved.reshape(turned.shape), 0, axis), axis)


def constrain(
    guess: Floats,
    coarse: Floats,
    overlaps: Sequence[Overlap],
    constraint: Constraint = "additive",
    weight: float = 1.0,
) -> Floats:
    """Return the guess (m_1, ..., m_d, ...) with the means `coarse` (n_1, ..., n_d, ...).

    `overlaps` are those of the coarse (source) with the fine grid (target) along every axis; NaN
    in `coarse` leaves the mean of the guess. Raises ValueError if the constraint cannot be met.
    """
    axes = [_Axis(one) for one in overlaps]
    if not all(one.ends_agree for one in overlaps):
        raise ValueError("a constraint needs coarse and fine grids that begin and end together")
    means = [axis.means for axis in axes]
    nested = all(one.nested for one in overlaps)
    left = _left(coarse, along_axes(means, guess))
    if constraint == "multiplicative":
        return _multiplied(guess, left, along_axes(means, guess), axes)
    if constraint == "tikhonov" and nested:
        return guess + weight / (1.0 + weight) * _spread(left, axes)
    if constraint == "tikhonov":
        return guess + _relaxed(left, axes, weight)
    changed = guess + _spread(left, axes)
    left = _left(coarse, along_axes(means, changed))
    changed = changed + _spread(left, axes)  # takes the rounding of the first solution away
    left = _left(coarse, along_axes(means, changed))
    if np.abs(left).max() > _MET * max(np.nanmax(np.abs(coarse)), np.abs(guess).max()):
        _refuse_unmet()
    return changed


def constrain_totals(
    guess: Floats,
    coarse: Floats,
    overlaps: Sequence[Overlap],
    constraint: Constraint = "additive",
    weight: float = 1.0,
) -> Floats:
    """Return the same for cell totals: their densities are constrained."""
    large, small = [o.sizes[0] for o in overlaps], [o.sizes[1] for o in overlaps]
    densities = per_volume(guess, small), per_volume(coarse, large)
    density = constrain(*densities, overlaps, constraint, weight)
    return np.asarray(density * beside(outer(small), density.ndim))


def _left(coarse: Floats, means: Floats) -> Floats:
    return np.where(np.isnan(coarse), 0.0, coarse - means)


def _spread(left: Floats, axes: Sequence[_Axis]) -> Floats:
    for number, axis in enumerate(axes):
        left = axis.spread(left, number)
    return np.ascontiguousarray(left)


def _multiplied(guess: Floats, left: Floats, means: Floats, axes: Sequence[_Axis]) -> Floats:
    if not all(axis.overlap.nested for axis in axes):
        raise ValueError(
            "a multiplicative constraint needs fine cells that lie within one coarse cell each: "
            "use constraint = additive"
        )
    if ((means == 0.0) & (left != 0.0)).any():
        raise ValueError(
            "a multiplicative constraint cannot change a guess whose mean is 0 where the coarse "
            "value is not: use constraint = additive"
        )
    factor = 1.0 + np.divide(left, means, out=np.zeros_like(left), where=means != 0.0)
    return guess * along_axes([axis.constant for axis in axes], factor)


def _relaxed(left: Floats, axes: Sequence[_Axis], weight: float) -> Floats:
    """Return D^-1 R^T (R D^-1 R^T + 1/(w |T|))^-1 `left`, in the eigenvectors of every axis."""
    sizes = [axis.overlap.sizes[0] for axis in axes]
    pairs = [
        np.linalg.eigh(np.sqrt(np.outer(size, size)) * (axis.means @ axis.shares).toarray())
        for axis, size in zip(axes, sizes, strict=True)
    ]
    for number, ((_, vectors), size) in enumerate(zip(pairs, sizes, strict=True)):
        left = along(vectors.T * np.sqrt(size), left, number)
    stiffness = outer([values for values, _ in pairs]) + 1.0 / weight
    left = left / beside(stiffness, left.ndim)
    for number, ((_, vectors), size) in enumerate(zip(pairs, sizes, strict=True)):
        left = along(np.sqrt(size)[:, None] * vectors, left, number)
    return along_axes([axis.shares for axis in axes], left)


def _solve(matrix: Matrix, right: Floats) -> Floats:
    """Solve a symmetric positive definite band system (n, n) for (n, k)."""
    entries = matrix.tocoo()
    off = entries.col - entries.row
    bands = np.zeros((int(off.max()) + 1, matrix.shape[0]))
    upper = off >= 0
    bands[-1 - off[upper], entries.col[upper]] = entries.data[upper]
    try:
        return np.asarray(linalg.solveh_banded(bands, right))
    except np.linalg.LinAlgError:
        _refuse_unmet()


def _refuse_unmet() -> NoReturn:
    raise ValueError(
        "the constraint cannot be met: some coarse cells share all their fine cells; use a finer "
        "grid or constraint = tikhonov"
    )
