"""Sharpening by bagged regression trees with lines in their leaves, on scikit-learn.

The trees learn the coarse temperature from the coarse means of albedo, vegetation index and
emissivity (Gao 2012), are applied to fine pixels, and what a coarse pixel has beyond them is added.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import BaggingRegressor
from sklearn.tree import DecisionTreeRegressor

from manyscale_plugins.downscaling_baseline.kernel import (
    Coarse,
    Flags,
    Floats,
    covered,
    refuse_few,
    with_means,
)
from manyscale_plugins.surface_scene.areas import coarse_means
from manyscale_plugins.surface_scene.grids import Grid

_BEYOND = 0.25  # of the range of the coarse temperatures that a line may leave it by
_TOGETHER = 2**20  # pixels that are predicted at a time


class LinearLeaves(DecisionTreeRegressor):  # type: ignore[misc]
    """A regression tree whose leaves are lines, within the range of what it learnt from."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None, check_input: bool = True) -> Any:
        """Grow the tree and fit a line to every leaf, with a little ridge."""
        super().fit(X, y, sample_weight, check_input)
        weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
        leaves = self.apply(X)
        self.lines_ = np.zeros((self.tree_.node_count, X.shape[1] + 1))
        self.means_ = np.zeros((self.tree_.node_count, X.shape[1]))
        for leaf in np.unique(leaves):
            mine = (leaves == leaf) & (weight > 0.0)
            self.means_[leaf] = np.average(X[mine], axis=0, weights=weight[mine])
            self.lines_[leaf] = _line(X[mine] - self.means_[leaf], np.asarray(y)[mine],
                                      weight[mine])  # fmt: skip
        low, high = float(np.min(y)), float(np.max(y))
        self.range_ = low - _BEYOND * (high - low), high + _BEYOND * (high - low)
        return self

    def predict(self, X: Any, check_input: bool = True) -> Any:
        """Return the lines of the leaves at X (n, k)."""
        leaves = self.apply(X, check_input)
        slopes = self.lines_[leaves]
        found = slopes[:, 0] + np.einsum("nk,nk->n", slopes[:, 1:], X - self.means_[leaves])
        return np.clip(found, *self.range_)


def _line(X: Floats, y: Floats, weight: Floats) -> Floats:
    """Return mean and slopes (k + 1,) of a weighted ridge regression on centred X (n, k)."""
    mean = np.average(y, weights=weight)
    gram = (X * weight[:, None]).T @ X
    ridge = 1e-3 * np.trace(gram) / max(1, len(gram)) + 1e-12
    slopes = np.linalg.solve(gram + ridge * np.eye(len(gram)), (X * weight[:, None]).T @ (y - mean))
    return np.concatenate([[mean], slopes])


def sharpened(
    fields: list[NDArray[Any]],
    valid: Flags,
    fine: Grid,
    seen: Coarse,
    trees: int,
    leaf: int,
    seed: int,
) -> Floats:
    """Return the sharpened temperature (row, column) in K, 0 where not valid.

    `leaf` is the least number of coarse pixels in a leaf. Raises ValueError for too few of them.
    """
    usable = covered(valid, fine, seen) & seen.valid
    refuse_few(usable)
    known = [np.where(valid, field, np.nan).astype(np.float64) for field in fields]
    means = np.stack([coarse_means(field, fine, seen.grid) for field in known], axis=-1)
    single = LinearLeaves(min_samples_leaf=leaf)
    model = BaggingRegressor(single, n_estimators=trees, random_state=seed)
    model.fit(means[usable], seen.lst[usable])
    found = np.full(valid.shape, np.nan)
    found[valid] = _predicted(model, [field[valid] for field in fields])
    return with_means(found, valid, fine, seen, usable)


def _predicted(model: Any, fields: list[NDArray[Any]]) -> Floats:
    X = np.stack(fields, axis=-1).astype(np.float64)
    parts = [model.predict(X[i : i + _TOGETHER]) for i in range(0, len(X), _TOGETHER)]
    return np.concatenate(parts) if parts else np.zeros(0)
