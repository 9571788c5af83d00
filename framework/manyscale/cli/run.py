"""`manyscale run SPEC`: run a coupling, watch it, and end with its table, figure and folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from manyscale.cli.launch_options import LaunchOptions, launch_options
from manyscale.cli.spec_options import spec_options


@click.command("run")
@spec_options
@launch_options
@click.option("--no-check", is_flag=True, help="Launch whatever the checks say.")
def command(
    spec: tuple[Path, ...],
    overrides: tuple[str, ...],
    machine: str,
    no_check: bool,
    **options: Any,
) -> None:
    """Check SPEC, a folder with model.ymmsl or a list of yMMSL files, and run it under MUSCLE3."""
    from manyscale.cli.running import Order, answered, run

    launch = LaunchOptions.of(options)
    order = Order(tuple(map(str, spec)), overrides, machine, no_check)
    answered(launch.as_json, lambda: run(order, launch))
