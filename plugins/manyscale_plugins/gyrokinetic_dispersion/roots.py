"""Growing roots of a response function: Newton from many starts, counted by the argument principle.

D is analytic in the upper half of the plane and tends to 1 + theta - G0 > 0 there, so the number of
roots that grow faster than `floor` is how often D goes round the origin while w runs along the line
Im w = floor. The line keeps off the axis, on which drift waves lie that neither grow nor decay to
any digit.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from manyscale_plugins.gyrokinetic_dispersion import drift, slab
from manyscale_plugins.gyrokinetic_dispersion.slab import Mode

Complexes = NDArray[np.complex128]

NO_NODES: Complexes = np.zeros(0, dtype=np.complex128)
MOST = 16  # growing roots that are kept of one mode
RINGS, STARTS = 24, 12  # starts of Newton: half circles, and how many on each
_ITERATIONS = 60
_EXACT = 1e-12
_PARTS = 32  # intervals of the contour to begin with
_STEP = 0.8  # rad that D may turn between neighbouring samples
_BEND = 0.2  # of D: how far it may lie off the chord in the middle of an interval
_DEEPEST = 60  # halvings of an interval of the contour


@njit(cache=True, error_model="numpy")
def response(
    w: complex, s: float, mode: Mode, y: Complexes, weight: Complexes
) -> tuple[complex, complex, complex]:
    """Return D, dD/dw and dD/ds, of the slab without nodes, else with curvature."""
    if y.size == 0:
        return slab.response(w, s, mode)
    return drift.response(w, s, mode, y, weight)


@njit(cache=True, error_model="numpy")
def newton(
    w: complex, s: float, mode: Mode, y: Complexes, weight: Complexes
) -> tuple[complex, complex, bool]:
    """Return a root near w, its slope dw/ds, and whether it was reached."""
    for _ in range(_ITERATIONS):
        D, change, along = response(w, s, mode, y, weight)
        step = D / change
        w = w - step
        if not abs(step) > _EXACT * abs(w):
            return w, -along / change, bool(np.isfinite(w.real) and np.isfinite(w.imag))
        if not abs(w) < 1e12:
            break
    return w, 0.0j, False


@njit(cache=True, error_model="numpy")
def reach(s: float, mode: Mode, y: Complexes, weight: Complexes) -> float:
    """Return a radius in w beyond which D stays within a half of its limit."""
    limit = 1.0 + mode.theta - mode.G0
    radius = 1.0 + 8.0 * s + mode.kn + mode.kt
    for _ in range(60):
        far = 0.0
        for part in range(9):
            w = radius * np.exp(1j * np.pi * part / 8.0)
            far = max(far, abs(response(w, s, mode, y, weight)[0] - limit))
        if far < 0.25 * limit:
            return radius
        radius *= 2.0
    return radius


@njit(cache=True, error_model="numpy")
def turns(s: float, floor: float, mode: Mode, y: Complexes, weight: Complexes) -> int:
    """Return how many roots have Im w > floor at s.

    Intervals are halved until D runs nearly straight past the origin in each; -1 if that never
    happens, which is when a root lies on the line.
    """
    radius = reach(s, mode, y, weight)
    scale = 1e-3 * (s + 1e-3 * radius)
    ends = np.sinh(np.linspace(-1.0, 1.0, _PARTS + 1) * np.arcsinh(radius / scale)) * scale
    total, before = 0.0, response(complex(ends[0], floor), s, mode, y, weight)[0]
    first = before
    for part in range(ends.size - 1):
        left, right = ends[part], ends[part + 1]
        after = response(complex(right, floor), s, mode, y, weight)[0]
        turned, clear = _turned(left, right, before, after, s, floor, mode, y, weight)
        if not clear:
            return -1
        total += turned
        before = after
    total += np.angle(first / before)  # the half circle, where D is near its limit
    return int(np.rint(total / (2.0 * np.pi)))


@njit(cache=True, error_model="numpy")
def _turned(
    left: float,
    right: float,
    D_left: complex,
    D_right: complex,
    s: float,
    floor: float,
    mode: Mode,
    y: Complexes,
    weight: Complexes,
) -> tuple[float, bool]:
    """Return by how much D turns over an interval, and whether that is resolved."""
    stack = [(left, right, D_left, D_right, 0)]
    total = 0.0
    while stack:
        a, b, D_a, D_b, depth = stack.pop()
        middle = 0.5 * (a + b)
        D = response(complex(middle, floor), s, mode, y, weight)[0]
        one, other = np.angle(D / D_a), np.angle(D_b / D)
        bent = abs(D - 0.5 * (D_a + D_b)) > _BEND * abs(D)
        if abs(one) < _STEP and abs(other) < _STEP and not bent:
            total += one + other
            continue
        if depth == _DEEPEST:
            return total, False
        stack.append((middle, b, D, D_b, depth + 1))
        stack.append((a, middle, D_a, D, depth + 1))
    return total, True


@njit(cache=True, error_model="numpy")
def growing(
    s: float,
    floor: float,
    mode: Mode,
    y: Complexes,
    weight: Complexes,
    guesses: Complexes = NO_NODES,
) -> tuple[Complexes, int]:
    """Return the roots with Im w > floor at s, fastest first, and how many should be found.

    Newton starts from guesses, then from rings over the upper half of the plane, until as many are
    found as the argument principle counts.
    """
    wanted = turns(s, floor, mode, y, weight)
    found = np.zeros(MOST, dtype=np.complex128)
    number = 0
    radius = reach(s, mode, y, weight)
    least = max(1e-3 * s, 1e-6 * radius)
    for start in range(guesses.size + RINGS * STARTS):
        if number in (wanted, MOST):
            break
        if start < guesses.size:
            begin = guesses[start]
        else:
            ring, part = divmod(start - guesses.size, STARTS)
            size = radius * (least / radius) ** (ring / (RINGS - 1))
            begin = size * np.exp(1j * np.pi * (part + 0.5) / STARTS)
        w, _, reached = newton(begin, s, mode, y, weight)
        if reached and w.imag > floor and _is_new(w, found[:number]):
            found[number] = w
            number += 1
    kept = found[:number]
    return kept[np.argsort(-kept.imag)], wanted


@njit(cache=True, error_model="numpy")
def _is_new(w: complex, known: Complexes) -> bool:
    return known.size == 0 or np.abs(known - w).min() > 1e-7 * abs(w)
