"""Hostile ends in processes of their own: an exception is allowed, a signal is not."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]


def run(code, *arguments, time_limit=30.0):
    """Run a function's name of a module, `messages.hostile:name`, in a child; return how it ended."""
    module, _, name = code.partition(":")
    text = f"import sys; from {module} import {name}; {name}(*sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", text, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=time_limit,
        env={**os.environ, "PYTHONPATH": f"{TESTS}:{os.environ.get('PYTHONPATH', '')}"},
    )
