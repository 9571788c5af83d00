"""The console that all commands write to: wide enough for tables when it is no terminal."""

from __future__ import annotations

import sys

from rich.console import Console


def console() -> Console:
    """Return a console for standard output."""
    return Console() if sys.stdout.isatty() else Console(width=160)
