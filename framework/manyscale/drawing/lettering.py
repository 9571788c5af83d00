"""How wide a text is, and the one typeface of all drawings."""

from __future__ import annotations

from functools import cache

FAMILY = "DejaVu Sans"
"""Comes with matplotlib, so a drawing is the same everywhere."""


@cache
def width(text: str, points: float, bold: bool = False) -> float:
    """Return the width of a line of text [inch]."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=FAMILY, size=points, weight="bold" if bold else "normal")
    across, _, _ = text_to_path.get_text_width_height_descent(text, font, False)
    return float(across) / 72.0
