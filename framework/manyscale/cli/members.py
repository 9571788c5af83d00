"""`manyscale members RUN`: what the farms of a run did, or are doing."""

from __future__ import annotations

from pathlib import Path

import click

from manyscale.cli import terminal
from manyscale.contract.refusal import Refused


@click.command("members")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--last", default=12, show_default=True, help="How many rows to show.")
def command(run: Path, last: int) -> None:
    """Show the farms of RUN, a run directory: members computed, cached, copied, and the load."""
    from manyscale.results import members

    if not (run / "instances").is_dir():
        raise Refused(f"{run} is no run directory; `manyscale run` says where it put one.")
    found = members.farms(run)
    if not found:
        raise Refused(f"No farm has answered a call in {run} so far.")
    console = terminal.console()
    for instance, shown in found.items():
        console.print(members.table_of(instance, shown, last))
