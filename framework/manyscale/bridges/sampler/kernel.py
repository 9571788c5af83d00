"""What a sampler does with answers: put them in their places, and find what is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def places(asked: Integers, came: Integers) -> NDArray[np.intp]:
    """Return where in `asked`, which ascends, each of the members that came stands.

    Raises ValueError naming members that are missing, strange or there twice.
    """
    lost = np.setdiff1d(asked, came)
    if lost.size:
        raise ValueError(
            f"{_named(lost)} of {len(asked)} did not come back; a design needs an answer of each."
        )
    strange = np.setdiff1d(came, asked)
    if strange.size:
        raise ValueError(f"{_named(strange)} came back without being asked for.")
    if len(came) != len(asked):
        raise ValueError(f"{len(came)} answers came for {len(asked)} members; each answers once.")
    return np.searchsorted(asked, came)


def _named(members: Integers) -> str:
    some = ", ".join(map(str, members[:8].tolist()))
    more = f" and {len(members) - 8} more" if len(members) > 8 else ""
    return f"member {some}" if len(members) == 1 else f"members {some}{more}"


def silent(members: Integers, y: Floats) -> str:
    """Return the members (n,) whose answer y (n, ...) is no number, in words; nothing if none."""
    bad = ~np.isfinite(y).reshape(len(y), -1).all(axis=1)
    return _named(members[bad]) if bad.any() else ""


def grown(y: Floats, rows: slice, shape: tuple[int, ...], members: int) -> Floats:
    """Return a copy of the answers with room for those in `rows`, NaN where none has come.

    shape: of one answer. Raises ValueError if earlier answers had another one.
    """
    if y.size and y.shape[1:] != shape:
        raise ValueError(
            f"an answer has the shape {shape}, those before had {y.shape[1:]}; all must be alike."
        )
    new = np.full((members, *shape), np.nan)
    new[: rows.start] = y[: rows.start].reshape(rows.start, *shape)
    return new


def worst(provenance: Integers | None, count: int) -> NDArray[np.int32]:
    """Return where answers come from (n,), 0 (computed) if nobody says."""
    return np.zeros(count, dtype=np.int32) if provenance is None else provenance.astype(np.int32)


def stacked(values: list[Any]) -> Floats:
    """Return the answers of all slots (n, ...).

    Raises ValueError if they are not alike.
    """
    shapes = {np.shape(value) for value in values}
    if len(shapes) > 1:
        raise ValueError(f"the answers have the shapes {sorted(shapes)}; all must be alike.")
    return np.stack([np.asarray(value, dtype=float) for value in values])
