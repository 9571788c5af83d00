"""Hostile ends in processes of their own: an exception is allowed, a signal is not."""

import functools
import os
import subprocess
import sys
import traceback
from pathlib import Path

TESTS = Path(__file__).parents[1]
LIMIT = 60.0  # s for a child


def run(code, *arguments):
    """Run `module:function` with arguments in a child; return how it ended."""
    module, _, name = code.partition(":")
    text = f"import sys; from {module} import {name}; {name}(*sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", text, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env={**os.environ, "PYTHONPATH": f"{TESTS}:{os.environ.get('PYTHONPATH', '')}"},
    )


@functools.cache
def run_each(code, *arguments):
    """Run a function for each argument in forks of one child; return how each ended.

    Imports are paid for once.
    """
    done = run("messages.children:fork_each", code, *arguments)
    assert done.returncode == 0, done.stderr
    ends = done.stdout.split("\0")[:-1]
    return dict(zip(arguments, ends, strict=True))


def fork_each(code, *arguments):
    """Print how each fork ended: nothing if well, its output and exit code otherwise."""
    module, _, name = code.partition(":")
    function = getattr(__import__(module, fromlist=[name]), name)
    for argument in arguments:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            _end_with(function, argument)
        os.close(writing)
        with os.fdopen(reading) as output:
            said = output.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(f"{said}exit {code}" if code or "Traceback" in said else "", end="\0")


def _end_with(function, argument):
    code = 1
    try:
        function(*argument.split("|"))
        code = 0
    except SystemExit as exc:
        print(exc)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
