"""Points and rectangles on a drawing [inch]."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Area:
    """A rectangle: left, top, width and height."""

    x: float
    y: float
    w: float
    h: float

    def overlaps(self, other: Area) -> bool:
        """Whether two areas share more than an edge."""
        across = self.x < other.x + other.w and other.x < self.x + self.w
        return across and self.y < other.y + other.h and other.y < self.y + self.h
