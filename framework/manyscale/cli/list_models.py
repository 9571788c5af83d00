"""`manyscale list`: every model that is installed, and every plugin that is broken."""

from __future__ import annotations

import click
from rich.table import Table
from rich.text import Text

from manyscale.cli import terminal
from manyscale.registry import registry


@click.command("list")
def command() -> None:
    """List the registered scale models, and BROKEN plugins with their reason."""
    found = registry.load()
    console = terminal.console()
    table = Table(box=None, pad_edge=False)
    for title in ("model", "calls", "from", "what it does"):
        table.add_column(title, no_wrap=title != "what it does")
    for name, entry in sorted(found.models.items()):
        text = (entry.model.__doc__ or "").strip().partition("\n")[0]
        origin = f"{entry.distribution} {entry.version}"
        table.add_row(Text(name, "bold"), _pattern(entry), Text(origin), Text(text))
    console.print(table)
    console.print(
        "A model that is called and answers also comes as a farm, many members in one component:"
        " `manyscale show NAME_farm`.",
        style="dim",
        soft_wrap=True,
    )
    for broken in found.broken:
        console.print(
            Text(f"BROKEN {broken.plugin} ({broken.distribution}): {broken.reason}"),
            style="red",
            soft_wrap=True,
        )
    for clash in found.clashes.values():
        console.print(Text(f"BROKEN {registry.clash_of(clash)}"), style="red", soft_wrap=True)


def _pattern(entry: registry.Entry) -> str:
    """Return the operators a model has ports on, `F_INIT -> O_F`."""
    operators = {port.operator for port in entry.model.ports.values()}
    receives = [o.upper() for o in ("f_init", "s") if o in operators]
    sends = [o.upper() for o in ("o_i", "o_f") if o in operators]
    return f"{'+'.join(receives) or '-'} -> {'+'.join(sends) or '-'}"
