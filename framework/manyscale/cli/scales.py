"""`manyscale scales SPEC`: the scale separation map of a coupling."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from manyscale.cli import terminal
from manyscale.cli.spec_options import settings_of, spec_options

if TYPE_CHECKING:
    from manyscale.drawing.scale_map import ScaleMap


@click.command("scales")
@spec_options
@click.option(
    "--probe", is_flag=True, help="Import models that the spec names and no plugin offers."
)
@click.option("-o", "output", type=click.Path(path_type=Path), help="File to write.")
@click.option("--format", "form", type=click.Choice(["svg", "png"]))
def command(
    spec: tuple[Path, ...],
    overrides: tuple[str, ...],
    machine: str,
    probe: bool,
    output: Path | None,
    form: str | None,
) -> None:
    """Show which times and lengths the components of SPEC resolve, and how they are coupled.

    Prints a table and writes NAME_scales.svg and NAME_scales.png into this folder unless -o or
    --format says otherwise.
    """
    from manyscale.coupling.prove import diagnose
    from manyscale.drawing.diagram import save
    from manyscale.drawing.scale_figure import draw_scales
    from manyscale.drawing.scale_map import scale_map

    files = terminal.pictures(output, form, (".svg", ".png", ".pdf"))
    given = settings_of(overrides)
    diagnosis = diagnose(spec, given, machine, trusted=probe, with_machine=False)
    shown = scale_map(diagnosis.readable().graph)
    terminal.console().print(_components(shown), "", _conduits(shown), "")
    figure = draw_scales(shown)
    for file in files:
        save(figure, path := terminal.named(file, f"{shown.name}_scales"), shown.name)
        click.echo(path)
    terminal.note_errors(len(diagnosis.errors))


def _components(shown: ScaleMap) -> Table:
    from manyscale.drawing.scale_map import LENGTH, TIME, reach

    table = Table(title="Scales, grain .. extent", title_justify="left", box=None, pad_edge=False)
    for title in ("component", "time", "length"):
        table.add_column(title)
    for row in shown.rows:
        reaches = reach(row.time, TIME) or "-", reach(row.length, LENGTH) or "-"
        table.add_row(Text(row.label), *reaches)
    return table


def _conduits(shown: ScaleMap) -> Table:
    from manyscale.drawing.scale_map import related

    title = "Conduits; ratio: grain of the coarser to extent of the finer, separated from 1 on"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("from", "to", "pattern", "in time", "ratio", "in length", "ratio"):
        table.add_column(name, justify="right" if name == "ratio" else "left")
    for one in shown.coupled:
        cells = []
        for number in (one.relation.time, one.relation.length):
            cells += [related(number) or "-", "" if number is None else f"{number:.2g}"]
        table.add_row(Text(one.ends[0]), Text(one.ends[1]), one.pattern or "-", *cells)
    return table
