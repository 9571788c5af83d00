"""What every command on a spec takes: its files, `--set COMPONENT.SETTING=VALUE`, `--machine`."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from manyscale.contract.refusal import Refused

_Command = TypeVar("_Command", bound=Callable[..., Any])


def spec_options(command: _Command) -> _Command:
    """Give a command the argument SPEC and the options --set and --machine."""
    machine = click.option(
        "--machine", default="laptop", show_default=True, help="Overlay file of the spec."
    )
    given = click.option("--set", "overrides", multiple=True, metavar="COMPONENT.SETTING=VALUE")
    spec = click.argument("spec", nargs=-1, required=True, type=click.Path(path_type=Path))
    return spec(given(machine(command)))


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
    is_path = os.path.exists(value)  # and may hold what YAML takes for a comment or a mapping
    for spelling in (value, rows):
        spec = f"ymmsl_version: v0.2\nsettings:\n  {name}: {spelling}\n"
        with contextlib.suppress(Exception):
            found = ymmsl.load_as(Configuration, spec).settings[name]
            return name, value if is_path and isinstance(found, str) else found
    if is_path:
        return name, value
    raise Refused(f"--set {text}: {value!r} is no value of a setting; write it as in a yMMSL file.")
