"""`manyscale show MODEL`: the contract of a model."""

from __future__ import annotations

import inspect
import json

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from manyscale.cli import terminal
from manyscale.contract.model import ScaleModel
from manyscale.contract.serialised import serialised
from manyscale.registry import registry


@click.command("show")
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print the serialised contract.")
def command(model: str, as_json: bool) -> None:
    """Show ports, fields, units, settings, scales and citations of MODEL."""
    found = registry.load()
    entry = found.made(model) or found.find(model)
    if as_json:
        click.echo(json.dumps(serialised(entry.model), indent=2))
        return
    console = terminal.console()
    version = f"version {entry.model.version}, from {entry.distribution} {entry.version}"
    console.print(Text.assemble((entry.model.name, "bold"), f"  {version}"))
    console.print(Text(inspect.cleandoc(entry.model.__doc__ or "")), "")
    console.print(_ports(entry.model), "", _settings(entry.model), "")
    _print_scales(console, entry.model)
    for citation in entry.model.citations:
        console.print(
            Text(f"Cite {citation.text}" + (f", doi:{citation.doi}" * bool(citation.doi)))
        )


def _ports(model: type[ScaleModel]) -> Table:
    table = Table(title="Ports", title_justify="left", box=None, pad_edge=False)
    for title in ("port", "operator", "field", "quantity", "unit", "axes", "dtype"):
        table.add_column(title)
    for port in model.ports.values():
        name = Text(port.name + "[]" * port.slots + " (optional)" * port.optional)
        operator = port.operator.upper() + f" ({port.timeline})" * bool(port.timeline)
        for field_name, field in port.fields.items():
            table.add_row(
                name, operator, field_name, field.quantity, field.unit, field.axes, field.dtype
            )
            name, operator = Text(""), ""
    return table


def _settings(model: type[ScaleModel]) -> Table:
    table = Table(title="Settings", title_justify="left", box=None, pad_edge=False)
    for title in ("setting", "type", "default", "unit", "allowed", "meaning"):
        table.add_column(title)
    for s in model.settings().values():
        default = Text("required", "bold") if s.required else Text(str(s.default))
        table.add_row(s.name, Text(s.ymmsl_type), default, s.unit, Text(s.limits), Text(s.text))
    return table


def _print_scales(console: Console, model: type[ScaleModel]) -> None:
    scales = serialised(model)["scales"] or {}
    for name, scale in scales.items():
        if scale is not None:
            what, unit = name.split("_")
            reach = f"{scale['grain']:.3g} to {scale['extent']:.3g} {unit}"
            console.print(f"Scale of {what} at the defaults: {reach}")
    how = "keeps its state between calls" if model.keeps_state else "starts every call anew"
    console.print(f"The model {how}; its results are reproducible: {model.determinism}.")
