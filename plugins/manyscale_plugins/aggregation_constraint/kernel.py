"""The least change of a fine field that gives it the means that were observed.

With m the model, c the observation, A the area-weighted mean over the valid fine pixels of every
coarse one, s^2 K the covariance of the model's errors and R = diag(sigma^2) that of the
observation: f = m + K A^T (A K A^T + R / s^2)^-1 (c - A m). K = 1 and R = 0 give the smallest
change in the sense of least squares that meets every mean (`exact`); R > 0 is Tikhonov's
compromise, the mean of the posterior (Rodgers 2000, section 2.4). In T^4 both sides are linearised
about f, again and again, with the change of T still the least.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.aggregation_constraint.footprints import Axis, axis_of
from manyscale_plugins.aggregation_constraint.posterior import posterior_std
from manyscale_plugins.aggregation_constraint.stencil import Stencil, along, assembled
from manyscale_plugins.aggregation_constraint.sweeps import means, spread
from manyscale_plugins.aggregation_constraint.weights import NO_TANGENT, Weights

Array = NDArray[Any]

_MOST = 40  # rounds
_AIM = 1e-2  # of the tolerance: rounds go on until so little is left, if they can
_MANY = 300  # coarse pixels along an axis say how far the constraint of one reaches
_NO_GAP = 1e-12  # of a coarse pixel
_COLDEST, _HOTTEST = 150.0, 400.0  # K
_DECAYED = 1e-12  # part of a change that is left beyond the halo


@dataclass(frozen=True)
class Rule:
    """What is held, and how strictly."""

    aggregate_in: Literal["T", "T4"] = "T"
    method: Literal["exact", "tikhonov"] = "exact"
    model_std: float = 1.0  # K, of a fine pixel
    observation_std: float = 1.0  # K, of a coarse pixel of unknown sigma; tikhonov
    correlation_length: float = 0.0  # map units, where the correlation of model errors ends
    min_cover: float = 0.5  # valid part of a coarse pixel that is held
    tol: float = 1e-9  # K


class Observation(NamedTuple):
    """What was seen of the coarse pixels."""

    lst: Array  # (r, c) K
    valid: Array  # (r, c) bool
    sigma: Array  # (r, c) K, standard deviation; 0 where not known
    geotransform: Array  # (6,)


class Constrained(NamedTuple):
    """The constrained field, and what is left."""

    lst: Array  # (row, column) K, 0 where not valid
    residual: Array  # (r, c) K, mean of the fine pixels less observation, 0 where not held
    held: Array  # (r, c) bool
    std: Array | None  # (row, column) K, posterior standard deviation, 0 where not valid


class NotConverged(ValueError):  # noqa: N818  a verdict, as `Refused`
    """The observed means could not be met."""


def constrained(
    model: Array,
    valid: Array,
    geotransform: Array,
    seen: Observation,
    rule: Rule | None = None,
    uncertainty: bool = False,
) -> Constrained:
    """Return a fine field with the means that were observed.

    Works on any part of a scene: with a `halo` of coarse pixels around it the part inside is that
    of the whole scene.

    Parameters
    ----------
    model
        (row, column) K.
    valid
        (row, column) bool; the other pixels belong to no mean.
    geotransform
        Of the fine pixels, in GDAL's order, without rotation.
    seen
        The observation.
    rule
        What is held, and how strictly.
    uncertainty
        Whether the posterior standard deviation is wanted.

    Raises
    ------
    ValueError
        For rotated grids, and fine pixels larger than coarse ones.
    NotConverged
        If the means cannot be met, with the residual.
    """
    rule = rule or Rule()
    axes = axes_of(seen, model.shape, geotransform, rule.correlation_length)
    scene = _Scene(model, valid, axes, _along(seen, axes))
    mean, part = means(model, valid, axes, False)
    held = scene.seen.valid & (part >= rule.min_cover) & (part > 0.0)
    if not held.any():
        T = np.where(valid, model, 0.0)
        std = np.where(valid, rule.model_std, 0.0) if uncertainty else None
        return Constrained(T, *_back(np.zeros(held.shape), held, axes), std)
    hold = _Hold(held, part, _whole(axes), _variance(scene.seen, held, rule))
    find = _linear if rule.aggregate_in == "T" else _iterated
    T, residual = find(scene, hold, mean, rule)
    if rule.method == "exact":
        _refuse_unmet(residual, rule.tol)
    std = None
    if uncertainty:
        tangent = T if rule.aggregate_in == "T4" else None
        matrix, weights = _matrix(scene, hold, tangent)
        std = posterior_std(matrix, axes, weights, rule.model_std)
    return Constrained(T, *_back(residual, held, axes), std)


class _Scene(NamedTuple):
    """What is given, coarse pixels counted in the direction of the fine ones."""

    model: Array  # (row, column) K
    valid: Array  # (row, column) bool
    axes: tuple[Axis, Axis]
    seen: Observation


class _Hold(NamedTuple):
    """Which means are held."""

    held: Array  # (r, c) bool
    part: Array  # (r, c) valid part of the pixel
    whole: Array  # (r, c) part of the pixel that would be valid without gaps
    variance: Array  # (r, c) R / s^2

    def patched(self, tangent: Array | None) -> Array:
        """Return the held pixels (r, c) whose weights are no product of one factor per axis."""
        gaps = self.part < self.whole * (1.0 - _NO_GAP)
        return np.asarray(self.held & (gaps | (tangent is not None)))


def _linear(scene: _Scene, hold: _Hold, mean: Array, rule: Rule) -> tuple[Array, Array]:
    """Return T (row, column) and the residual (r, c) in K; rounds take away what rounding left."""
    model, valid, axes, seen = scene
    matrix, weights = _matrix(scene, hold, None)
    pushes, T, before = np.zeros_like(mean), np.where(valid, model, 0.0), np.inf
    for _ in range(_MOST):
        left = np.where(hold.held, seen.lst - mean - hold.variance * pushes, 0.0)
        largest = float(np.abs(left).max())
        if largest <= _AIM * rule.tol or not largest < 0.5 * before:
            break
        before = largest
        pushes = pushes + matrix.solve(left)
        spread(pushes, model, weights, axes, T)
        mean, _ = means(T, valid, axes, False)
    return T, np.where(hold.held, mean - seen.lst, 0.0)


def _iterated(scene: _Scene, hold: _Hold, mean: Array, rule: Rule) -> tuple[Array, Array]:
    """Return T (row, column) and the residual (r, c) in K of means in T^4, by Gauss-Newton.

    The part of the second derivative that is left out makes it converge with 3 (T - m) / T.
    """
    model, valid, axes, seen = scene
    T, held = np.where(valid, model, 0.0), hold.held
    lst = np.where(held, seen.lst, 1.0)
    change = np.inf
    for _ in range(_MOST):
        matrix, weights = _matrix(scene, hold, T)
        mean, _ = means(T, valid, axes, True)
        new = T - model
        new *= T
        new *= T
        new *= T
        moved, _ = means(new, valid, axes, False)
        right = 0.25 * (lst - mean / lst**3) + moved / lst**3
        spread(matrix.solve(np.where(held, right, 0.0)), model, weights, axes, new)
        T -= new
        change = float(np.abs(T, out=T).max())
        T = new
        if not change > rule.tol:
            break
    if not change <= rule.tol:
        raise NotConverged(
            f"the iteration in T^4 still changes {change:.3g} K after {_MOST} rounds, expected"
            f" {rule.tol:g} K: look at the coarse temperatures, or use aggregate_in = T"
        )
    mean, _ = means(T, valid, axes, True)
    return T, np.where(held, mean**0.25 - lst, 0.0)


def _whole(axes: tuple[Axis, Axis]) -> Array:
    rows, columns = (axis.weights.sum(axis=1) for axis in axes)
    return np.asarray(np.multiply.outer(rows, columns))


def _matrix(scene: _Scene, hold: _Hold, tangent: Array | None) -> tuple[Stencil, Weights]:
    """Return A K A^T + R / s^2, and the weights of A."""
    below = hold.part if tangent is None else hold.part * scene.seen.lst**3
    share = np.divide(1.0, below, out=np.zeros_like(below), where=hold.held)
    slopes = NO_TANGENT if tangent is None else tangent
    weights = Weights(scene.valid, slopes, share, hold.patched(tangent))
    matrix = assembled(scene.axes, weights, hold.held)
    return matrix.plus(hold.variance) if hold.variance.any() else matrix, weights


def _variance(seen: Observation, held: Array, rule: Rule) -> Array:
    """Return R / s^2 (r, c), 0 for exact means."""
    if rule.method == "exact":
        return np.zeros(held.shape)
    sigma = np.where(seen.sigma > 0.0, seen.sigma, rule.observation_std)
    return np.where(held, (sigma / rule.model_std) ** 2, 0.0)


def _refuse_unmet(residual: Array, tol: float) -> None:
    largest = float(np.abs(residual).max(initial=0.0))
    if not largest <= tol:
        raise NotConverged(
            f"the projection did not converge: {largest:.3g} K of a coarse pixel are left, expected"
            f" {tol:g} K; some coarse pixels share nearly all their fine ones: use finer pixels, a"
            " larger min_cover, a shorter correlation_length, or method = tikhonov"
        )


def refuse_unlikely(seen: Observation) -> None:
    """Raise ValueError for observed temperatures that no ground has, naming the first pixel."""
    bad = np.argwhere(seen.valid & ~((seen.lst >= _COLDEST) & (seen.lst <= _HOTTEST)))
    if len(bad):
        r, c = bad[0]
        value = float(seen.lst[r, c])
        raise ValueError(
            f"coarse_in: lst is {value:.6g} K in row {r}, column {c}, expected"
            f" {_COLDEST:g}..{_HOTTEST:g} K"
            + (": is it in degrees Celsius?" if -100.0 <= value <= 100.0 else "")
        )


def axes_of(
    seen: Observation, shape: tuple[int, ...], geotransform: Array, correlation_length: float = 0.0
) -> tuple[Axis, Axis]:
    """Return the overlaps along rows and columns; raises ValueError for rotated grids."""
    for name, numbers in (("coarse", seen.geotransform), ("fine", geotransform)):
        if numbers[2] != 0.0 or numbers[4] != 0.0:
            raise ValueError(f"the {name} grid is rotated: bring it to a north-up grid first")
    r, c = seen.lst.shape

    def one(origin: int, size: int, coarse: int, fine: int) -> Axis:
        large = float(seen.geotransform[origin]), float(seen.geotransform[size]), coarse
        small = float(geotransform[origin]), float(geotransform[size]), fine
        return axis_of(large, small, correlation_length)

    return one(3, 5, r, shape[0]), one(0, 1, c, shape[1])


def halo(
    coarse_geotransform: Array,
    fine_geotransform: Array,
    coarse_shape: tuple[int, int],
    fine_shape: tuple[int, int],
    correlation_length: float = 0.0,
) -> tuple[int, int]:
    """Return how many coarse pixels around a part of a scene decide about it: (rows, columns).

    Beyond them a column of (A K A^T)^-1 has decayed below 1e-12 of its largest entry, along
    either axis and with every fine pixel valid.
    """
    blank = np.zeros(coarse_shape)
    seen = Observation(blank, blank > 0.0, blank, coarse_geotransform)
    rows, columns = axes_of(seen, fine_shape, fine_geotransform, correlation_length)
    return _decay(along(rows)), _decay(along(columns))


def _decay(band: Array) -> int:
    """Return how far the inverse of a band matrix (n, 2 half + 1) reaches, in coarse pixels."""
    from scipy.linalg import solve_banded

    half = band.shape[1] // 2
    used = np.flatnonzero(band[:, half] > 0.0)
    middle = max(len(used) - _MANY, 0) // 2
    kept = band[used[middle : middle + _MANY]]
    count = len(kept)
    if count == 0 or half == 0:
        return 0
    half = min(half, count - 1)
    centre = band.shape[1] // 2
    diagonals = np.zeros((2 * half + 1, count))
    for d in range(-half, half + 1):
        low, high = max(0, -d), min(count, count - d)
        diagonals[half - d, low + d : high + d] = kept[low:high, d + centre]
    inverse = np.abs(solve_banded((half, half), diagonals, np.eye(count)))
    row, column = np.nonzero(inverse > _DECAYED * inverse.max(axis=0))
    return int(np.abs(row - column).max()) + 1


def _along(seen: Observation, axes: tuple[Axis, Axis]) -> Observation:
    """Return the observation with pixels in the direction of the fine ones."""
    lst, valid, sigma = (_turned(x, axes) for x in (seen.lst, seen.valid, seen.sigma))
    return Observation(lst, valid, sigma, seen.geotransform)


def _back(residual: Array, held: Array, axes: tuple[Axis, Axis]) -> tuple[Array, Array]:
    return _turned(residual, axes), _turned(held, axes)


def _turned(values: Array, axes: tuple[Axis, Axis]) -> Array:
    steps = tuple(slice(None, None, -1 if axis.reversed else 1) for axis in axes)
    return np.ascontiguousarray(values[steps])
