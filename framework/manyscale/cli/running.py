"""Runs what was ordered: checks it, launches it, watches it, and shows what came out."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from manyscale.cli import terminal
from manyscale.cli.check import count, print_problems
from manyscale.cli.launch_options import LaunchOptions
from manyscale.cli.spec_options import settings_of
from manyscale.contract.refusal import Refused

ORDER = "order.json"


@dataclass(frozen=True)
class Order:
    """What a user asked for; kept in the run directory, so that a run can be resumed."""

    spec: tuple[str, ...]
    overrides: tuple[str, ...]
    machine: str
    no_check: bool = False
    hashes: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the files of the spec, by path."""
    resumed_from: str = ""
    snapshot: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Order:
        """Return an order as it was kept."""
        known: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in given.items()
        }
        return cls(**known)


def answered(as_json: bool, work: Callable[[], dict[str, Any]]) -> None:
    """Do the work of a command, and print how it ended as JSON if that is wanted."""
    try:
        found = work()
    except Refused as exc:
        if as_json:
            text = str(exc)
            told = {"sentence": text.splitlines()[-1] if text else "", "exit_code": exc.exit_code}
            click.echo(json.dumps({**told, **getattr(exc, "found", {})}))
        raise
    if as_json:
        click.echo(json.dumps({**found, "exit_code": 0}))


def run(order: Order, options: LaunchOptions) -> dict[str, Any]:
    """Run a coupling to its end; return what there is to say about it.

    Raises `Refused`, with what is known about the run as `found`.
    """
    from manyscale.coupling.prove import diagnose
    from manyscale.launching import local, runs, snapshots
    from manyscale.launching import run_dir as run_dirs
    from manyscale.launching.outcome import OutsideTolerance
    from manyscale.results import report

    console = terminal.console(stderr=options.as_json)
    files = tuple(map(Path, order.spec)) + ((Path(order.snapshot),) if order.snapshot else ())
    settings = settings_of(order.overrides)
    checked = not order.no_check
    diagnosis = diagnose(files, settings, order.machine, trusted=True, with_machine=checked)
    if not checked:
        coupling = diagnosis.readable()
    else:
        problems = [p for p in diagnosis.problems if p.severity != "note"]
        print_problems(terminal.console(stderr=True), problems)
        if diagnosis.errors:
            raise Refused(f"{count(problems)}; nothing was launched.")
        coupling = diagnosis.proven()
    components = [node.name for node in coupling.graph.nodes.values()]
    limits = options.limits(components)
    options.refuse_unknown_layers()
    options.refuse_unknown_foreign(components)
    snapshots.refuse_damaged_sets(coupling.files)
    system = report.system_report(coupling.files)
    folder = run_dirs.create(coupling.name, options.run_dir)
    found: dict[str, Any] = {"run": str(folder), "model": coupling.name}
    try:
        launched = [*coupling.resolved(folder), *_checkpoints(folder, options.checkpoint_every)]
        _keep_order(order, coupling, options, folder)
        _write_provenance(coupling, folder, local.command(launched, folder))
        console.print(Text(f"Running {coupling.name} in {folder}"), soft_wrap=True)
        for name in options.foreign:
            console.print(Text(f"{name} is admitted without the guard, as --foreign says."))
        with Watch(console, folder) as watch:
            local.launch(
                launched,
                folder,
                limits=limits,
                foreign=options.foreign,
                environment=options.environment,
                address=options.address,
                checkpoint_every=options.checkpoint_every,
                messages=options.messages,
                instances=sum(len(node.instances) for node in coupling.graph.nodes.values()),
                watch=watch.look,
            )
        found |= _report(console, coupling, system, folder)
        if off := [row["what"] for row in found["rows"] if row["holds"] is False]:
            sentence = f"{coupling.name}: outside the tolerance: {'; '.join(off)}."
            runs.amend(folder, OutsideTolerance(sentence))
            raise OutsideTolerance(sentence)
    except Refused as exc:
        exc.found = found  # type: ignore[attr-defined]
        raise
    return found


def _checkpoints(folder: Path, every: float | None) -> list[Path]:
    """Return the file that lets all components save when the supervisor asks them."""
    if every is None:
        return []
    from ymmsl import save
    from ymmsl.v0_2 import Checkpoints, Configuration

    path = folder / "checkpoints.ymmsl"
    # components that come to their end early must be in the later sets
    save(Configuration("", checkpoints=Checkpoints(at_end=True)), path)
    return [path]


def _keep_order(order: Order, coupling: Any, options: LaunchOptions, folder: Path) -> None:
    own = [str(path.resolve()) for path in coupling.files if str(path) != order.snapshot]
    hashes = {str(Path(name).resolve()): digest for name, digest in coupling.hashes.items()}
    kept = {
        **asdict(order),
        "spec": own,
        "hashes": {name: hashes[name] for name in own},
        "options": {k: v for k, v in asdict(options).items() if k not in ("run_dir", "as_json")},
    }
    (folder / ORDER).write_text(json.dumps(kept, indent=2))


def _write_provenance(coupling: Any, folder: Path, command_line: list[str]) -> None:
    from manyscale.results.provenance import provenance

    contracts = [c for c in coupling.contracts.values() if c is not None]
    record = provenance(coupling.name, coupling.hashes, coupling.settings, contracts, command_line)
    record["input_sha256"] = coupling.inputs
    record["invoked_as"] = shlex.join(["manyscale", *sys.argv[1:]])
    (folder / "provenance.json").write_text(json.dumps(record, indent=2))


def _report(console: Console, coupling: Any, system: Any, folder: Path) -> dict[str, Any]:
    from manyscale.hosting.transport import account
    from manyscale.launching import local
    from manyscale.launching.run_dir import instance_folders
    from manyscale.results import report
    from manyscale.results.run import run_of

    told = account.lines(account.read(instance_folders(folder).values()))
    run = run_of(folder, coupling.name, coupling.models)
    rows, figure = report.write(run, system, folder, told)
    console.print(report.table_of(coupling.name, rows))
    for label, path in (("figure", figure), ("report", folder / report.TEXT), ("run", folder)):
        console.print(Text(f"{label:8}{path}"), soft_wrap=True)
    if not rows:
        console.print("Nothing was recorded: set `record` of a component to ports of it.")
    for sentence in told:
        console.print(Text(sentence), soft_wrap=True)
    strangers = local.strangers(folder)
    for sentence in strangers:
        console.print(Text(sentence), soft_wrap=True)
    return {
        "rows": [
            {**asdict(row), "holds": row.holds if row.reference is not None else None}
            for row in rows
        ],
        "figure": str(figure),
        "messages": told,
        "strangers": strangers,
    }


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
            refresh_per_second=4,
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
