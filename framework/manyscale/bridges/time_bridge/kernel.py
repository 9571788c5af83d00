"""Values between samples, and means over windows, of arrays that are rows in time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def hold(times: Array, rows: Array, at: Array) -> Array:
    """Return the newest row at each of `at`; a sample's own time belongs to it.

    Parameters
    ----------
    times : (sample,) s, ascending
    rows : (sample, number)
    at : (moment,) s; before the first sample it holds backwards

    Returns
    -------
    (moment, number)
    """
    newest = np.searchsorted(times, at, side="right") - 1
    return np.asarray(rows[np.maximum(newest, 0)])


def linear(times: Array, rows: Array, at: Array) -> Array:
    """Return the straight line between neighbours at each of `at`; constant outside."""
    if len(times) == 1:
        return hold(times, rows, at)
    left, part = _places(times, at)
    return np.asarray((1.0 - part) * rows[left] + part * rows[left + 1])


def hermite(times: Array, rows: Array, rates: Array, at: Array) -> tuple[Array, Array]:
    """Return the cubic through neighbours and their rates, and its derivative, at each of `at`.

    Parameters
    ----------
    times : (sample,) s, ascending
    rows, rates : (sample, number), the latter per s
    at : (moment,) s; outside the samples the value is constant and its derivative 0

    Returns
    -------
    Two arrays (moment, number)
    """
    if len(times) == 1:
        held = hold(times, rows, at)
        return held, np.where((at == times)[:, None], rates, 0.0)
    left, s = _places(times, at)
    step = (times[left + 1] - times[left])[:, None]
    near, far = step * rates[left], step * rates[left + 1]
    rise = rows[left + 1] - rows[left]
    bend = (1.0 - s) * (near - rise) - s * (far - rise)
    values = (1.0 - s) * rows[left] + s * rows[left + 1] + s * (1.0 - s) * bend
    slopes = rise + (1.0 - 2.0 * s) * bend - s * (1.0 - s) * (near + far - 2.0 * rise)
    inside = ((at >= times[0]) & (at <= times[-1]))[:, None]
    return values, np.where(inside, slopes / step, 0.0)


def spline(times: Array, rows: Array, at: Array) -> Array:
    """Return the not-a-knot cubic spline; a parabola through three samples, a line through two."""
    if len(times) == 1:
        return hold(times, rows, at)
    from scipy.interpolate import CubicSpline

    inside = np.clip(at, times[0], times[-1])
    return np.asarray(CubicSpline(times, rows)(inside))


def mean(times: Array, rows: Array, edges: Array) -> Array:
    """Return the time means of the linear interpolant between consecutive edges.

    Parameters
    ----------
    times : (sample,) s, ascending
    rows : (sample, number)
    edges : (window + 1,) s, ascending; outside the samples the nearest row holds

    Returns
    -------
    (window, number)
    """
    bounds = np.concatenate([[-np.inf], times, [np.inf]])
    low = np.clip(bounds[:-1], edges[:-1, None], edges[1:, None])
    high = np.clip(bounds[1:], edges[:-1, None], edges[1:, None])
    length, middle = high - low, 0.5 * (low + high)
    weights = np.zeros((len(edges) - 1, len(times)))
    weights[:, 0] += length[:, 0]
    weights[:, -1] += length[:, -1]
    if len(times) > 1:
        part = (middle[:, 1:-1] - times[:-1]) / np.diff(times)
        weights[:, :-1] += length[:, 1:-1] * (1.0 - part)
        weights[:, 1:] += length[:, 1:-1] * part
    return _weighed(weights, rows, edges)


def integral(times: Array, rows: Array, edges: Array) -> Array:
    """Return Q of each window so that (window length) Q is the integral of the held rows.

    Row i holds from its time to the next one's, the last one to the end: the amount that a source
    with the rate q_i in its step dt_i gave, sum dt_i q_i, is the amount that arrives.
    """
    ends = np.append(times[1:], np.inf)
    starts = np.concatenate([[-np.inf], times[1:]])
    low = np.clip(starts, edges[:-1, None], edges[1:, None])
    high = np.clip(ends, edges[:-1, None], edges[1:, None])
    return _weighed(high - low, rows, edges)


def change(new: Array, old: Array) -> float:
    """Return the largest difference of two arrays, relative to the largest number of the new."""
    largest = float(np.max(np.abs(new), initial=0.0))
    different = float(np.max(np.abs(new - old), initial=0.0))
    return different / largest if largest > 0.0 else different


def _places(times: Array, at: Array) -> tuple[Array, Array]:
    """Return the left neighbour (moment,) and the part of the way to the right one (moment, 1)."""
    left = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    part = (at - times[left]) / (times[left + 1] - times[left])
    return left, np.clip(part, 0.0, 1.0)[:, None]


def _weighed(weights: Array, rows: Array, edges: Array) -> Array:
    # einsum adds in one fixed order; a matrix product depends on the number of threads
    sums = np.einsum("ws,sn->wn", weights, rows)
    return np.asarray(sums / np.diff(edges)[:, None])
