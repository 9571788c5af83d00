"""Heights of what stands in columns, such that the lines between are as straight as can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

ROUNDS = 8
ALMOST = 0.06
"""A line this near to straight looks like a mistake [inch]."""

Wanted = tuple[Any, float, Any, float, float]
"""Two things, how far below their tops a line meets them, and how much it should be straight."""


def heights(
    columns: Sequence[Sequence[Any]], apart: Sequence[Sequence[float]], wanted: Sequence[Wanted]
) -> dict[Any, float]:
    """Return the tops of all things, in each column at least `apart` from one to the next.

    Minimises the weighted sum of |offset| over all lines by reweighted least squares: most
    lines become exactly straight, and what cannot be straight is shared evenly.
    """
    from scipy.optimize import lsq_linear

    things = [thing for column in columns for thing in column]
    to_top, least, free = _chained(columns, apart)
    number = {thing: i for i, thing in enumerate(things)}
    lines = np.zeros((len(wanted), len(things)))
    shift = np.zeros(len(wanted))
    for i, (a, below_a, b, below_b, _) in enumerate(wanted):
        lines[i, number[a]], lines[i, number[b]] = 1.0, -1.0
        shift[i] = below_a - below_b
    strength = np.array([w for *_, w in wanted])
    centred = 1e-3 * np.array([[*to_top[i]] for i in range(len(things))])
    middle = np.array([thing.height / 2 for thing in things])
    tops = least
    offset = np.ones(len(wanted))
    for sharp in (*np.geomspace(1.0, 1e-2, ROUNDS), 0.0):
        weight = np.sqrt(strength / np.maximum(np.abs(offset), sharp or 1e-2))[:, None]
        if not sharp:  # what is almost straight becomes so
            weight[np.abs(offset) < ALMOST] *= 1e3
        A = np.vstack([weight * (lines @ to_top), centred])
        b = np.concatenate([-weight[:, 0] * (lines @ least + shift), -1e-3 * (least + middle)])
        found = lsq_linear(A, b, (np.where(free, -np.inf, 0.0), np.inf), method="bvls").x
        tops = to_top @ found + least
        offset = lines @ tops + shift
    return {thing: round(float(top), 3) for thing, top in zip(things, tops, strict=True)}


def _chained(
    columns: Sequence[Sequence[Any]], apart: Sequence[Sequence[float]]
) -> tuple[Any, Any, Any]:
    """Return tops as a linear map of each column's first top and the slack behind each thing."""
    total = sum(map(len, columns))
    to_top, least, free = np.zeros((total, total)), np.zeros(total), np.zeros(total, bool)
    start = 0
    for column, gaps in zip(columns, apart, strict=True):
        end = start + len(column)
        to_top[start:end, start:end] = np.tril(np.ones((len(column), len(column))))
        least[start:end] = np.concatenate([[0.0], np.cumsum(gaps)])[: len(column)]
        free[start:end] = np.arange(len(column)) == 0
        start = end
    return to_top, least, free
