"""Scales: the grain and extent of a model in time and length."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """The smallest and the largest thing a model resolves, in SI units."""

    grain: float
    extent: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.grain <= self.extent:
            raise ValueError(f"A grain of {self.grain:g} does not fit an extent of {self.extent:g}")


@dataclass(frozen=True)
class Scales:
    """Scales of time [s] and length [m]; None where the model has none."""

    time: Scale | None = None
    length: Scale | None = None
