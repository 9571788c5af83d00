"""The checks of a coupling spec, one a file; built in, they enter by the plugins' door."""

from __future__ import annotations

import importlib
import pkgutil

from manyscale.contract.diagnostics import Check
from manyscale.registry.hooks import hookimpl


@hookimpl
def manyscale_checks() -> list[Check]:
    """Return every check of this package, imported when they are asked for."""
    modules = [
        importlib.import_module(f"{__name__}.{found.name}")
        for found in pkgutil.iter_modules(__path__)
    ]
    return [one for module in modules for one in vars(module).values() if isinstance(one, Check)]
