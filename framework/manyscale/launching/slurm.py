"""Jobs of Slurm: how many nodes a coupling wants, its script, and chains of jobs."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from manyscale.contract.refusal import Refused
from manyscale.launching import snapshots
from manyscale.launching.site import ProgramSite, Site

SCRIPT, JOB, NUMBERS = "job.sh", "job.json", "jobs.txt"
_TIME = re.compile(r"(?:\d+-)?\d+(?::\d+){0,2}")
_LIMIT = 60.0  # s that sbatch may take


@dataclass(frozen=True)
class Shape:
    """How large a job is."""

    nodes: int
    tasks_per_node: int


@dataclass(frozen=True)
class Job:
    """A row of jobs in one folder, each going on where the one before stopped."""

    order: dict[str, Any]
    options: dict[str, Any]
    left: int
    """Further jobs that may follow by themselves."""


def planned(files: Sequence[Path], cores: int) -> int:
    """Return how many nodes of so many cores MUSCLE3's planner wants for a coupling.

    Raises `Refused` if a component does not fit on such nodes.
    """
    from libmuscle.manager.hammer import flatten
    from libmuscle.planner.planner import InsufficientResourcesAvailable, Planner
    from libmuscle.planner.resources import Core, CoreSet, OnNodeResources, Resources
    from muscle3.muscle_manager import load_configuration
    from ymmsl.v0_2 import Reference, resolve, resolve_timelines

    config = load_configuration([str(path) for path in files])
    resolve(Reference([]), config)
    for model in config.models.values():
        resolve_timelines(model)
    node = OnNodeResources("node000000", CoreSet(Core(i, {i}) for i in range(cores)))
    planner = Planner(Resources([node]))
    try:
        found = planner.allocate_all(flatten(config, None), virtual=True)
    except InsufficientResourcesAvailable as exc:
        raise Refused(f"{exc} Take nodes with more cores, or ask for fewer.") from None
    names = {name for given in found.values() for name in given.as_resources().nodes()}
    return len(names)


def script(name: str, shape: Shape, folder: Path, site: Site, launch: Sequence[str]) -> str:
    """Return the job script that runs the command `launch`.

    Raises `Refused` for a time limit that Slurm would not understand.
    """
    if site.time and not _TIME.fullmatch(site.time):
        raise Refused(f"--time {site.time}: expected minutes, hh:mm:ss or days-hh:mm:ss.")
    wanted = [
        f"--job-name={name}",
        f"--nodes={shape.nodes}",
        f"--ntasks-per-node={shape.tasks_per_node}",
        f"--time={site.time}" if site.time else "",
        f"--partition={site.partition}" if site.partition else "",
        f"--account={site.account}" if site.account else "",
        f"--output={shlex.quote(str(folder))}/job_%j.out",
        f"--signal=B:USR1@{site.signal_before}",
        "--no-requeue",
        *site.directives,
    ]
    lines = ["#!/bin/bash", *(f"#SBATCH {word}" for word in wanted if word), ""]
    lines += [f"module load {name}" for name in site.modules]
    lines += [f". {shlex.quote(site.virtual_env)}/bin/activate"] if site.virtual_env else []
    lines += site.commands
    lines += ["# the supervisor takes the place of the shell, so that Slurm's signals reach it"]
    lines += [f"exec {shlex.join(launch)}", ""]
    return "\n".join(lines)


def submit(folder: Path) -> str:
    """Submit the job script in a folder; return the job's number, which is noted there.

    Raises `Refused` with Slurm's own words if it does not take it.
    """
    path = folder / SCRIPT
    if shutil.which("sbatch") is None:
        raise Refused(f"There is no sbatch on PATH; {path} is ready to be submitted elsewhere.")
    done = subprocess.run(
        ["sbatch", "--parsable", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT,
        cwd=folder,
    )
    if done.returncode:
        said = " ".join(done.stderr.split()) or "it said nothing"
        raise Refused(f"Slurm did not take {path}: {said}")
    number = done.stdout.strip().partition(";")[0]
    with (folder / NUMBERS).open("a") as file:
        file.write(f"{number}\n")
    return number


def runs_in(folder: Path) -> list[Path]:
    """Return the runs of the jobs in a folder, in their order."""
    numbers = ((path, path.name.removeprefix("run_")) for path in folder.glob("run_[0-9]*"))
    found = {int(number): path for path, number in numbers if number.isdecimal()}
    return [found[number] for number in sorted(found)]


def program() -> list[str]:
    """Return the command `manyscale` as a job calls it, whatever is on its PATH."""
    return [sys.executable, "-m", "manyscale.cli"]


def keep(job: Job, folder: Path) -> None:
    """Write where a chain of jobs stands; before a job is submitted, for it reads this."""
    new = folder / f"{JOB}.new"
    new.write_text(json.dumps(asdict(job), indent=2))
    new.replace(folder / JOB)


def job_in(folder: Path) -> Job:
    """Return where the chain of jobs in a folder stands; refuse a folder that has none."""
    try:
        return Job(**json.loads((folder / JOB).read_text()))
    except (OSError, ValueError, TypeError) as exc:
        raise Refused(f"{folder / JOB} cannot be read: {exc}.") from None


def go_on(folder: Path) -> str:
    """Submit the next job of a chain after the last one stopped; return a sentence about it.

    Only while jobs are left, and only if the last one brought a newer snapshot than before.
    """
    job = job_in(folder)
    if job.left < 1:
        return "The chain has no further job; `manyscale resume` goes on by hand."
    moments = [snapshots.moment(snapshots.newest(run)) for run in runs_in(folder)[-2:]]
    if len(moments) > 1 and moments[1] <= moments[0]:
        return "The last job brought no newer snapshot, so there is no further one."
    keep(replace(job, left=job.left - 1), folder)
    return f"Job {submit(folder)} goes on from t = {moments[-1]:g} s."


def site_programs(
    components: Mapping[str, Any], site: Site, folder: Path, model: str
) -> list[Path]:
    """Return the overlay file that starts components as the site wants them, if any.

    `components` are yMMSL programs by component. Raises `Refused` for a component that the
    coupling does not have.
    """
    refuse_unknown(components, site)
    if not site.programs:
        return []
    import ymmsl
    from ymmsl.v0_2 import Configuration, Reference

    programs: dict[Reference, Any] = {}
    custom: dict[Reference, Reference | None] = {}
    for component, wanted in site.programs.items():
        program = at_site(components[component], wanted, component)
        programs[program.name] = program
        # its own object: YAML would write an alias, which ymmsl does not read
        custom[Reference(f"{model}.{component}")] = Reference(str(program.name))
    path = folder / "site.ymmsl"
    ymmsl.save(Configuration("", programs=programs, custom_implementations=custom), path)
    return [path]


def refuse_unknown(components: Mapping[str, Any], site: Site) -> None:
    """Refuse a profile that names a component which the coupling does not have."""
    for component in site.programs:
        if component not in components:
            known = ", ".join(sorted(components))
            raise Refused(f"The site profile names {component}; the coupling has {known}.")


def at_site(program: Any, wanted: ProgramSite, component: str) -> Any:
    """Return a copy of a yMMSL program as a site starts it; refuse one that is a script."""
    from copy import deepcopy

    from ymmsl.v0_2 import Reference

    if program.script:
        raise Refused(
            f"The site profile names {component}, whose program is a script; say in the script"
            " how it starts."
        )
    found = deepcopy(program)
    found.name = Reference(f"{component.replace('.', '_')}_at_site")
    if wanted.modules:
        found.modules = list(wanted.modules)
    if wanted.virtual_env:
        found.virtual_env = Path(wanted.virtual_env)
    if wanted.image:
        runs_python = Path(str(program.executable)).name.startswith("python")
        inner = wanted.python if runs_python else str(program.executable)
        found.executable = Path("apptainer")
        found.args = ["exec", *wanted.apptainer, wanted.image, inner, *(program.args or [])]
    return found
