"""What all commands share at the terminal: the console, names of pictures, notes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console


def console(*, stderr: bool = False) -> Console:
    """Return a console for standard output, or for standard error."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr) if stream.isatty() else Console(stderr=stderr, width=160)


def pictures(
    output: Path | None, form: str | None, endings: Sequence[str], texts: Sequence[str] = ()
) -> list[Path]:
    """Return the files to draw: the one that is wanted, or endings that await a name.

    Raises `click.UsageError` for a file that says it is something else.
    """
    if output is None:
        return [Path(f".{kind}") for kind in ([form] if form else ["svg", "png"])]
    if form in texts:
        return []
    if output.suffix not in endings:
        raise click.UsageError(f"-o {output}: expected a name that ends in {', '.join(endings)}.")
    if form and output.suffix != f".{form}":
        raise click.UsageError(f"-o {output} is no {form}; leave --format out.")
    return [output]


def named(file: Path, name: str) -> Path:
    """Return the file; a bare ending such as `.svg` gets a name."""
    return Path(name + file.name) if file.name in (".svg", ".png") else file


def note_errors(errors: int) -> None:
    """Say on standard error that what was shown is of a spec with errors."""
    if errors:
        what = "an error" if errors == 1 else f"{errors} errors"
        click.echo(f"The spec has {what}; manyscale check shows what is wrong.", err=True)
