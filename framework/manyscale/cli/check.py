"""`manyscale check SPEC`: everything that is wrong with a coupling, before it is launched."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from manyscale.cli import terminal
from manyscale.cli.spec_options import settings_of, spec_options
from manyscale.contract.refusal import Refused
from manyscale.coupling.diagnostics import Problem, as_json

_COLOURS = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}


@click.command("check")
@spec_options
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.option(
    "--probe", is_flag=True, help="Execute what the spec names to look at it, such as mpirun."
)
def command(
    spec: tuple[Path, ...], overrides: tuple[str, ...], machine: str, form: str, probe: bool
) -> None:
    """Check SPEC, a folder with model.ymmsl or a list of yMMSL files, without launching it.

    Exit code 0: nothing that forbids a launch; 1: errors; 2: SPEC or an option is unusable.
    """
    from manyscale.coupling.prove import diagnose

    try:
        diagnosis = diagnose(spec, settings_of(overrides), machine, probe=probe)
    except Refused as exc:
        click.echo(f"manyscale: {exc}", err=True)
        sys.exit(2)
    if form == "json":
        click.echo(as_json(diagnosis.problems))
    else:
        console = terminal.console()
        print_problems(console, diagnosis.problems)
        console.print(Text(f"{count(diagnosis.problems)}."))
        if diagnosis.errors and diagnosis.coupling is None:
            console.print(Text("The rest can only be checked once this is mended."))
    sys.exit(1 if diagnosis.errors else 0)


def print_problems(console: Console, problems: Sequence[Problem]) -> None:
    """Print each problem with the line it is about."""
    for problem in problems:
        head = Text.assemble(
            (f"{problem.place}: ", "bold"),
            (f"{problem.code} {problem.severity}: ", _COLOURS[problem.severity]),
            problem.text,
        )
        console.print(head, soft_wrap=True)
        console.print(Text(problem.excerpt()), soft_wrap=True)


def count(problems: Sequence[Problem]) -> str:
    """Return how many problems there are, in words."""
    found: Counter[str] = Counter(problem.severity for problem in problems)
    words = [f"{n} {kind}{'s' * (n > 1)}" for kind in _COLOURS if (n := found[kind])]
    return ", ".join(words) or "No problems"
