"""A Gaussian process in place of the members, where it is sure enough of itself.

Kriging with a constant mean, the Matern 5/2 kernel and one length per input (Rasmussen and
Williams, Gaussian Processes for Machine Learning, 2006, sections 2.7, 4.2 and 5.4). Lengths
maximise the likelihood of all answers together; the predicted deviation is scaled by the root mean
square of the leave-one-out residuals, without the outermost points: nobody asks outside of these.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BAND, SURE = 1.959963984540054, 2.5758293035489004
"""Half widths of the 95 % and the 99 % band in standard deviations."""
_NUGGET = 1e-10
_LENGTHS = (0.02, 50.0)  # in parts of the extent of an input
_REFIT = 1.1  # lengths are looked for anew when the points have grown so much
_RESTARTS = (0.3, 1.0)


@dataclass(frozen=True)
class Surrogate:
    """Points (m, p), their answers (m, q), both scaled, and what was learnt of them."""

    x: Array
    y: Array
    lengths: Array  # (p,), in parts of the extent
    fitted: int = 0  # number of points at the last look for lengths
    caution: float = 1.0  # by which a check that failed has widened the band

    @property
    def ready(self) -> bool:
        """Whether there are enough points to predict anything."""
        return len(self.x) >= least_points(self.x.shape[1])

    @cached_property
    def _low(self) -> Array:
        return np.asarray(self.x.min(axis=0))

    @cached_property
    def _extent(self) -> Array:
        extent = np.ptp(self.x, axis=0)
        return np.asarray(np.where(extent > 0.0, extent, 1.0))

    def inside(self, x: Array) -> Array:
        """Return which queries (n, p) lie in the box around the points (n,)."""
        return np.asarray(((x >= self._low) & (x <= self.x.max(axis=0))).all(axis=1))

    @cached_property
    def _solved(self) -> _Solved:
        return _Solved(self._unit(self.x), self.y, self.lengths)

    def _unit(self, x: Array) -> Array:
        return np.asarray((x - self._low) / self._extent)

    def predicted(self, x: Array) -> tuple[Array, Array]:
        """Return answers (n, q) and the half width (n,) of the 95 % band, the widest of all q."""
        mean, relative = self._solved.predicted(self._unit(x))
        scale = np.sqrt(self._solved.variance) * self._solved.calibration
        half = BAND * self.caution * relative * float(scale.max(initial=0.0))
        return mean, half

    def sure(self, half: Array, tolerance: float) -> Array:
        """Return which predictions (n,) may be used: the 99 % band is within the tolerance."""
        return np.asarray(half * (SURE / BAND) <= tolerance)

    def worst(self, x: Array, count: int) -> Array:
        """Return up to `count` rows of queries (n, p) that reduce the deviation most.

        One after the other where it is largest, each as if those before were computed.
        """
        unit = self._unit(x)
        known, chosen = self._unit(self.x), []
        for _ in range(count):
            _, relative = _Solved(known, np.zeros((len(known), 1)), self.lengths).predicted(unit)
            row = int(relative.argmax())
            if row in chosen:
                break
            chosen.append(row)
            known = np.concatenate([known, unit[row : row + 1]])
        return np.array(chosen, dtype=np.intp)

    def grown(self, x: Array, y: Array) -> tuple[Surrogate, Array]:
        """Return the surrogate with more points, and which of them (rows) are new places."""
        _, first = np.unique(np.concatenate([self.x, x]), axis=0, return_index=True)
        new = np.sort(first[first >= len(self.x)]) - len(self.x)
        every = np.concatenate([self.x, x[new]]), np.concatenate([self.y, y[new]])
        more = replace(self, x=every[0], y=every[1])
        if more.ready and len(more.x) >= _REFIT * self.fitted:
            more = replace(more, lengths=more._fit(), fitted=len(more.x))
        return more, new

    def cautious(self, ratio: float) -> Surrogate:
        """Return the surrogate with a band that would have held an error `ratio` half widths."""
        return replace(self, caution=self.caution * max(1.0, ratio))

    def _fit(self) -> Array:
        from scipy.optimize import minimize

        x, y = self._unit(self.x), self.y
        bounds = [tuple(np.log(_LENGTHS))] * x.shape[1]
        starts = [np.log(self.lengths), *(np.full(x.shape[1], np.log(s)) for s in _RESTARTS)]
        found = [
            minimize(
                lambda t: _Solved(x, y, np.exp(t)).badness, s, method="L-BFGS-B", bounds=bounds
            )
            for s in starts
        ]
        best = min(found, key=lambda result: float(result.fun))
        return np.asarray(np.exp(best.x))


def empty(inputs: int, outputs: int) -> Surrogate:
    """Return a surrogate that knows nothing."""
    return Surrogate(np.zeros((0, inputs)), np.zeros((0, outputs)), np.full(inputs, 0.5))


def least_points(inputs: int) -> int:
    """Return with how many points a prediction begins."""
    return 2 * inputs + 2


def outermost(x: Array) -> Array:
    """Return the rows of queries (n, p) with the least and the largest of each coordinate."""
    return np.unique([*x.argmin(axis=0), *x.argmax(axis=0)])


def first_design(x: Array, known: Array) -> Array:
    """Return rows of queries (n, p) to begin with: the outermost ones, then the most remote."""
    if not x.shape[1]:
        return np.zeros(1, dtype=np.intp)
    chosen: list[int] = [] if len(known) else outermost(x).tolist()
    both = np.concatenate([known, x])
    low, extent = both.min(axis=0), np.ptp(both, axis=0)
    unit = (both - low) / np.where(extent > 0.0, extent, 1.0)
    here, there = unit[len(known) :], unit[: len(known)]
    while not chosen or len(chosen) + len(known) < least_points(x.shape[1]):
        taken = np.concatenate([there, here[chosen]])
        apart = np.linalg.norm(here[:, None] - taken[None], axis=-1).min(axis=1)
        row = int(apart.argmax())
        if row in chosen:
            break
        chosen.append(row)
    return np.array(chosen, dtype=np.intp)


def matern(a: Array, b: Array, lengths: Array) -> Array:
    """Return the Matern 5/2 correlation of points (n, p) and (m, p): (n, m)."""
    a, b = a / lengths, b / lengths
    square = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2.0 * a @ b.T
    s = np.sqrt(5.0 * np.maximum(square, 0.0))
    return np.asarray((1.0 + s + s * s / 3.0) * np.exp(-s))


class _Solved:
    """The linear algebra of kriging for given lengths."""

    def __init__(self, x: Array, y: Array, lengths: Array) -> None:
        from scipy.linalg import cho_factor, cho_solve

        self._x, self._y, self._lengths = x, y, lengths
        self._solve = cho_solve
        correlation = matern(x, x, lengths)
        correlation[np.diag_indices(len(x))] = 1.0 + _NUGGET
        try:
            self._factor = cho_factor(correlation, lower=True)
        except np.linalg.LinAlgError:
            correlation[np.diag_indices(len(x))] += 1e-7
            self._factor = cho_factor(correlation, lower=True)
        ones = np.ones(len(x))
        self._weight = cho_solve(self._factor, ones)
        self._total = float(ones @ self._weight)
        self._mean = (self._weight @ y) / self._total
        self._coefficients = cho_solve(self._factor, y - self._mean)
        misfit = ((y - self._mean) * self._coefficients).sum(axis=0)
        self.variance = np.maximum(misfit / max(len(x) - 1, 1), 0.0)

    @property
    def badness(self) -> float:
        """Negative logarithm of the likelihood, up to a constant, of all answers together."""
        scale = np.maximum(self.variance, 1e-300)
        log_determinant = 2.0 * float(np.log(np.diag(self._factor[0])).sum())
        return float(0.5 * (len(self._x) * np.log(scale) + log_determinant).mean())

    @cached_property
    def calibration(self) -> Array:
        """Root mean square of the standardised leave-one-out residuals, per answer (q,)."""
        outermost = (self._x == self._x.min(axis=0)) | (self._x == self._x.max(axis=0))
        inner = ~outermost.any(axis=1)
        if inner.sum() < 2:
            return np.ones(self._y.shape[1])
        inverse = self._solve(self._factor, np.eye(len(self._x)))
        inverse -= np.outer(self._weight, self._weight) / self._total
        diagonal = np.diag(inverse)[:, None]
        residual = (inverse @ self._y) / np.sqrt(diagonal)
        scale = np.sqrt(np.maximum(self.variance, 1e-300))
        return np.asarray(np.sqrt(((residual / scale)[inner] ** 2).mean(axis=0)))

    def predicted(self, x: Array) -> tuple[Array, Array]:
        """Return means (n, q) and the deviation relative to that of the process (n,)."""
        near = matern(x, self._x, self._lengths)
        mean = self._mean + near @ self._coefficients
        solved = self._solve(self._factor, near.T)
        left = 1.0 - (near * solved.T).sum(axis=1) + (1.0 - near @ self._weight) ** 2 / self._total
        return mean, np.sqrt(np.maximum(left, 0.0))
