"""What farms did in a run: who computed, who copied, how the load lay on the workers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

FILE = "standing.json"
_WAYS = ("computed", "cached", "copied", "surrogate", "interpolated")


def farms(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what every farm of a run showed last, by instance."""
    found = {}
    for path in sorted(folder.glob(f"instances/*/workdir/{FILE}")):
        try:
            shown = json.loads(path.read_text())
        except ValueError:
            continue
        if shown.get("kind") == "members" and shown["rows"]:
            found[path.parents[1].name] = shown
    return found


def table_of(instance: str, shown: dict[str, Any], most: int = 12) -> Table:
    """Return a table of a farm's calls, the last `most` rows and their sum."""
    from rich.table import Table

    rows, certainty = shown["rows"], shown["err_is"]
    table = Table(title=f"{instance}: {shown['workers']}", title_justify="left")
    for title in ("t in s", "calls", *_WAYS, f"largest err ({certainty})", "load of workers in s"):
        table.add_column(title, justify="left" if title == "t in s" else "right")
    if len(rows) > most:
        table.add_row("...", *[""] * (len(_WAYS) + 3))
    for row in rows[-most:]:
        table.add_row(*_cells(_span(row), row))
    table.add_section()
    table.add_row(*_cells("all", _total(rows)))
    return table


def _span(row: dict[str, Any]) -> str:
    if row["from"] == row["to"]:
        return f"{row['from']:g}"
    return f"{row['from']:g} to {row['to']:g}"


def _cells(title: str, row: dict[str, Any]) -> list[str]:
    load = row["load"]
    mean = sum(load) / len(load)
    said = f"{mean:.3g}"
    if len(load) > 1:
        said += f", {min(load):.3g} to {max(load):.3g}"
    counts = [str(row[way]) for way in _WAYS]
    return [title, str(row["calls"]), *counts, f"{row['err']:.3g}", said]


def _total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    summed = {name: sum(row[name] for row in rows) for name in ("calls", *_WAYS)}
    loads = [row["load"] for row in rows]
    widest = max(map(len, loads))
    return {
        **summed,
        "err": max(row["err"] for row in rows),
        "load": [sum(load[k] for load in loads if k < len(load)) for k in range(widest)],
    }
