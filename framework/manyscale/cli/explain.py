"""`manyscale explain CODE`: the page of a check."""

from __future__ import annotations

import click
from rich.markdown import Markdown
from rich.text import Text

from manyscale.cli import terminal
from manyscale.contract.refusal import Refused, nearest
from manyscale.registry import registry


@click.command("explain")
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Explain what the problem CODE means and what to do; without CODE, list all codes."""
    checks = registry.load().checks
    console = terminal.console()
    if code is None:
        for one in checks.values():
            console.print(Text(f"{one.code}  {one.severity:8} {one.title}"), soft_wrap=True)
        return
    found = checks.get(code.upper())
    if found is None:
        raise Refused(f"No check has the code {code!r}.{nearest(code.upper(), checks)}")
    console.print(Text(f"{found.code} ({found.severity})", "bold"))
    console.print(Markdown(found.page))
