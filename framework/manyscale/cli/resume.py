"""`manyscale resume RUN`: go on from the newest whole snapshot of a run, in a new directory."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from manyscale.cli.launch_options import LaunchOptions, launch_options
from manyscale.contract.refusal import Refused


@click.command("resume")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="COMPONENT.SETTING=VALUE",
    help="Go on with another value, such as a later end.",
)
@launch_options
def command(run: Path, overrides: tuple[str, ...], **options: Any) -> None:
    """Go on with RUN, a run directory, from its newest whole snapshot."""
    from manyscale.cli.running import Order, answered
    from manyscale.cli.running import run as run_order

    context = click.get_current_context()
    given = {
        name: value
        for name, value in options.items()
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }

    def resumed() -> dict[str, Any]:
        before = order_of(run)
        _refuse_unresumable(run, before, overrides)
        launch = LaunchOptions.of({**options, **before.options, **given})
        order = Order(
            tuple(before.spec),
            (*before.overrides, *overrides),
            before.machine,
            before.no_check,
            resumed_from=str(run.resolve()),
            snapshot=str(snapshot_of(run, before)),
        )
        return run_order(order, launch)

    answered(options["as_json"], resumed)


def order_of(run: Path) -> Any:
    """Return what was ordered of a run; refuse a folder that is no run of ours."""
    from manyscale.cli.running import ORDER, Order
    from manyscale.launching import runs

    runs.read(run)
    try:
        return Order.of(json.loads((run / ORDER).read_text()))
    except (OSError, ValueError, TypeError) as exc:
        raise Refused(f"{run / ORDER} cannot be read: {exc}.") from None


def snapshot_of(run: Path, order: Any) -> Path:
    """Return the newest whole set of a run, or what it began from if it made none itself."""
    from manyscale.launching import runs, snapshots

    done = runs.read(run).stands == runs.DONE
    try:
        return snapshots.newest(run.resolve(), further=done)
    except Refused:
        earlier = Path(order.snapshot)
        if done or snapshots.sets(run) or not (order.snapshot and snapshots.is_whole(earlier)):
            raise
        return earlier


def _refuse_unresumable(run: Path, order: Any, overrides: tuple[str, ...]) -> None:
    """Refuse a run that goes on or is done, and one whose spec is another now."""
    from manyscale.launching import runs

    told = runs.read(run)
    if told.stands == runs.RUNNING:
        raise Refused(f"{run} still runs, supervised by process {told.pid} on {told.host}.")
    if told.stands == runs.DONE and not overrides:
        raise Refused(
            f"{run} is done; to go on, say how far with --set, as in --set macro.t_end=2.0."
        )
    refuse_changed(run, order)


def refuse_changed(run: Path, order: Any) -> None:
    """Refuse to go on with a run whose spec is another now."""
    for name, digest in order.hashes.items():
        path = Path(name)
        if not path.is_file():
            raise Refused(f"{run} cannot be resumed: its spec {path} is gone.")
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise Refused(
                f"{run} cannot be resumed: {path} was changed since it was launched. Put it back,"
                " give other settings with --set, or lay a snapshot over the new files yourself:"
                f" manyscale run SPEC {run}/snapshots/snapshot_....ymmsl."
            )
