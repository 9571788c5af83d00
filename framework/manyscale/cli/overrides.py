"""Settings from the command line: `--set COMPONENT.SETTING=VALUE`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from typing import Any

from manyscale.contract.refusal import Refused


def settings_of(texts: Iterable[str]) -> dict[str, Any]:
    """Return the settings that `--set` options give; raise `Refused` for what is none."""
    return dict(map(_override, texts))


def _override(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Refused(f"--set {text}: expected COMPONENT.SETTING=VALUE, as in bulk.dt=0.5.")
    import ymmsl
    from ymmsl.v0_2 import Configuration, Reference

    try:
        Reference(name)
    except ValueError:
        raise Refused(f"--set {text}: {name!r} is no name of a setting.") from None
    rows = re.sub(r"(?<![\w.+-])(-?\d+)(?=\s*[],])", r"\1.0", value)  # [[1, 2]] for [[1.0, 2.0]]
    for spelling in (value, rows):
        spec = f"ymmsl_version: v0.2\nsettings:\n  {name}: {spelling}\n"
        with contextlib.suppress(Exception):
            return name, ymmsl.load_as(Configuration, spec).settings[name]
    raise Refused(f"--set {text}: {value!r} is no value of a setting; write it as in a yMMSL file.")
