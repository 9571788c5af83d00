"""The fastest mode over k_par: roots followed along s, and the crest of growth between samples."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from manyscale_plugins.gyrokinetic_dispersion import slab
from manyscale_plugins.gyrokinetic_dispersion.roots import growing, newton, response, turns
from manyscale_plugins.gyrokinetic_dispersion.slab import Mode

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Complexes = NDArray[np.complex128]

LOWEST = 0.15  # of the largest s: the fastest mode of a slab lies between 0.21 and 0.58 of it
SLOW = 1e-4  # of the fastest growth: the scan ends there
FLOOR = 1e-3  # of the gradients: roots of a torus that grow slower do not count
BEYOND = 1.5  # times the largest s of a slab without density gradient: no root of a torus grows
ANCHORS = 4  # values of s at which the roots of a torus are counted
FOUND, MISSED = 0, 1
_NEAR = 0.2  # of a root: how far Newton may move a prediction
_HALVINGS = 12
_BISECTIONS = 60
_PLACED = 1e-9  # of s: accuracy of the crest


@njit(cache=True, error_model="numpy")
def fastest(
    modes: Floats, y: Complexes, weight: Complexes, s: Floats, w: Complexes
) -> tuple[Floats, Complexes, Whole]:
    """Return s, w (mode,) where growth is largest, and FOUND or MISSED for each.

    Parameters
    ----------
    modes
        Columns of `Mode` (mode, 6): one row for each perpendicular wave number and radius.
    y, weight
        Nodes of `drift` (mode, node); no node in a slab.
    s, w
        Filled with the samples (mode, sample); w is 0 where nothing grows.
    """
    count = len(modes)
    places, roots = np.zeros(count), np.zeros(count, dtype=np.complex128)
    fate = np.zeros(count, dtype=np.int64)
    for i in range(count):
        row = modes[i]
        mode = Mode(row[0], row[1], row[2], row[3], row[4], row[5])
        if y.shape[1] == 0:
            at, root, fate[i] = _of_slab(mode, y[i], weight[i], s[i], w[i])
        else:
            at, root, fate[i] = _of_torus(mode, y[i], weight[i], s[i], w[i])
        places[i], roots[i] = at, root
    return places, roots, fate


@njit(cache=True, error_model="numpy")
def _of_slab(
    mode: Mode, y: Complexes, weight: Complexes, s: Floats, w: Complexes
) -> tuple[float, complex, int]:
    """Go down from the largest s, where the one root is known, and climb to the crest."""
    top, count = slab.widest(mode), s.size
    w[:] = 0.0
    for j in range(count):
        s[j] = top * (1.0 - (1.0 - LOWEST) * (j + 1) / count)
    if top == 0.0:
        return 0.0, 0.0j, FOUND
    place, root, best = top, complex(slab.neutral(top, mode)), 0
    for j in range(count):
        root, reached = follow(root, place, s[j], mode, y, weight)
        place = s[j]
        if not (reached and root.imag > 0.0):
            # the argument principle says that one root grows here
            others, _ = growing(place, 0.0, mode, y, weight)
            if others.size == 0:
                return place, root, MISSED
            root = others[0]
        w[j] = root
        if root.imag > w[best].imag:
            best = j
        if root.imag < SLOW * w[best].imag:
            break
    upper = top if best == 0 else s[best - 1]
    lower = s[best + 1] if best + 1 < count else s[best]
    at, root, reached = crest(w[best], s[best], (lower, upper), mode, y, weight)
    return at, root, FOUND if reached else MISSED


@njit(cache=True, error_model="numpy")
def _of_torus(
    mode: Mode, y: Complexes, weight: Complexes, s: Floats, w: Complexes
) -> tuple[float, complex, int]:
    """Go up from s = 0, count the roots anew at some s, and climb to the crest."""
    flat = Mode(mode.G0, mode.spread, mode.theta, 0.0, mode.kt, mode.curvature)
    top, count, floor = BEYOND * slab.widest(flat), s.size, FLOOR * (mode.kn + mode.kt)
    w[:] = 0.0
    for j in range(count):
        s[j] = top * j / count
    if top == 0.0:
        return 0.0, 0.0j, FOUND
    if turns(top, floor, mode, y, weight) != 0:
        return top, 0.0j, MISSED
    known = np.zeros(0, dtype=np.complex128)
    every, best = max(1, count // ANCHORS), 0
    for j in range(count):
        if j % every == 0:
            known, wanted = growing(s[j], floor, mode, y, weight)
            if known.size != wanted:
                return s[j], 0.0j, MISSED
        else:
            known = _carried(known, s[j - 1], s[j], floor, mode, y, weight)
        if known.size:
            w[j] = known[0]
            if known[0].imag > w[best].imag:
                best = j
    if w[best] == 0.0:
        return 0.0, 0.0j, FOUND
    # growth is even in s: its slope at 0 says nothing
    lower, upper = s[max(best - 1, 0)], s[best + 1] if best + 1 < count else top
    if best == 0:
        return s[0], w[0], FOUND
    at, root, reached = crest(w[best], s[best], (lower, upper), mode, y, weight)
    return at, root, FOUND if reached else MISSED


@njit(cache=True, error_model="numpy")
def _carried(
    known: Complexes,
    s: float,
    to: float,
    floor: float,
    mode: Mode,
    y: Complexes,
    weight: Complexes,
) -> Complexes:
    """Return the roots that still grow at `to`, fastest first."""
    found = np.zeros(known.size, dtype=np.complex128)
    number = 0
    for root in known:
        moved, reached = follow(root, s, to, mode, y, weight)
        if reached and moved.imag > floor:
            found[number] = moved
            number += 1
    kept = found[:number]
    return kept[np.argsort(-kept.imag)]


@njit(cache=True, error_model="numpy")
def travel(w: complex, s: float, mode: Mode, y: Complexes, weight: Complexes) -> complex:
    """Return dw/ds of a root."""
    step = 1e-5 * s if s > 0.0 else 1e-5
    ahead, _ = response(w, s + step, mode, y, weight)
    behind, _ = response(w, s - step, mode, y, weight)
    _, slope = response(w, s, mode, y, weight)
    return -(ahead - behind) / (2.0 * step * slope)


@njit(cache=True, error_model="numpy")
def follow(
    w: complex, s: float, to: float, mode: Mode, y: Complexes, weight: Complexes
) -> tuple[complex, bool]:
    """Return the root at `to` that continues the root w at s, and whether it was reached.

    Euler's prediction, corrected by Newton; the step is halved where the correction is large.
    """
    step = to - s
    for _ in range(2**_HALVINGS):
        predicted = w + step * travel(w, s, mode, y, weight)
        found, reached = newton(predicted, s + step, mode, y, weight)
        if reached and abs(found - predicted) < _NEAR * abs(predicted):
            w, s = found, s + step
            step = to - s
            if abs(step) <= 1e-14 * abs(to):
                return w, True
        else:
            step *= 0.5
            if abs(step) < 2.0**-_HALVINGS * abs(to):
                break
    return w, False


@njit(cache=True, error_model="numpy")
def crest(
    w: complex,
    s: float,
    between: tuple[float, float],
    mode: Mode,
    y: Complexes,
    weight: Complexes,
) -> tuple[float, complex, bool]:
    """Return s and w where growth is largest between two s; w is the root at s between them.

    Secants on Im dw/ds = 0, kept within a bracket that bisection narrows.
    """
    left, right = between
    slope = travel(w, s, mode, y, weight).imag
    before, slope_before = s, slope
    for turn in range(_BISECTIONS):
        left, right = (s, right) if slope > 0.0 else (left, s)
        guess = 0.5 * (left + right)
        if turn % 3 < 2 and slope != slope_before:
            secant = s - slope * (s - before) / (slope - slope_before)
            guess = secant if left < secant < right else guess
        root, reached = follow(w, s, guess, mode, y, weight)
        if not reached:
            return s, w, False
        before, slope_before = s, slope
        w, s = root, guess
        slope = travel(w, s, mode, y, weight).imag
        if abs(s - before) < _PLACED * s or right - left < _PLACED * s:
            break
    return s, w, w.imag > 0.0
