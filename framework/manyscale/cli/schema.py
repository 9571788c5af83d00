"""`manyscale schema`: the JSON schema of yMMSL files, for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from manyscale.registry import registry


@click.command("schema")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write to this file, not to stdout."
)
def command(output: Path | None) -> None:
    """Print the JSON schema of yMMSL files, with all registered models and settings.

    An editor with the YAML language server (VS Code with the YAML extension, Neovim, Emacs)
    completes keys, models and settings with it, shows what they mean and underlines mistakes
    while you type. Write it beside the spec

    \b
        manyscale schema -o ymmsl.schema.json

    and name it in the first line of each file

    \b
        # yaml-language-server: $schema=ymmsl.schema.json

    or once in the settings of VS Code

    \b
        "yaml.schemas": {"./ymmsl.schema.json": "*.ymmsl"},
        "files.associations": {"*.ymmsl": "yaml"}

    Write it anew after a plugin was installed.
    """  # noqa: D301
    from manyscale.coupling.schema import schema

    text = json.dumps(schema(registry.load()), indent=1)
    if output is None:
        click.echo(text)
    else:
        output.write_text(text + "\n", encoding="utf-8")
        click.echo(f"{output} is written.", err=True)
