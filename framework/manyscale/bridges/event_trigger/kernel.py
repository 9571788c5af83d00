"""Dense output of a macro step, and where a condition crosses its level within it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Condition = Callable[[Floats], Floats]
"""g at parts of the step, s in [0, 1]: (sample,) -> (sample,)."""

_TOUCH = 1e-9
_ACROSS = 2  # times that a sub-interval with a crossing is divided, lest it be three
_DEEPEST = 8  # bisections into quarters of a sub-interval that might hide two crossings
_QUARTERS = np.array([0.25, 0.5, 0.75])


def hermite(s: Floats, before: Any, after: Any, rate_before: Any, rate_after: Any) -> Floats:
    """Return the cubic through values and rates of both ends, (sample, ...); rates per step.

    Fourth order in the step. At s = 0 and 1 it gives the very bits of the ends.
    """
    shape = (4, -1, *[1] * np.ndim(before))
    weights = (_even_basis(s.size) if s is _even(s.size) else _basis(s)).reshape(shape)
    return np.asarray(
        weights[0] * before
        + weights[1] * rate_before
        + weights[2] * after
        + weights[3] * rate_after
    )


def _basis(s: Floats) -> Floats:
    """Return the four cubic Hermite polynomials at parts of the step, (4, sample)."""
    r = 1.0 - s
    return np.stack([r * r * (1.0 + 2.0 * s), r * r * s, s * s * (1.0 + 2.0 * r), -s * s * r])


@cache
def _even(count: int) -> Floats:
    """Return equal parts of the step with both ends."""
    return np.linspace(0.0, 1.0, count)


@cache
def _even_basis(count: int) -> Floats:
    return _basis(_even(count))


def hermite_rate(s: float, before: Any, after: Any, rate_before: Any, rate_after: Any) -> Any:
    """Return the derivative of `hermite` at one part of the step, per step."""
    r = 1.0 - s
    ends = 6.0 * s * r * (after - before)
    return ends + r * (r - 2.0 * s) * rate_before + s * (s - 2.0 * r) * rate_after


def linear(s: Floats, before: Any, after: Any) -> Floats:
    """Return the straight line between both ends, (sample, ...): second order in the step."""
    s = s.reshape(-1, *[1] * np.ndim(before))
    return np.asarray((1.0 - s) * before + s * after)


def lobatto(count: int) -> Floats:
    """Return the Chebyshev-Lobatto points of [0, 1], ascending."""
    return 0.5 * (1.0 - np.cos(np.pi * np.arange(count) / (count - 1)))


def polynomial(s: Floats, nodes: Any) -> Floats:
    """Return the polynomial through values at Chebyshev-Lobatto points, (sample, ...).

    Barycentric formula (Berrut and Trefethen 2004, eq. 4.2 and 5.4).
    """
    count = len(nodes)
    points = lobatto(count)
    weights = (-1.0) ** np.arange(count)
    weights[[0, -1]] *= 0.5
    gaps = s[:, None] - points
    hit = gaps == 0.0
    parts = np.where(hit.any(axis=1)[:, None], hit, weights / np.where(hit, 1.0, gaps))
    parts /= parts.sum(axis=1)[:, None]
    return np.asarray(np.tensordot(parts, nodes, axes=(1, 0)))


@dataclass(frozen=True)
class Levels:
    """A switch with hysteresis: it goes on where g reaches `on`, off where g falls below `off`."""

    on: float
    off: float
    fires_on: bool = True
    fires_off: bool = False


@dataclass(frozen=True)
class Watch:
    """How finely a step is searched: sub-intervals, and tolerance as a part of the step."""

    samples: int = 8
    tolerance: float = 1e-9


@dataclass(frozen=True)
class Found:
    """The crossings of one step that fire, as parts of the step, and the switch after it.

    `missed`: the first had happened before the step began, beyond the tolerance.
    """

    crossings: tuple[float, ...]
    is_on: bool
    missed: bool


def is_on(g: float, levels: Levels) -> bool:
    """Return how the switch stands at the first state: what already holds does not fire."""
    return g >= levels.on


def search(g: Condition, levels: Levels, was_on: bool, watch: Watch) -> Found:
    """Find all crossings of a step.

    The step is sampled; sub-intervals in which g might reach a level and turn back are divided
    further. The bound on the rate is twice the steepest difference quotient near by.
    """
    s = _even(watch.samples + 1)
    values = g(s)
    if _clear(values.tolist(), levels, was_on):
        return Found((), was_on, False)
    for depth in range(_DEEPEST):
        doubtful = np.flatnonzero(_may_turn(s, values, levels, across=depth < _ACROSS))
        if not doubtful.size or np.diff(s)[doubtful].max() < watch.tolerance:
            break
        more = (s[doubtful, None] + np.diff(s)[doubtful, None] * _QUARTERS).ravel()
        places = np.repeat(doubtful + 1, _QUARTERS.size)
        s, values = np.insert(s, places, more), np.insert(values, places, g(more))
    return _walk(g, s, values, levels, was_on, watch.tolerance)


def _may_turn(s: Floats, values: Floats, levels: Levels, *, across: bool) -> NDArray[np.bool_]:
    """Return which sub-intervals might hold two crossings of one level, or three (`across`)."""
    change = np.abs(np.diff(values))
    width = np.diff(s)
    slope = np.pad(change / width, 1)
    reach = 2.0 * width * np.maximum(np.maximum(slope[:-2], slope[1:-1]), slope[2:])
    found = np.zeros(change.size, dtype=bool)
    for level in {levels.on, levels.off}:
        away = values - level
        same_side = (away[:-1] >= 0.0) == (away[1:] >= 0.0)
        near, far = np.sort([np.abs(away[:-1]), np.abs(away[1:])], axis=0)
        # a sample on the level itself hides whether g has crossed it before
        touched = near <= _TOUCH * reach
        found |= (same_side | touched) & (near + far < reach)
        # from one side to the other, but slowly beside its neighbours: it may turn twice
        found |= across & (near + far < 0.25 * reach)
    return found


def _clear(values: list[float], levels: Levels, was_on: bool) -> bool:
    """Return whether g stays far from the level that would turn the switch."""
    steepest = max(abs(b - a) for a, b in pairwise(values))
    return min(values) - steepest > levels.off if was_on else max(values) + steepest < levels.on


def _walk(
    g: Condition, s: Floats, values: Floats, levels: Levels, was_on: bool, tolerance: float
) -> Found:
    """Go through the samples with the switch and place every change that fires."""
    found, missed = [], False
    slack = tolerance * np.abs(np.diff(values)).max()
    for k, value in enumerate(values.tolist()):
        turns_on, turns_off = not was_on and value >= levels.on, was_on and value < levels.off
        if not (turns_on or turns_off):
            continue
        was_on = turns_on
        if levels.fires_on if turns_on else levels.fires_off:
            level = levels.on if turns_on else levels.off
            found.append(_root(g, level, s[max(k - 1, 0)], s[k], tolerance))
            missed = missed or (k == 0 and abs(value - level) > float(slack))
    return Found(tuple(found), was_on, missed)


def _root(g: Condition, level: float, a: float, b: float, tolerance: float) -> float:
    """Return where g meets the level in [a, b], by Brent's method."""
    from scipy.optimize import brentq

    def away(s: float) -> float:
        return float(g(np.array([s]))[0]) - level

    at_a, at_b = away(a), away(b)
    if at_b == 0.0:
        return float(b)
    if at_a == 0.0 or (at_a > 0.0) == (at_b > 0.0):
        return float(a)
    return float(brentq(away, a, b, xtol=tolerance, rtol=4.0 * np.finfo(float).eps))


def alive(times: tuple[float, ...], last: float, refractory: float) -> tuple[float, ...]:
    """Return the times that are no nearer than the dead time to the one that fired before."""
    kept = []
    for time in times:
        if time - last >= refractory:
            kept.append(time)
            last = time
    return tuple(kept)


NEVER = -math.inf
