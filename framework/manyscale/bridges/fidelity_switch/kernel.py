"""Where a cheap model no longer suffices: error indicator, and a decision that does not flicker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """When cells change: eta > tau refines, eta < theta tau coarsens."""

    tau: float
    theta: float = 0.5
    min_time: float = 0.0  # s between two changes of one cell
    buffer: int = 1  # cells


@dataclass(frozen=True)
class Decision:
    """How every cell (n,) stands.

    core: the indicator asks for the expensive model; refined: core and buffer, as it was granted;
    since: time in s of the last change, -inf before the first.
    """

    core: Bools
    refined: Bools
    since: Floats


def curvature(x: Floats, u: Floats, mask: Bools | None = None) -> Floats:
    """Return u'' (n,) at points x (n,), second order on even spacing.

    The ends take the value of their neighbours. Points that are masked, or beside a masked one,
    have none and give 0.
    """
    if len(x) < 3:
        return np.zeros(len(x))
    gaps = np.diff(x)
    held = u if mask is None else np.where(mask, 0.0, u)
    slopes = np.diff(held) / gaps
    inner = 2.0 * np.diff(slopes) / (gaps[1:] + gaps[:-1])
    if mask is not None:
        inner[mask[:-2] | mask[1:-1] | mask[2:]] = 0.0
    return np.concatenate([inner[:1], inner, inner[-1:]])


def spacing(x: Floats) -> Floats:
    """Return the mean distance (n,) of every point to its neighbours."""
    gaps = np.diff(x)
    if not gaps.size:
        return np.ones(len(x))
    return np.concatenate([gaps[:1], 0.5 * (gaps[1:] + gaps[:-1]), gaps[-1:]])


def smoothed(u: Floats, passes: int, mask: Bools | None = None) -> Floats:
    """Return u (n,) after so many passes of the mean (1, 2, 1)/4, which ends and gaps keep."""
    if len(u) < 3:
        return u
    for _ in range(passes):
        mean = u.copy()
        mean[1:-1] = 0.25 * (u[:-2] + 2.0 * u[1:-1] + u[2:])
        if mask is not None:
            near = mask[:-2] | mask[1:-1] | mask[2:]
            mean[1:-1][near] = u[1:-1][near]
        u = mean
    return u


def indicator(
    x: Floats, u: Floats, factor: float, passes: int = 0, mask: Bools | None = None
) -> Floats:
    """Return eta = C h2 abs(u'') (n,) in the unit of u."""
    bend = curvature(x, smoothed(u, passes, mask), mask)
    return np.asarray(factor * spacing(x) ** 2 * np.abs(bend))


def decide(eta: Floats, tol: Floats, now: float, rule: Rule, before: Decision | None) -> Decision:
    """Return how the cells stand at a time in s; `tol` (n,) scales tau from cell to cell."""
    level = rule.tau * tol
    if before is None:
        core = eta > level
        refined = buffered(core, rule.buffer)
        return Decision(core, refined, np.full(len(eta), -np.inf))
    core = (eta > level) | (before.core & ~(eta < rule.theta * level))
    wanted = buffered(core, rule.buffer)
    changes = (wanted != before.refined) & (now - before.since >= rule.min_time)
    refined = np.where(changes, wanted, before.refined)
    return Decision(core, refined, np.where(changes, now, before.since))


def buffered(core: Bools, cells: int) -> Bools:
    """Return the set grown by so many cells to either side."""
    if not cells or not core.any():
        return core
    count = np.zeros(len(core) + 2 * cells + 1, dtype=np.int64)
    np.cumsum(core, out=count[cells + 1 : cells + 1 + len(core)])
    count[cells + 1 + len(core) :] = count[cells + len(core)]
    return np.asarray(count[2 * cells + 1 :] > count[: len(core)])


def checked(name: str, values: Any, mask: Any, count: int) -> tuple[Floats, Bools | None]:
    """Return a field (count,) and its mask; masked values are 0.

    Raises ValueError for another shape and for what is neither finite nor masked.
    """
    field = np.asarray(values, dtype=np.float64)
    empty = None if mask is None else np.asarray(mask, dtype=bool)
    for shape in (field.shape, field.shape if empty is None else empty.shape):
        if shape != (count,):
            raise ValueError(
                f"{name} has the shape {shape}, expected one value for each of the {count} points"
            )
    held = field if empty is None else np.where(empty, 0.0, field)
    if not np.isfinite(held).all():
        bad = int((~np.isfinite(held)).sum())
        raise ValueError(
            f"{name} has {bad} values that are not finite: mask them with a bool field {name}_mask"
        )
    return held, empty
