"""`manyscale status [RUN]`: where a run stands, or which runs there are."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from manyscale.cli import terminal
from manyscale.contract.refusal import Refused


@click.command("status")
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Answer with JSON.")
def command(run: Path | None, as_json: bool) -> None:
    """Show where RUN stands, or the runs in this folder."""
    found = _runs() if run is None else _run(run)
    if as_json:
        click.echo(json.dumps(found))
        return
    console = terminal.console()
    rows = found if isinstance(found, list) else found.pop("components")
    if isinstance(found, dict):
        for name, value in found.items():
            if value not in (None, ""):
                console.print(f"{name:12}{value}", soft_wrap=True, markup=False, highlight=False)
    console.print(_table(rows) if rows else "There is no run here.")


def _runs() -> list[dict[str, Any]]:
    from manyscale.launching import runs

    found = []
    for folder in runs.runs_in(Path.cwd()):
        try:
            told = runs.read(folder)
        except Refused as exc:
            found.append({"run": folder.name, "state": "unknown", "why": str(exc)})
            continue
        found.append(
            {
                "run": folder.name,
                "state": told.stands,
                "started": _date(told.started),
                "took": _span((told.ended or time.time()) - told.started),
                "why": told.sentence,
            }
        )
    return found


def _run(run: Path) -> dict[str, Any]:
    from manyscale.launching import runs, snapshots

    told = runs.read(run)
    sets = snapshots.sets(run)
    return {
        "run": str(run),
        "state": told.stands,
        "started": _date(told.started),
        "took": _span((told.ended or time.time()) - told.started),
        "host": told.host,
        "job": told.job,
        "supervisor": told.pid if told.stands == runs.RUNNING else None,
        "exit code": told.exit_code,
        "why": told.sentence,
        "snapshot": str(sets[-1]) if sets else "",
        "components": _components(run),
    }


def _components(run: Path) -> list[dict[str, Any]]:
    from manyscale.hosting import telemetry
    from manyscale.launching.run_dir import instance_folders

    phases = ("starting", "running", "done", "failed")
    found: list[dict[str, Any]] = []
    for name, folder in instance_folders(run).items():
        told = telemetry.read(folder)
        if told is None:
            found.append({"component": name, "phase": "not heard of"})
            continue
        over = told.phase in (telemetry.DONE, telemetry.FAILED)
        found.append(
            {
                "component": name,
                "phase": phases[told.phase],
                "t / s": told.now,
                "until / s": told.end or None,
                "turns": told.turns,
                "does": "" if over else told.position,
                "for": "" if over else _span(told.idle),
            }
        )
    return found


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table()
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        values = [row.get(name) for name in names]
        table.add_row(*(f"{v:.6g}" if isinstance(v, float) else str(v or "") for v in values))
    return table


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _span(seconds: float) -> str:
    """Return a duration as people read it."""
    minutes, rest = divmod(max(seconds, 0.0), 60.0)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02.0f} s"
