"""What members remember between calls: a committed and a trial State of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from manyscale.bridges.farm.members import rows_of
from manyscale.contract.fields import Array
from manyscale.contract.refusal import Refused

_NOBODY = np.zeros(0, dtype=np.int64)
States = Mapping[int, Any]


@dataclass(frozen=True)
class Shelf:
    """States by member; those of a batched model stacked, with a leading member axis."""

    ids: Array = field(default_factory=lambda: _NOBODY)  # ascending; empty unless stacked
    states: States = field(default_factory=dict)  # by member; stacked: all under 0

    def of(self, ids: Array, stacked: bool) -> tuple[Any, Array]:
        """Return the States of some members and for whom (n,) there is one.

        A list with None where there is none; stacked, one State of those that have one.
        """
        if not stacked:
            found = [self.states.get(i) for i in ids.tolist()]
            return found, np.array([one is not None for one in found], dtype=bool)
        if not self.states:
            return None, np.zeros(len(ids), dtype=bool)
        at = np.searchsorted(self.ids, ids)
        known = self.ids[np.minimum(at, len(self.ids) - 1)] == ids
        same = known.all() and len(ids) == len(self.ids) and bool((np.diff(at) > 0).all())
        return (self.states[0] if same else rows_of(self.states[0], at[known])), known

    def updated(self, ids: Array, states: Any, stacked: bool) -> Shelf:
        """Return the shelf with the new States of some members."""
        if not len(ids):
            return self
        if not stacked:
            return replace(self, states={**self.states, **dict(zip(ids.tolist(), states))})  # noqa: B905
        order = np.argsort(ids, kind="stable")
        everybody = np.union1d(self.ids, ids)
        if len(everybody) == len(ids):
            ascending = bool((np.diff(ids) > 0).all())
            return Shelf(everybody, {0: states if ascending else rows_of(states, order)})
        return Shelf(everybody, {0: _merged(self, ids, states, everybody)})


def _merged(shelf: Shelf, ids: Array, states: Any, everybody: Array) -> Any:
    """Return a stacked State of all members; what is no array is common: the newest counts."""
    old, new = np.searchsorted(everybody, shelf.ids), np.searchsorted(everybody, ids)
    arrays = {}
    for name, value in vars(states).items():
        if isinstance(value, np.ndarray):
            whole = np.empty((len(everybody), *value.shape[1:]), value.dtype)
            if len(shelf.ids):
                whole[old] = getattr(shelf.states[0], name)
            whole[new] = value
            arrays[name] = whole
    return states.but(**arrays)


@dataclass(frozen=True)
class Windows:
    """The windows of an iteration, per member: a growing window commits every trial.

    A member that a further iteration leaves out keeps its last trial; one that is called again
    begins from its committed State.
    """

    committed: Shelf
    trial: Shelf
    window: int | None = None
    iteration: int = 0

    def called(self, window: int | None, iteration: int, farm: str) -> tuple[Windows, Shelf]:
        """Return the windows at a call with this envelope, and the States it begins from."""
        before = self.window
        if window is None or before is None or window > before:
            # without windows nothing is ever repeated, and one shelf is enough
            committed = Shelf() if window is None else self.trial
            return Windows(committed, self.trial, window, iteration), self.trial
        if window < before:
            raise Refused(f"{farm}: window {window} was asked for after window {before}.")
        again = replace(self, iteration=iteration)
        return again, (self.trial if iteration == self.iteration else self.committed)
