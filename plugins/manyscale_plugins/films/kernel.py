"""The cases of a table k(L, T), and the row of it that is used further."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def case(
    thicknesses: Sequence[float], temperatures: Sequence[float], number: int
) -> tuple[float, float]:
    """Return thickness [m] and temperature [K] of a case: temperatures within thicknesses."""
    row, column = divmod(number, len(temperatures))
    return thicknesses[row], temperatures[column]


def row_of(thicknesses: Sequence[float], wanted: float) -> int:
    """Return the row of a thickness [m]; 0: that of the largest.

    Raises ValueError for one that is not in the list, naming the nearest.
    """
    known = np.asarray(thicknesses)
    if wanted == 0.0:
        return int(known.argmax())
    near = int(np.abs(np.log(known / wanted)).argmin())
    if abs(known[near] - wanted) > 1e-9 * wanted:
        raise ValueError(
            f"table_thickness = {wanted:g} m is not among thicknesses, the nearest is"
            f" {known[near]:g} m: choose it, or add this one to the list"
        )
    return near


def repeated(values: Sequence[float]) -> float | None:
    """Return the first value that stands twice in a list, None if none does."""
    seen: set[float] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


def empty(rows: int, columns: int) -> Floats:
    """Return a table in which nothing is known yet."""
    return np.full((rows, columns), np.nan)
