"""`manyscale uq SPEC --vary NAME=DISTRIBUTION`: what uncertain settings do to a coupling."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from manyscale.cli import terminal
from manyscale.cli.spec_options import settings_of
from manyscale.contract.refusal import Refused

DESIGNS = ("mc", "lhs", "sobol", "pce", "saltelli", "nested", "mlmc")


@click.command("uq")
@click.argument("spec", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--vary",
    multiple=True,
    metavar="NAME=KIND(NUMBERS) [UNIT] [LABEL]",
    help="A setting and its distribution: uniform(low, high), normal(mean, sd), lognormal(mean and"
    " sd of the logarithm), discrete(1:0.2, 2:0.8); aleatory or epistemic for nested studies.",
)
@click.option("--method", type=click.Choice(DESIGNS), default="sobol", show_default=True)
@click.option(
    "-n",
    "n",
    type=click.IntRange(2),
    default=1024,
    show_default=True,
    help="Samples; rows of p + 2 runs (saltelli); pilot pairs of a level (mlmc).",
)
@click.option(
    "--outer",
    type=click.IntRange(2),
    default=500,
    show_default=True,
    help="Epistemic samples (nested).",
)
@click.option(
    "--inner",
    type=click.IntRange(2),
    default=2,
    show_default=True,
    help="Aleatory samples of each (nested).",
)
@click.option(
    "--order",
    type=click.IntRange(1, 20),
    default=8,
    show_default=True,
    help="Order of the polynomials (pce).",
)
@click.option(
    "--level",
    multiple=True,
    metavar="NAME=VALUE,VALUE,...",
    help="A setting on each level, from coarse to fine (mlmc).",
)
@click.option(
    "--eps",
    type=click.FloatRange(0, min_open=True),
    default=0.01,
    show_default=True,
    help="Root mean square error of the means (mlmc).",
)
@click.option(
    "--cost-growth",
    type=click.FloatRange(1, min_open=True),
    default=2.0,
    show_default=True,
    help="Cost of a level over the one below (mlmc).",
)
@click.option(
    "--qoi",
    multiple=True,
    metavar="[NAME=]COMPONENT.PORT:EXPRESSION",
    help="What is looked at; without it every single number that the spec records.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Of the design and of all runs.",
)
@click.option("--set", "overrides", multiple=True, metavar="COMPONENT.SETTING=VALUE")
@click.option("--machine", default="laptop", show_default=True, help="Overlay file of the spec.")
@click.option("--workers", type=click.IntRange(1), help="Runs at a time; as many as cores.")
@click.option(
    "--host",
    type=click.Choice(["farm", "muscle"]),
    default="farm",
    show_default=True,
    help="Whole runs in worker processes, or MUSCLE3 ensembles of as many copies.",
)
@click.option("--study-dir", type=click.Path(path_type=Path), help="A new folder for the study.")
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with the study there.")
@click.option("--retry-failed", is_flag=True, help="Run what failed again.")
@click.option("--drop-failed", is_flag=True, help="Tell what the others say if some fail.")
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0.0, min_open=True),
    help="Seconds of wall time a run (farm) or an ensemble (muscle) may take.",
)
def command(
    spec: tuple[Path, ...],
    resume: Path | None,
    study_dir: Path | None,
    workers: int | None,
    host: str,
    retry_failed: bool,
    drop_failed: bool,
    time_limit: float | None,
    **asked: Any,
) -> None:
    """Run SPEC many times with settings drawn at random, and tell what that does.

    Writes samples and statistics (study.nc), a table and a figure. A study that was ended, however
    it was, goes on with --resume FOLDER: nothing that was finished is run again.
    """
    from manyscale.hosting.transport import layers
    from manyscale.studies import study as studies
    from manyscale.studies.begin import folder_of
    from manyscale.studies.carry_out import carry_out
    from manyscale.studies.dataset import dataset, save
    from manyscale.studies.report import write

    console = terminal.console()
    layers.asked()  # a wrong word would let every sample fail
    if resume is not None:
        if spec or asked["vary"] or study_dir:
            raise Refused("--resume goes on with a study as it was begun; leave SPEC, --vary and"
                          " --study-dir out.")  # fmt: skip
        folder = resume.resolve()
        study = studies.read(folder)
        study.refuse_changed()
    else:
        study = _study(spec, asked)
        folder = folder_of(study.coupling.name, study_dir)
        study.write(folder)
    carrier = _host(host, study, folder, workers or len(os.sched_getaffinity(0)), time_limit)
    count = len(study.plan({}).member)
    what = f"{study.method} study of {study.coupling.name}, {count} runs in {folder}"
    console.print(Text(what), soft_wrap=True)
    with _Watch(console, count) as watch:
        done = carry_out(study, folder, carrier, watch.look, retry=retry_failed)
    if done.before:
        console.print(f"{done.before} runs were there already.")
    if done.failures and not drop_failed:
        raise Refused(_failed(done.failures, len(done.table.member), folder))
    found = dataset(study, done, shlex.split(shlex.join(["manyscale", *sys.argv[1:]])))
    path = save(found, folder)
    figure = write(found, folder, console)
    for label, file in (("figure", figure), ("dataset", path), ("study", folder)):
        console.print(Text(f"{label:8}{file}"), soft_wrap=True)


def _study(spec: tuple[Path, ...], asked: dict[str, Any]) -> Any:
    from manyscale.studies.begin import Asked, study_of
    from manyscale.studies.study import Sizes

    if not spec:
        raise Refused("Name a spec, a folder or yMMSL files, or a study to --resume.")
    sizes = Sizes(asked["n"], asked["outer"], asked["inner"], asked["order"])
    wanted = Asked(
        asked["vary"],
        asked["method"],
        asked["qoi"],
        asked["level"],
        sizes,
        asked["seed"],
        asked["eps"],
        asked["cost_growth"],
    )
    return study_of(spec, asked["machine"], settings_of(asked["overrides"]), wanted)


def _host(name: str, study: Any, folder: Path, workers: int, limit: float | None) -> Any:
    if name == "muscle":
        from manyscale.studies.ensemble import Ensembles

        return Ensembles(study, folder, workers, limit)
    from manyscale.studies.hosts import Farm

    return Farm(study, folder, workers, limit)


def _failed(failures: dict[int, str], count: int, folder: Path) -> str:
    first, why = next(iter(failures.items()))
    some = ", ".join(map(str, [*failures][:8])) + (", ..." if len(failures) > 8 else "")
    return (
        f"{len(failures)} of {count} runs failed: {some}; number {first}: {why.rstrip('.')}. See"
        f" what the others say with --resume {folder} --drop-failed, or run them again with"
        " --retry-failed."
    )


class _Watch:
    """Shows how many runs are done."""

    def __init__(self, console: Any, count: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.completed:.0f} of {task.total:.0f} runs{task.fields[failed]}"),
            BarColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("runs", total=count, failed="")

    def __enter__(self) -> _Watch:
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def look(self, done: int, wanted: int, failed: int) -> None:
        """Show the count."""
        said = f", {failed} failed" if failed else ""
        self._progress.update(self._task, completed=done, total=wanted, failed=said)
