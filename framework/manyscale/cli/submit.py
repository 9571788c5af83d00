"""`manyscale submit SPEC`: write the job script of a coupling and give it to Slurm."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from manyscale.cli.launch_options import LaunchOptions, launch_options
from manyscale.cli.spec_options import settings_of, spec_options
from manyscale.contract.refusal import Refused


@click.command("submit")
@spec_options
@launch_options
@click.option("--nodes", type=click.IntRange(1), help="Nodes; as many as the resources want.")
@click.option("--tasks-per-node", type=click.IntRange(1), help="Cores to take of every node.")
@click.option("--time", help="Time limit of a job, as Slurm writes it: 30, 12:00:00, 2-00:00:00.")
@click.option("--partition", help="Slurm's partition.")
@click.option("--account", help="Slurm's account.")
@click.option("--profile", help="Site profile: a TOML file, or a name in ~/.config/manyscale.")
@click.option(
    "--resubmit",
    type=click.IntRange(0),
    default=0,
    help="Further jobs that may follow, each only if the one before brought a newer snapshot.",
)
@click.option("--dry-run", is_flag=True, help="Print the job script, write and submit nothing.")
def command(
    spec: tuple[Path, ...],
    overrides: tuple[str, ...],
    machine: str,
    nodes: int | None,
    tasks_per_node: int | None,
    time: str | None,
    partition: str | None,
    account: str | None,
    profile: str | None,
    resubmit: int,
    dry_run: bool,
    **options: Any,
) -> None:
    """Check SPEC and submit it as a job of Slurm, which runs it under the same supervisor."""
    from manyscale.cli.running import Order, answered
    from manyscale.launching.site import site

    launch = LaunchOptions.of(options)
    order = Order(tuple(str(path.resolve()) for path in spec), overrides, _machine(spec, machine))

    def submitted() -> dict[str, Any]:
        wanted = site(profile).changed(time=time, partition=partition, account=account)
        return _submit(order, launch, wanted, nodes, tasks_per_node, resubmit, dry_run)

    answered(launch.as_json, submitted)


def _machine(spec: tuple[Path, ...], machine: str) -> str:
    """Return the overlay to take: `slurm` if the spec has it and nothing else was asked for."""
    has_slurm = any((path / "slurm.ymmsl").is_file() for path in spec)
    return "slurm" if machine == "laptop" and has_slurm else machine


def _submit(
    order: Any,
    launch: LaunchOptions,
    wanted: Any,
    nodes: int | None,
    tasks_per_node: int | None,
    resubmit: int,
    dry_run: bool,
) -> dict[str, Any]:
    from manyscale.coupling.prove import diagnose
    from manyscale.launching import run_dir, slurm

    files = tuple(map(Path, order.spec))
    diagnosis = diagnose(
        files, settings_of(order.overrides), order.machine, trusted=True, with_machine=False
    )
    coupling = diagnosis.proven()
    components = [node.name for node in coupling.graph.nodes.values()]
    launch.limits(components)
    launch.refuse_unknown_layers()
    launch.refuse_unknown_foreign(components)
    if resubmit and launch.checkpoint_every is None and not coupling.graph.checkpoints:
        raise Refused(
            "--resubmit needs snapshots to go on from: give --checkpoint-every, or the spec"
            " `checkpoints:`."
        )
    cores = tasks_per_node or wanted.cores_per_node
    if not cores:
        raise Refused(
            "How many cores has a node? Give --tasks-per-node, or `cores_per_node` in a profile."
        )
    count = nodes or slurm.planned(coupling.files, cores)
    named = run_dir.stamped(f"job_{coupling.name}") if launch.run_dir is None else launch.run_dir
    folder = named.resolve()
    shape = slurm.Shape(count, cores)
    text = slurm.script(
        coupling.name, shape, folder, wanted, [*slurm.program(), "job", str(folder)]
    )
    programs = {n.name: coupling.graph.programs[n.program] for n in coupling.graph.nodes.values()}
    slurm.refuse_unknown(programs, wanted)
    if dry_run:
        if not launch.as_json:
            click.echo(text, nl=False)
        return {"script": text}
    run_dir.create(coupling.name, folder)
    laid_over = slurm.site_programs(programs, wanted, folder, coupling.name)
    kept = {**asdict(order), "spec": [*order.spec, *map(str, laid_over)]}
    given = {
        **asdict(launch),
        "run_dir": None,
        "as_json": False,
        "environment": [*launch.environment, *wanted.environment],
        "address": launch.address or wanted.address,
    }
    slurm.keep(slurm.Job(kept, given, resubmit), folder)
    (folder / slurm.SCRIPT).write_text(text)
    number = slurm.submit(folder)
    click.echo(
        f"Job {number} in {folder}: {count} nodes, {cores} tasks on each.", err=launch.as_json
    )
    return {"job": number, "folder": str(folder), "nodes": count, "tasks_per_node": cores}
