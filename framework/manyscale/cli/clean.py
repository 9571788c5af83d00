"""`manyscale clean`: end and remove what dead runs of this user left on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from manyscale.contract.refusal import Refused


@click.command("clean")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def command(dry_run: bool) -> None:
    """Remove leftovers of dead runs: processes, shared memory, secrets."""
    from manyscale.launching import leftovers

    found = leftovers.find(Path.cwd())
    if not found.lines():
        click.echo("Nothing is left of dead runs.")
    left = [] if dry_run else found.remove()
    for line in found.lines():
        click.echo(("would remove " if dry_run else "to remove: " if left else "removed ") + line)
    if left:
        raise Refused(f"These could not be removed: {'; '.join(left)}.")
