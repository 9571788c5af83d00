"""Modules that an instance imports for others and does not use are loaded at their first use.

`import libmuscle` brings the whole manager along, by way of `libmuscle.runner`, and psutil, which
lists the network interfaces of a run that has no guard. Both stay what they are to whoever uses
them, only later; and if one has been imported already nothing happens.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

UNUSED = frozenset({"libmuscle.runner", "psutil"})


class _Finder:
    """Finds modules where they are, and has them loaded later."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module to be put off, None for all others."""
        spec = PathFinder.find_spec(name, path, target) if name in self._names else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


@contextlib.contextmanager
def put_off(names: frozenset[str] = UNUSED) -> Iterator[None]:
    """Let what is imported within put off the loading of some modules."""
    finder = _Finder(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
