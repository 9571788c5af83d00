"""Runs in every Python program of a guarded run, before its own code: installs the guard.

Any Python may start with this folder on its path, so that this file keeps to what all of them read.
"""

import os
import sys


def _run_hidden():  # type: ignore[no-untyped-def]  # noqa: ANN202
    """Run the `sitecustomize` that this one hides, if there is one."""
    here = os.path.dirname(os.path.abspath(__file__))
    path = [place for place in sys.path if os.path.abspath(place) != here]
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = find("sitecustomize", path) if find else None
        if spec is not None and spec.loader is not None:
            from importlib.util import module_from_spec

            module = sys.modules["sitecustomize"] = module_from_spec(spec)
            spec.loader.exec_module(module)
            return


if os.environ.get("MANYSCALE_GUARD") and sys.version_info >= (3, 9):
    try:
        import manyscale_guard

        manyscale_guard.install()
    except Exception as exc:
        # site would go on without a guard after any other exception
        raise SystemExit("manyscale guard: %s: %s" % (type(exc).__name__, exc))  # noqa: B904, UP031

_run_hidden()  # type: ignore[no-untyped-call]
