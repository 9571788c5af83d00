"""A surrogate that stands in for members in a call, and learns from those that are computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from manyscale.bridges.farm import surrogate
from manyscale.bridges.farm.call import SURROGATE, Call
from manyscale.bridges.farm.kernel import uniform_of
from manyscale.bridges.farm.surrogate import Surrogate
from manyscale.contract.fields import Array
from manyscale.contract.refusal import Refused

_TINY = 1e-300
_NOBODY = np.zeros(0, dtype=np.intp)


@dataclass(frozen=True)
class Knowledge:
    """What is learnt from call to call."""

    model: Surrogate
    more: Array  # (m, r) answers that are no real numbers, at each point
    about: bytes = b""  # what else the answers depend on: settings, and what is held for all
    calls: int = 0

    def of(self, about: bytes) -> Knowledge:
        """Return what is known if everything else is the same, else nothing."""
        return (
            self if about == self.about else Knowledge(_BLANK, np.zeros((0, 0)), about, self.calls)
        )


_BLANK = surrogate.empty(0, 0)


@dataclass
class StandIn:
    """Decides, row by row of a call, whether the surrogate may answer."""

    farm: Any
    work: Call
    known: Knowledge
    x: Array  # (n, p) scaled inputs
    columns: Callable[[Array, Array], dict[str, Any]]
    """Makes answers of scaled reals (m, q) and others (m, r)."""
    waiting: Array = field(default_factory=lambda: _NOBODY)
    checks: Mapping[int, tuple[Array, float]] = field(default_factory=dict)
    """Rows that are computed only to check: what was predicted, and the half width."""
    checked: bool = False

    def asked(self, rows: Array) -> Array:
        """Take the rows that want an answer; return those to compute first."""
        self.waiting = rows
        if len(rows) and not np.isfinite(self.x[rows]).all():
            raise Refused(f"{self.farm.name}: a surrogate needs inputs that are finite numbers.")
        return self.next()

    def learn(self, rows: Array, outputs: Array, more: Array) -> None:
        """Take the answers of rows (m,): scaled reals (m, q) and others (m, r)."""
        model, known = self.known.model, self.known
        self.waiting = np.setdiff1d(self.waiting, rows)
        wrong = [self._off(row, y) for row, y in zip(rows.tolist(), outputs, strict=True)]
        model = model.cautious(max(wrong, default=0.0))
        self.checks = {}
        new = np.array([i for i, ratio in enumerate(wrong) if ratio > 0.0], dtype=np.intp)
        rows, outputs, more = rows[new], outputs[new], more[new]
        if not model.x.shape[1] and not len(model.x):
            model = surrogate.empty(self.x.shape[1], outputs.shape[1])
            known = replace(known, more=np.zeros((0, more.shape[1])))
        room = self.farm.sur_points - len(model.x)
        grown, new = (
            model.grown(self.x[rows[:room]], outputs[:room]) if room > 0 else (model, _NOBODY)
        )
        self.known = replace(known, model=grown, more=np.concatenate([known.more, more[new]]))

    def _off(self, row: int, found: Array) -> float:
        """Return the error of a prediction in half widths: 1 if there was none, 0 if good."""
        if row not in self.checks:
            return 1.0
        mean, half = self.checks[row]
        error = float(np.abs(found - mean).max(initial=0.0))
        return 0.0 if error <= self.farm.sur_tol else error / max(half, _TINY)

    def next(self) -> Array:
        """Return the rows to compute next; fill those that need not be, once all are sure."""
        model, rows = self.known.model, self.waiting
        if not len(rows):
            return rows
        x = self.x[rows]
        if not model.ready or not model.x.shape[1]:
            known = model.x if len(model.x) else x[:0]
            return np.sort(rows[surrogate.first_design(x, known)])
        mean, half = model.predicted(x)
        outside = ~model.inside(x)
        if outside.any():
            return np.sort(rows[outside][surrogate.outermost(x[outside])])
        unsure = ~model.sure(half, self.farm.sur_tol)
        if unsure.any():
            if len(model.x) >= self.farm.sur_points:
                return np.asarray(rows[unsure])
            return np.sort(rows[unsure][model.worst(x[unsure], self.farm.sur_batch)])
        chosen = self._to_check(rows)
        if chosen.any():
            self.checks = {int(r): (m, float(h)) for r, m, h in
                           zip(rows[chosen], mean[chosen], half[chosen], strict=True)}  # fmt: skip
            return np.asarray(rows[chosen])
        self._fill(rows, mean, half)
        self.waiting = _NOBODY
        return _NOBODY

    def _to_check(self, rows: Array) -> Array:
        """Return which rows are computed all the same, a random part, once per call (m,)."""
        if self.checked:
            return np.zeros(len(rows), dtype=bool)
        self.checked = True
        numbers = uniform_of(self.work.task.seeds[rows], 2 * self.known.calls + 1)
        self.known = replace(self.known, calls=self.known.calls + 1)
        return np.asarray(numbers < self.farm.recheck)

    def _fill(self, rows: Array, mean: Array, half: Array) -> None:
        _, near = cKDTree(self.known.model.x).query(self.x[rows])
        self.work.fill(rows, self.columns(mean, self.known.more[near]), SURROGATE)
        self.work.err[rows] = half
