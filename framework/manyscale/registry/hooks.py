"""Every extension point of manyscale, on one page.

A plugin is a module (or a package) named by an entry point of the group `manyscale.plugins`
that implements one or more of these hooks:

    import manyscale as ms

    @ms.hookimpl
    def manyscale_models() -> list[type[ms.ScaleModel]]:
        return [MyModel]

Built-in plugins enter by the same door.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

import pluggy

from manyscale.contract.diagnostics import Check
from manyscale.contract.model import ScaleModel
from manyscale.contract.quantities import Quantity

PROJECT = "manyscale"
ENTRY_POINTS = "manyscale.plugins"

_Function = TypeVar("_Function")
_spec = pluggy.HookspecMarker(PROJECT)
_impl = pluggy.HookimplMarker(PROJECT)


def hookimpl(function: _Function) -> _Function:
    """Mark a plugin's function as the implementation of the hook it is named after."""
    return cast(_Function, _impl(cast(Any, function)))


@_spec
def manyscale_models() -> list[type[ScaleModel]]:  # type: ignore[empty-body]
    """Return the scale models this plugin offers. Must not import a solver library."""


@_spec
def manyscale_quantities() -> list[Quantity]:  # type: ignore[empty-body]
    """Return quantities this plugin adds to the common ones."""


@_spec
def manyscale_checks() -> list[Check]:  # type: ignore[empty-body]
    """Return checks of coupling specs, made with `ms.check`; called only when specs are checked."""
