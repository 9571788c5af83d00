"""The one exception a user's mistake ends in."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class Refused(Exception):  # noqa: N818  a verdict, not a fault of the program
    """One sentence for the user: what was found, where, what was expected, what to do."""

    exit_code = 1


def close_to(word: str, known: Iterable[str], at_least: float = 0.5) -> str:
    """Return the known word nearest to one, empty if none is near."""
    return next(iter(difflib.get_close_matches(word, sorted(set(known)), n=1, cutoff=at_least)), "")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?`, or the known words if none is near, or nothing."""
    words = sorted(set(known))
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    if close:
        return f" Did you mean {close[0]!r}?"
    if not words:
        return ""
    shown = ", ".join(words[:12]) + (", ..." if len(words) > 12 else "")
    return f" Known are: {shown}."
