"""Overlaps of two rows of cells, and operators on arrays that act along one axis each.

Every operator is a sparse matrix; in d dimensions it is applied axis by axis, the Kronecker product
of the 1-D matrices, always in the same order of summation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
Matrix: TypeAlias = Any  # scipy.sparse.csr_array, which has no types

_ULP = 64.0 * 2.0**-52  # of the largest edge: edges as near as this are one edge
_UNEVEN = 1e-6  # of the spacing of cell centres


class Overlap(NamedTuple):
    """Where the cells of two rows of edges overlap, piece after piece in ascending order."""

    source: Floats  # (n + 1,) m
    target: Floats  # (m + 1,) m, snapped to the edges of the source
    rows: Integers  # (piece,) target cell
    columns: Integers  # (piece,) source cell
    lengths: Floats  # (piece,) m
    middles: Floats  # (piece,) m

    @property
    def sizes(self) -> tuple[Floats, Floats]:
        """Cell sizes of source (n,) and target (m,) in m."""
        return np.diff(self.source), np.diff(self.target)

    @property
    def covered(self) -> Floats:
        """Length of every target cell (m,) that lies in the source, in m."""
        return _summed(self.rows, self.lengths, len(self.target) - 1)

    @property
    def nested(self) -> bool:
        """Whether every target cell lies in one source cell, and all of the source is used."""
        alone = len(self.rows) == len(self.target) - 1
        return bool(alone and (np.diff(self.rows) == 1).all() and self.ends_agree)

    @property
    def ends_agree(self) -> bool:
        """Whether both begin and end at the same places."""
        return bool(self.source[0] == self.target[0] and self.source[-1] == self.target[-1])

    def matrix(self, weights: Floats) -> Matrix:
        """Return the matrix (target, source) that has a weight (piece,) for every overlap."""
        start = np.searchsorted(self.rows, np.arange(len(self.target)))
        shape = (len(self.target) - 1, len(self.source) - 1)
        return sparse.csr_array((weights, self.columns, start), shape=shape)

    @property
    def away(self) -> Floats:
        """How far the middle of every piece (piece,) lies from that of its source cell, in m."""
        centres = 0.5 * (self.source[1:] + self.source[:-1])
        return np.asarray(self.middles - centres[self.columns])

    def transposed(self) -> Overlap:
        """Return the overlaps with source and target exchanged."""
        return Overlap(
            self.target, self.source, self.columns, self.rows, self.lengths, self.middles
        )

    def extended(self) -> Overlap:
        """Return the overlaps with target cells outside put wholly into the nearest source cell."""
        outside = np.flatnonzero(self.covered == 0.0)
        before = outside[self.target[outside + 1] <= self.source[0]]
        behind = outside[len(before) :]
        last = len(self.source) - 2
        nearest = np.array([0] * len(before) + [last] * len(behind), dtype=np.intp)
        sizes = self.sizes[1][outside]
        middles = 0.5 * (self.source[nearest] + self.source[nearest + 1])
        b = len(before)

        def around(first: Any, inner: Any) -> Any:
            return np.concatenate([first[:b], inner, first[b:]])

        return self._replace(
            rows=around(outside, self.rows),
            columns=around(nearest, self.columns),
            lengths=around(sizes, self.lengths),
            middles=around(middles, self.middles),
        )


def _summed(cells: Integers, lengths: Floats, count: int) -> Floats:
    return np.bincount(cells, lengths, minlength=count).astype(np.float64)


def checked_edges(edges: Floats, axis: str) -> Floats:
    """Return edges (n + 1,) as float64; raises ValueError unless there are two and they ascend."""
    edges = np.asarray(edges, dtype=np.float64)
    ascend = edges.ndim == 1 and len(edges) > 1 and bool((np.diff(edges) > 0.0).all())
    if not ascend or not np.isfinite(edges[[0, -1]]).all():
        raise ValueError(
            f"the edges along {axis} are not two or more ascending numbers; give them, and the"
            " fields along that axis, in ascending order"
        )
    return edges


def edges_of_centres(centres: Floats, axis: str) -> Floats:
    """Return the edges (n + 1,) of n >= 2 equal cells with these centres.

    Raises ValueError if the spacing is not uniform or not ascending.
    """
    centres = np.asarray(centres, dtype=np.float64)
    if centres.ndim != 1 or len(centres) < 2 or not (np.diff(centres) > 0.0).all():
        raise ValueError(
            f"the cell centres along {axis} are not two or more ascending numbers; send them, and"
            f" the fields along that axis, in ascending order, or edges_{axis} for a single cell"
        )
    count = len(centres)
    size = (centres[-1] - centres[0]) / (count - 1)
    if np.abs(np.diff(centres) - size).max() > _UNEVEN * size:
        raise ValueError(
            f"the cell centres along {axis} are not evenly spaced, so their edges are not known:"
            f" send edges_{axis}"
        )
    # from the middle: as many roundings at either end
    middle = 0.5 * (centres[0] + centres[-1])
    return np.asarray(middle + size * (np.arange(count + 1) - 0.5 * count))


def overlap(source: Floats, target: Floats) -> Overlap:
    """Return the overlaps of two rows of ascending edges (n + 1,) and (m + 1,)."""
    target = _snapped(target, source)
    cuts = np.union1d(source, target)
    cuts = cuts[(cuts >= max(source[0], target[0])) & (cuts <= min(source[-1], target[-1]))]
    left, right = cuts[:-1], cuts[1:]
    rows = np.searchsorted(target, left, side="right") - 1
    columns = np.searchsorted(source, left, side="right") - 1
    return Overlap(source, target, rows, columns, right - left, 0.5 * (left + right))


def _snapped(edges: Floats, onto: Floats) -> Floats:
    """Return edges, with those that differ from others by rounding put onto these."""
    slack = _ULP * max(np.abs(edges).max(), np.abs(onto).max())
    after = np.searchsorted(onto, edges).clip(1, len(onto) - 1)
    near = np.where(edges - onto[after - 1] < onto[after] - edges, onto[after - 1], onto[after])
    snapped = np.where(np.abs(edges - near) <= slack, near, edges)
    return snapped if (np.diff(snapped) > 0.0).all() else edges


def along_axes(operators: Sequence[Matrix], values: Floats) -> Floats:
    """Return the Kronecker product of operators (m_a, n_a) on values (n_1, ..., n_d, ...).

    Axes that shrink come first, otherwise in the order of the array. Axes beyond the operators
    pass along.
    """
    shrinks = [operator.shape[0] < operator.shape[1] for operator in operators]
    for axis in sorted(range(len(operators)), key=lambda axis: not shrinks[axis]):
        values = along(operators[axis], values, axis)
    return np.ascontiguousarray(values)


def along(operator: Matrix, values: Floats, axis: int) -> Floats:
    """Return an operator (m, n) applied along one axis of values."""
    turned = np.moveaxis(values, axis, 0)
    found = operator @ turned.reshape(len(turned), -1)
    return np.moveaxis(found.reshape(-1, *turned.shape[1:]), 0, axis)
