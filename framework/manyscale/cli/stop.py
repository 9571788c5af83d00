"""`manyscale stop RUN`: end a run at a snapshot, from which it can be resumed."""

from __future__ import annotations

import time
from pathlib import Path

import click

from manyscale.cli.launch_options import Seconds
from manyscale.contract.refusal import Refused


@click.command("stop")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--now", is_flag=True, help="End it at once, without a snapshot.")
@click.option("--no-wait", is_flag=True, help="Ask, and do not wait until it has ended.")
@click.option("--time-limit", type=Seconds(), default=1200.0, help="How long to wait.")
def command(run: Path, now: bool, no_wait: bool, time_limit: float) -> None:
    """Stop RUN at a snapshot, wherever it is supervised."""
    from manyscale.launching import runs, stopping
    from manyscale.launching.outcome import Failed, Stopped

    told = runs.read(run)
    if told.stands == runs.LOST:
        raise Refused(f"{run}: its supervisor is gone; `manyscale clean` ends what it left.")
    if told.stands != runs.RUNNING:
        raise Refused(f"{run} does not run any more: it is {told.stands}.")
    stopping.ask(run, now=now)
    if no_wait:
        click.echo(f"{run} was asked to stop.")
        return
    deadline = time.monotonic() + time_limit
    while (told := runs.read(run)).stands == runs.RUNNING:
        if time.monotonic() > deadline:
            raise Refused(f"{run} was asked to stop, but still runs after {time_limit:g} s.")
        time.sleep(0.2)
    if told.stands == runs.LOST:
        raise Refused(
            f"{run}: its supervisor was killed meanwhile; `manyscale clean` ends what it left."
        )
    said = f"{run} is {told.stands}: {told.sentence or 'it came to its end before.'}"
    if told.exit_code not in (0, Stopped.exit_code) and not now:
        raise Failed(said)
    click.echo(said)
