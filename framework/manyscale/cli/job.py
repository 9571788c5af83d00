"""`manyscale job FOLDER`: what a job script calls; runs a coupling or goes on with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from manyscale.cli.launch_options import LaunchOptions


@click.command("job", hidden=True)
@click.argument("folder", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Run the coupling of FOLDER, made by `manyscale submit`, or go on where it stopped."""
    from manyscale.cli.resume import order_of, refuse_changed, snapshot_of
    from manyscale.cli.running import Order, answered, run
    from manyscale.launching import slurm
    from manyscale.launching.outcome import Stopped

    job = slurm.job_in(folder)
    earlier = slurm.runs_in(folder)
    here = folder / f"run_{len(earlier) + 1}"
    launch = replace(LaunchOptions.of(job.options), run_dir=here)
    order = Order.of(job.order)
    if earlier:
        before = earlier[-1]
        order = order_of(before)
        refuse_changed(before, order)
        snapshot = str(snapshot_of(before, order))
        order = replace(order, resumed_from=str(before), snapshot=snapshot)
    try:
        answered(launch.as_json, lambda: run(order, launch))
    except Stopped:
        click.echo(slurm.go_on(folder))
        raise
