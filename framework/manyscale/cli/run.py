"""`manyscale run SPEC`: run a coupling, watch it, and end with its table, figure and folder."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from manyscale.cli import terminal
from manyscale.cli.check import count, print_problems
from manyscale.cli.spec_options import settings_of, spec_options
from manyscale.contract.refusal import Refused


@click.command("run")
@spec_options
@click.option("--run-dir", type=click.Path(path_type=Path), help="A new directory for the run.")
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0.0, min_open=True),
    help="End the run after so many seconds of wall time.",
)
@click.option("--no-check", is_flag=True, help="Launch whatever the checks say.")
def command(
    spec: tuple[Path, ...],
    overrides: tuple[str, ...],
    machine: str,
    run_dir: Path | None,
    time_limit: float | None,
    no_check: bool,
) -> None:
    """Check SPEC, a folder with model.ymmsl or a list of yMMSL files, and run it under MUSCLE3."""
    from manyscale.coupling.prove import diagnose
    from manyscale.launching import local, snapshots
    from manyscale.launching import run_dir as run_dirs
    from manyscale.results import report
    from manyscale.results.run import run_of

    values = settings_of(overrides)
    console = terminal.console()
    diagnosis = diagnose(spec, values, machine, trusted=True, with_machine=not no_check)
    if no_check:
        coupling = diagnosis.readable()
    else:
        problems = [p for p in diagnosis.problems if p.severity != "note"]
        print_problems(terminal.console(stderr=True), problems)
        if diagnosis.errors:
            raise Refused(f"{count(problems)}; nothing was launched.")
        coupling = diagnosis.proven()
    snapshots.refuse_damaged_sets(coupling.files)
    system = report.system_report(coupling.files)
    folder = run_dirs.create(coupling.name, run_dir)
    files = coupling.resolved(folder)
    command_line = local.command(files, folder)
    console.print(Text(f"Running {coupling.name} in {folder}"), soft_wrap=True)
    _write_provenance(coupling, folder, command_line)
    with Watch(console, folder) as watch:
        local.launch(files, folder, time_limit=time_limit, watch=watch.look)
    rows, figure = report.write(run_of(folder, coupling.name, coupling.models), system, folder)
    console.print(report.table_of(coupling.name, rows))
    for label, path in (("figure", figure), ("report", folder / report.TEXT), ("run", folder)):
        console.print(Text(f"{label:8}{path}"), soft_wrap=True)
    if not rows:
        console.print("Nothing was recorded: set `record` of a component to ports of it.")
    off = [row.what for row in rows if row.reference is not None and not row.holds]
    if off:
        raise Refused(f"{coupling.name}: outside the tolerance: {'; '.join(off)}.")


def _write_provenance(coupling: Any, folder: Path, command_line: list[str]) -> None:
    from manyscale.results.provenance import provenance

    contracts = [c for c in coupling.contracts.values() if c is not None]
    record = provenance(coupling.name, coupling.hashes, coupling.settings, contracts, command_line)
    record["input_sha256"] = coupling.inputs
    record["invoked_as"] = shlex.join(["manyscale", *sys.argv[1:]])
    (folder / "provenance.json").write_text(json.dumps(record, indent=2))


class Watch:
    """Shows the simulated time of every component while a run goes on."""

    def __init__(self, console: Console, folder: Path) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._folder = folder
        self._progress = Progress(
            TextColumn("{task.description:16}"),
            BarColumn(),
            TextColumn("t = {task.fields[now]:.6g} s  {task.fields[turns]} turns"),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Watch:
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.look()
        self._progress.stop()

    def look(self) -> None:
        """Read every component's standing and show it."""
        from manyscale.hosting.telemetry import DONE, read
        from manyscale.launching.run_dir import instance_folders

        for name, place in instance_folders(self._folder).items():
            standing = read(place)
            if standing is None:
                continue
            if name not in self._tasks:
                total = standing.end or None
                self._tasks[name] = self._progress.add_task(name, total=total, now=0.0, turns=0)
            self._progress.update(
                self._tasks[name],
                completed=standing.end if standing.phase == DONE else standing.now,
                total=standing.end or (standing.now if standing.phase == DONE else None),
                now=standing.now,
                turns=standing.turns,
            )
