"""Conservative regridding of cell means and cell totals between rectilinear grids.

W[i, j] = |T_i and S_j|, the overlap of target and source cells, is the Kronecker product of 1-D
overlaps (P. W. Jones, Monthly Weather Review 127 (1999) 2204, for first and second order). Means:
g_i = sum_j W_ij f_j / |T_i|; totals: g_i = sum_j W_ij f_j / |S_j|. Second order adds
W_ij grad f_j . (middle of the overlap - x_j).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from manyscale.bridges.regrid.overlaps import Floats, Matrix, Overlap, along_axes
from manyscale.bridges.regrid.slopes import Bools, gradient, slopes

_NOTHING = 1e-14  # part of a target cell: less than this is rounding


@dataclass(frozen=True)
class Rule:
    """How a field is put on another grid."""

    extensive: bool = False
    order: Literal[1, 2] = 1
    normalise: Literal["fracarea", "dstarea"] = "fracarea"
    outside: Literal["error", "fill", "nearest"] = "error"
    fill_value: float = 0.0
    limited: bool = False


def regrid(
    values: Floats,
    overlaps: Sequence[Overlap],
    rule: Rule,
    mask: Bools | None = None,
    axes: Sequence[str] = "xyz",
) -> tuple[Floats, Bools]:
    """Return a field on the target grid and the target cells that received nothing.

    Parameters
    ----------
    values
        Cell means or, extensive, cell totals (n_1, ..., n_d, ...); further axes pass along.
    overlaps
        Of the two grids along every axis.
    mask
        Source cells (n_1, ..., n_d) that hold no value; the weights of the others are
        renormalised.
    axes
        Names, for messages.

    Raises
    ------
    ValueError
        For values that are not finite and not masked, and for what `rule.outside` forbids.
    """
    _refuse_outside(overlaps, rule, axes)
    if rule.outside == "nearest":
        overlaps = [o.extended() for o in overlaps]
    held = held_values(values, mask, 0.0)
    empty = None if mask is None else beside(mask, values.ndim)
    if rule.extensive:
        held = per_volume(held, [o.sizes[0] for o in overlaps])
    operators = [means(o, rule) for o in overlaps]
    result = along_axes(operators, held)
    if rule.order == 2:
        result = result + _second_order(held, overlaps, operators, rule, empty)
    return _finished(result, overlaps, operators, rule, mask)


def target_volumes(overlaps: Sequence[Overlap]) -> Floats:
    """Return the volumes (m_1, ..., m_d) of the target cells."""
    return outer([o.sizes[1] for o in overlaps])


def outer(factors: Sequence[Floats]) -> Floats:
    """Return the product of one factor (n_a,) per axis as an array (n_1, ..., n_d)."""
    return np.asarray(reduce(np.multiply.outer, factors))


def per_volume(totals: Floats, sizes: Sequence[Floats]) -> Floats:
    """Return totals (n_1, ..., n_d, ...) of cells of these sizes as densities."""
    for axis, size in enumerate(sizes):
        totals = totals / size.reshape(-1, *[1] * (totals.ndim - axis - 1))
    return totals


def held_values(values: Floats, mask: Bools | None, instead: float) -> Floats:
    """Return values with another one in masked cells; all others must be finite."""
    held = np.asarray(values, dtype=np.float64)
    if mask is not None:
        held = np.where(beside(mask, held.ndim), 0.0, held)
    refuse_not_finite(held)
    if mask is not None and instead != 0.0:
        held = np.where(beside(mask, held.ndim), instead, held)
    return held


def refuse_not_finite(values: Floats) -> None:
    """Refuse NaN and infinities, naming the first."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):  # a finite sum has finite terms
            return
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise ValueError(
            f"it has {len(bad)} values that are not finite, the first at index "
            f"{[int(i) for i in bad[0]]}: send a mask for them"
        )


def beside(factor: NDArray[Any], axes: int) -> NDArray[Any]:
    """Return an array over the axes of a grid with 1 for every further axis of a field."""
    return factor.reshape(*factor.shape, *[1] * (axes - factor.ndim))


def _refuse_outside(overlaps: Sequence[Overlap], rule: Rule, axes: Sequence[str]) -> None:
    if rule.outside == "nearest" and rule.extensive:
        raise ValueError(
            "outside = nearest would make totals out of nothing; use fill for an extensive field"
        )
    if rule.outside != "error":
        return
    for axis, one in zip(axes, overlaps, strict=False):
        bare = np.flatnonzero(one.covered == 0.0)
        if len(bare):
            low, high = one.target[bare[0]], one.target[bare[0] + 1]
            raise ValueError(
                f"the target cell [{low:g}, {high:g}] m along {axis} lies outside the source, "
                f"[{one.source[0]:g}, {one.source[-1]:g}] m: choose other target_edges, or "
                "outside = fill or nearest"
            )


def _scale(one: Overlap, rule: Rule) -> Floats:
    """Return what the overlaps of every target cell (m,) are multiplied by, in 1/m or 1."""
    if rule.extensive:
        return np.ones(len(one.target) - 1)
    whole = one.covered if rule.normalise == "fracarea" else one.sizes[1]
    return np.divide(1.0, whole, out=np.zeros_like(whole), where=whole > 0.0)


def means(one: Overlap, rule: Rule) -> Matrix:
    """Return the first-order operator (m, n) along one axis; for totals, that of densities."""
    return one.matrix(one.lengths * _scale(one, rule)[one.rows])


def _second_order(
    held: Floats,
    overlaps: Sequence[Overlap],
    operators: Sequence[Matrix],
    rule: Rule,
    empty: Bools | None,
) -> Floats:
    """Return what the slopes within the source cells add."""
    moments = [one.matrix(one.lengths * one.away * _scale(one, rule)[one.rows]) for one in overlaps]
    if empty is None and not rule.limited:  # linear: no slopes are stored
        fields = [held] * len(moments)
        moments = [m @ gradient(one.source) for m, one in zip(moments, overlaps, strict=True)]
    else:
        fields = slopes(held, tuple(o.source for o in overlaps), empty, rule.limited)
    terms = [
        along_axes([*operators[:axis], moment, *operators[axis + 1 :]], field)
        for axis, (moment, field) in enumerate(zip(moments, fields, strict=True))
    ]
    return np.asarray(reduce(np.add, terms))


def _finished(
    result: Floats,
    overlaps: Sequence[Overlap],
    operators: Sequence[Matrix],
    rule: Rule,
    mask: Bools | None,
) -> tuple[Floats, Bools]:
    """Renormalise where source cells are masked, and fill what received nothing."""
    if mask is None:
        bare = ~outer([(o.covered > 0.0).astype(float) for o in overlaps]).astype(bool)
        share = None
    else:
        share = along_axes(operators, (~mask).astype(np.float64))
        least = _NOTHING * (target_volumes(overlaps) if rule.extensive else 1.0)
        bare = share <= least
    if share is not None and not rule.extensive and rule.normalise == "fracarea":
        share = np.where(bare, 1.0, share)
        result = result / beside(share, result.ndim)
    if bare.any():
        result = np.where(beside(bare, result.ndim), rule.fill_value, result)
    return result, bare
