"""`manyscale clean`: end and remove what dead runs of this user left on this machine."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("clean")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def command(dry_run: bool) -> None:
    """Remove leftovers of dead runs: processes, shared memory, secrets."""
    from manyscale.launching import leftovers

    found = leftovers.find(Path.cwd())
    for line in found.lines():
        click.echo(("would remove " if dry_run else "removed ") + line)
    if not dry_run:
        for line in found.remove():
            click.echo(f"could not remove {line}", err=True)
    if not found.lines():
        click.echo("Nothing is left of dead runs.")
