"""The guard of a run: only its own processes get a word with one another.

It is imported by every Python program of a run, in whatever environment, and knows the
standard library only. It touches nothing until libmuscle is imported.
"""

from __future__ import annotations

import sys

from manyscale_guard import hook


def install() -> None:
    """Watch for libmuscle, and patch what the guard needs of it as it is imported."""
    if not any(isinstance(finder, hook.Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, hook.Finder())
    for name in hook.WATCHED & sys.modules.keys():
        hook.guard(sys.modules[name])
