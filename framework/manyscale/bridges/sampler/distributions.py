"""What is known of uncertain parameters, read from one line of text.

    k normal 1 0.1 W/(m K) epistemic; h uniform 5 10 W/(m2 K) aleatory; scheme discrete 1:0.2 2:0.8

Entries are separated by `;`, each `NAME KIND NUMBERS [UNIT] [LABEL]`.
"""

from __future__ import annotations

import contextlib
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LABELS = ("aleatory", "epistemic")
KINDS = {"uniform": "low high", "normal": "mean sd", "lognormal": "mean and sd of ln x",
         "discrete": "value value ... or value:probability ..."}  # fmt: skip
_SUM = 1e-9  # by which probabilities may miss 1


@dataclass(frozen=True)
class Distribution:
    """The distribution of one parameter.

    numbers: low and high (uniform), mean and standard deviation of x (normal) or of ln x
    (lognormal), values (discrete, with `weights` that sum to 1). `whole`: all values are whole
    numbers.
    """

    name: str
    kind: str
    numbers: tuple[float, ...]
    weights: tuple[float, ...] = ()
    unit: str = "1"
    label: str = ""
    whole: bool = False

    def from_unit(self, u: Floats) -> Floats:
        """Return values of the parameter where its cumulative distribution is `u`, in (0, 1)."""
        from scipy.special import ndtri

        if self.kind == "discrete":
            steps = np.cumsum(self.weights)[:-1]
            return np.asarray(self.numbers)[np.searchsorted(steps, u, side="right")]
        a, b = self.numbers
        if self.kind == "uniform":
            return a + (b - a) * u
        x: Floats = a + b * ndtri(u)
        return np.exp(x) if self.kind == "lognormal" else x

    def standard(self, x: Floats) -> Floats:
        """Return x as the standard variable: uniform on (-1, 1), normal (0, 1), or as it is."""
        if self.kind == "discrete":
            return x
        a, b = self.numbers
        if self.kind == "uniform":
            return (2.0 * x - (a + b)) / (b - a)
        return ((np.log(x) if self.kind == "lognormal" else x) - a) / b

    def from_standard(self, z: Floats) -> Floats:
        """Return the parameter where the standard variable is `z`."""
        if self.kind == "discrete":
            return z
        a, b = self.numbers
        if self.kind == "uniform":
            return 0.5 * ((a + b) + (b - a) * z)
        return np.exp(a + b * z) if self.kind == "lognormal" else a + b * z

    @property
    def moments(self) -> tuple[float, float]:
        """Mean and variance of the parameter."""
        if self.kind == "discrete":
            x, w = np.asarray(self.numbers), np.asarray(self.weights)
            mean = float(w @ x)
            return mean, float(w @ (x - mean) ** 2)
        a, b = self.numbers
        if self.kind == "uniform":
            return 0.5 * (a + b), (b - a) ** 2 / 12.0
        if self.kind == "normal":
            return a, b * b
        mean = math.exp(a + 0.5 * b * b)
        return mean, mean * mean * math.expm1(b * b)


def restored(words: Mapping[str, Any]) -> Distribution:
    """Return the distribution that `asdict` was taken of, lists for tuples."""
    lists = {name: tuple(words[name]) for name in ("numbers", "weights")}
    return Distribution(**{**words, **lists})


def parsed(text: str) -> list[Distribution]:
    """Return the distributions a text declares, in its order.

    Raises ValueError with one sentence for what cannot be read or cannot be.
    """
    entries = [entry.split() for entry in text.split(";") if entry.strip()]
    found = [_one(words) for words in entries]
    names = [one.name for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"distributions names {twice} twice; give it one distribution.")
    return found


def _one(words: list[str]) -> Distribution:
    entry = " ".join(words)
    if len(words) < 2:
        raise ValueError(f"distributions: {entry!r} is no 'name kind numbers unit label'.")
    name, kind, *rest = words
    if kind not in KINDS:
        close = difflib.get_close_matches(kind, KINDS, 1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(KINDS)}."
        raise ValueError(f"distributions: {name} is {kind!r}; {hint}")
    label = rest.pop() if rest and rest[-1] in LABELS else ""
    most = len(rest) if kind == "discrete" else 2
    count = 0
    while count < min(most, len(rest)) and _number(rest[count].partition(":")[0]) is not None:
        count += 1
    numbers, unit = rest[:count], " ".join(rest[count:]) or "1"
    return made(name, kind, numbers, unit, label)


def made(name: str, kind: str, words: list[str], unit: str = "1", label: str = "") -> Distribution:
    """Return a distribution from the words of its numbers.

    Raises ValueError with one sentence for numbers that make none.
    """
    pairs = [word.partition(":") for word in words]
    values = [_number(value) for value, _, _ in pairs]
    if None in values or (kind != "discrete" and any(colon for _, colon, _ in pairs)):
        raise ValueError(f"distributions: {name} {kind} takes {KINDS[kind]}, found {words}.")
    numbers = tuple(value for value in values if value is not None)
    whole = all(value.lstrip("+-").isdigit() for value, _, _ in pairs)
    weights = _weights(name, pairs) if kind == "discrete" else ()
    _refuse_unfit(name, kind, numbers)
    return Distribution(name, kind, numbers, weights, unit, label, whole and kind == "discrete")


def _number(word: str) -> float | None:
    with contextlib.suppress(ValueError):
        value = float(word)
        return value if math.isfinite(value) else None
    return None


def _weights(name: str, pairs: list[tuple[str, str, str]]) -> tuple[float, ...]:
    if not any(colon for _, colon, _ in pairs):
        return (1.0 / len(pairs),) * len(pairs) if pairs else ()
    weights = [_number(weight) for _, _, weight in pairs]
    good = [w for w in weights if w is not None and w > 0.0]
    if len(good) != len(pairs) or abs(math.fsum(good) - 1.0) > _SUM:
        raise ValueError(
            f"distributions: the probabilities of {name} must be positive and sum to 1."
        )
    return tuple(w / math.fsum(good) for w in good)


def _refuse_unfit(name: str, kind: str, numbers: tuple[float, ...]) -> None:
    wrong = ""
    if kind == "discrete":
        if len(set(numbers)) != len(numbers) or not numbers:
            wrong = "needs values, each once"
    elif len(numbers) != 2:
        wrong = f"has {len(numbers)} numbers, expected {KINDS[kind]}"
    elif kind == "uniform" and not numbers[0] < numbers[1]:
        wrong = f"goes from {numbers[0]:g} to {numbers[1]:g}; the first must be smaller"
    elif kind != "uniform" and not numbers[1] > 0.0:
        wrong = f"has a standard deviation of {numbers[1]:g}, expected more than 0"
    if wrong:
        raise ValueError(f"distributions: {name} {kind} {wrong}.")
