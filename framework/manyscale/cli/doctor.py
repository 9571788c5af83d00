"""`manyscale doctor`: whether this machine can launch couplings, and what to do where not."""

from __future__ import annotations

import json
import sys

import click
from rich.table import Table
from rich.text import Text

from manyscale.cli import terminal

_COLOURS = {"ok": "green", "note": "cyan", "warning": "yellow", "error": "red"}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Answer with JSON.")
@click.option("--quick", is_flag=True, help="Start no MPI ranks.")
def command(as_json: bool, quick: bool) -> None:
    """Examine this machine: each line with the remedy; exit code 1 if a launch would fail."""
    from manyscale.launching.examination import examine

    found = list(examine(quick=quick))
    if as_json:
        click.echo(json.dumps([vars(finding) for finding in found]))
    else:
        table = Table(show_header=True)
        for name in ("what", "", "found", "remedy"):
            table.add_column(name, overflow="fold")
        for finding in found:
            state = Text(finding.state, style=_COLOURS[finding.state])
            table.add_row(finding.what, state, finding.found, finding.remedy)
        terminal.console().print(table)
    sys.exit(1 if any(finding.state == "error" for finding in found) else 0)
