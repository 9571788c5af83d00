"""Patches modules of libmuscle right after they are imported, and costs others nothing."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as in typing, which takes longer to import than all of this
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

WATCHED = frozenset(
    {
        "libmuscle",
        "libmuscle.manager.mmp_server",
        "libmuscle.mcp.tcp_transport_client",
        "libmuscle.mcp.tcp_transport_server",
        "libmuscle.native_instantiator.agent.map_client",
        "libmuscle.native_instantiator.agent_manager",
        "libmuscle.native_instantiator.process_manager",
    }
)


class Finder:
    """Finds watched modules where they are, and has them guarded once they are loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what another finder finds, with a loader that guards."""
        if name not in WATCHED:
            return None
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
                    return spec
        return None


class _Loader:
    """Loads as another loader does, then guards."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        guard(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def guard(module: ModuleType) -> None:
    """Patch a module that was just loaded; end this process if it is an unknown one."""
    from manyscale_guard import patches

    patches.apply(module)
