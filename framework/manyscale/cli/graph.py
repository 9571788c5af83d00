"""`manyscale graph SPEC`: the diagram of a coupling."""

from __future__ import annotations

from pathlib import Path

import click

from manyscale.cli import terminal
from manyscale.cli.spec_options import settings_of, spec_options

PICTURES = (".svg", ".png", ".pdf")


@click.command("graph")
@spec_options
@click.option(
    "--probe", is_flag=True, help="Import models that the spec names and no plugin offers."
)
@click.option("-o", "output", type=click.Path(path_type=Path), help="File to write.")
@click.option("--format", "form", type=click.Choice(["svg", "png", "dot", "mermaid"]))
@click.option("--folded/--unfolded", help="Draw a nested model as one box, or what is in it.")
def command(
    spec: tuple[Path, ...],
    overrides: tuple[str, ...],
    machine: str,
    probe: bool,
    output: Path | None,
    form: str | None,
    folded: bool,
) -> None:
    """Draw the components, ports and conduits of SPEC in the notation of MMSL.

    Writes NAME.svg and NAME.png into this folder unless -o or --format says otherwise; dot and
    mermaid are printed.
    """
    from manyscale.coupling.prove import diagnose
    from manyscale.drawing.parts import parts

    files = terminal.pictures(output, form, PICTURES, ("dot", "mermaid"))
    given = settings_of(overrides)
    diagnosis = diagnose(spec, given, machine, trusted=probe, with_machine=False)
    shown = parts(diagnosis.readable().graph, folded)
    if form in ("dot", "mermaid"):
        from manyscale.drawing import text

        written = text.dot(shown) if form == "dot" else text.mermaid(shown)
        if output is None:
            click.echo(written, nl=False)
        else:
            output.write_text(written, encoding="utf-8")
            click.echo(output)
    else:
        from manyscale.drawing.diagram import draw, save

        figure = draw(shown)
        for file in files:
            save(figure, path := terminal.named(file, shown.name), shown.name)
            click.echo(path)
    terminal.note_errors(len(diagnosis.errors))
