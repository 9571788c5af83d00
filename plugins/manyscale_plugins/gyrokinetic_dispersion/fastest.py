"""The fastest mode over k_par: roots followed along s, and the crest of growth between samples."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from manyscale_plugins.gyrokinetic_dispersion import slab
from manyscale_plugins.gyrokinetic_dispersion.roots import growing, newton, turns
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
    modes: Floats, radius: Whole, y: Complexes, weight: Complexes, s: Floats, w: Complexes
) -> tuple[Floats, Complexes, Whole]:
    """Return s, w (mode,) where growth is largest, and FOUND or MISSED for each.

    Parameters
    ----------
    modes
        Columns of `Mode` (mode, 6): one row for each radius and perpendicular wave number.
    radius
        Which radius a mode belongs to (mode,): within one, guesses go from wave number to wave
        number.
    y, weight
        Nodes of `drift` (mode, node); no node in a slab.
    s, w
        Filled with the samples (mode, sample); w is 0 where nothing grows.
    """
    count = len(modes)
    places, roots = np.zeros(count), np.zeros(count, dtype=np.complex128)
    fate = np.zeros(count, dtype=np.int64)
    guesses = np.zeros(0, dtype=np.complex128)  # what grows at the wave number before
    for i in range(count):
        row = modes[i]
        mode = Mode(row[0], row[1], row[2], row[3], row[4], row[5])
        if i > 0 and radius[i] != radius[i - 1]:
            guesses = np.zeros(0, dtype=np.complex128)
        if y.shape[1] == 0:
            at, root, fate[i] = _of_slab(mode, y[i], weight[i], s[i], w[i])
        else:
            at, root, fate[i] = _of_torus(mode, y[i], weight[i], s[i], w[i], guesses)
            guesses = w[i, :1].copy()
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
    place, best = top, 0
    root, _ = _on(complex(slab.neutral(top, mode)), top, mode, y, weight)
    highest = root
    for j in range(count):
        root, reached = follow(root, place, s[j], mode, y, weight)
        place = s[j]
        if not (reached and root[0].imag > 0.0):
            # the argument principle says that one root grows here
            others, _ = growing(place, 0.0, mode, y, weight)
            if others.size == 0:
                return place, root[0], MISSED
            root, _ = _on(others[0], place, mode, y, weight)
        w[j] = root[0]
        if j == 0 or root[0].imag > w[best].imag:
            best, highest = j, root
        if root[0].imag < SLOW * w[best].imag:
            break
    upper = top if best == 0 else s[best - 1]
    lower = s[best + 1] if best + 1 < count else s[best]
    at, found, reached = crest(highest, s[best], (lower, upper), mode, y, weight)
    return at, found, FOUND if reached else MISSED


@njit(cache=True, error_model="numpy")
def _on(
    w: complex, s: float, mode: Mode, y: Complexes, weight: Complexes
) -> tuple[tuple[complex, complex], bool]:
    """Return the root near w with its slope in s, and whether it is one."""
    root, slope, reached = newton(w, s, mode, y, weight)
    return (root, slope), reached


@njit(cache=True, error_model="numpy")
def _of_torus(
    mode: Mode, y: Complexes, weight: Complexes, s: Floats, w: Complexes, guesses: Complexes
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
    known, every, best = guesses, max(1, count // ANCHORS), 0
    for j in range(count):
        if j > 0:
            known = _carried(known, (s[j - 1], s[j]), floor, mode, y, weight)
        if j % every == 0:
            known, wanted = growing(s[j], floor, mode, y, weight, known)
            if known.size != wanted:
                return s[j], 0.0j, MISSED
        if known.size:
            w[j] = known[0]
            if known[0].imag > w[best].imag:
                best = j
    if w[best] == 0.0:
        return 0.0, 0.0j, FOUND
    if best == 0:  # growth is even in s: its slope at 0 says nothing
        return s[0], w[0], FOUND
    between = (s[best - 1], s[best + 1] if best + 1 < count else top)
    root, _ = _on(w[best], s[best], mode, y, weight)
    at, found, reached = crest(root, s[best], between, mode, y, weight)
    return at, found, FOUND if reached else MISSED


@njit(cache=True, error_model="numpy")
def _carried(
    known: Complexes,
    between: tuple[float, float],
    floor: float,
    mode: Mode,
    y: Complexes,
    weight: Complexes,
) -> Complexes:
    """Return the roots that still grow at the second s, fastest first."""
    found = np.zeros(known.size, dtype=np.complex128)
    number = 0
    for w in known:
        root, _ = _on(w, between[0], mode, y, weight)
        moved, reached = follow(root, between[0], between[1], mode, y, weight)
        if reached and moved[0].imag > floor:
            found[number] = moved[0]
            number += 1
    kept = found[:number]
    return kept[np.argsort(-kept.imag)]


@njit(cache=True, error_model="numpy")
def follow(
    root: tuple[complex, complex],
    s: float,
    to: float,
    mode: Mode,
    y: Complexes,
    weight: Complexes,
) -> tuple[tuple[complex, complex], bool]:
    """Return the root at `to` that continues the one at s, and whether it was reached.

    A root is (w, dw/ds). Euler's prediction, corrected by Newton; the step is halved where the
    correction is large.
    """
    step = to - s
    for _ in range(2**_HALVINGS):
        predicted = root[0] + step * root[1]
        w, slope, reached = newton(predicted, s + step, mode, y, weight)
        if reached and abs(w - predicted) < _NEAR * abs(predicted):
            root, s = (w, slope), s + step
            step = to - s
            if abs(step) <= 1e-14 * abs(to):
                return root, True
        else:
            step *= 0.5
            if abs(step) < 2.0**-_HALVINGS * abs(to):
                break
    return root, False


@njit(cache=True, error_model="numpy")
def crest(
    root: tuple[complex, complex],
    s: float,
    between: tuple[float, float],
    mode: Mode,
    y: Complexes,
    weight: Complexes,
) -> tuple[float, complex, bool]:
    """Return s and w where growth is largest between two s; `root` is the one at s between them.

    Secants on Im dw/ds = 0, kept within a bracket that bisection narrows.
    """
    left, right = between
    before, root_before = s, root
    for turn in range(_BISECTIONS):
        left, right = (s, right) if root[1].imag > 0.0 else (left, s)
        guess = 0.5 * (left + right)
        change = (root[1] - root_before[1]).imag
        if turn % 3 < 2 and change != 0.0:
            secant = s - root[1].imag * (s - before) / change
            guess = secant if left < secant < right else guess
        before, root_before = s, root
        root, reached = follow(root, s, guess, mode, y, weight)
        if not reached:
            return s, root[0], False
        s = guess
        if abs(s - before) < _PLACED * s or right - left < _PLACED * s:
            break
    return s, root[0], root[0].imag > 0.0
