"""Begins a study: what a user asks for, made into one that is known to hold."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from manyscale.bridges.sampler import designs
from manyscale.contract.refusal import Refused, nearest
from manyscale.coupling.load import spec_files
from manyscale.studies import interest, varying
from manyscale.studies.study import DESIGNS, Levels, Sizes, Study


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    vary: Sequence[str]
    method: str = "sobol"
    qoi: Sequence[str] = ()
    level: Sequence[str] = ()
    sizes: Sizes = field(default_factory=Sizes)
    seed: int = 1
    eps: float = 0.01
    growth: float = 2.0


def study_of(spec: Sequence[Path], machine: str, given: Mapping[str, Any], asked: Asked) -> Study:
    """Return the study of a spec.

    Raises `Refused` for a spec, a distribution, a design or a quantity of interest that does not
    hold, in one sentence.
    """
    if asked.method not in DESIGNS:
        raise Refused(f"There is no method {asked.method!r}.{nearest(asked.method, DESIGNS)}")
    files = [file.resolve() for file in spec_files(spec, machine)]
    bare = Study(
        files=tuple(map(str, files)),
        machine=machine,
        given=dict(given),
        method=asked.method,
        parameters=(),
        interests=(),
        sizes=asked.sizes,
        seed=asked.seed,
    )
    coupling = bare.coupling
    drawn = varying.parameters(coupling.graph, asked.vary)
    varying.refuse_taken(drawn, dict(given))
    levels = Levels(_levels(coupling.graph, asked), asked.eps, asked.growth)
    _refuse_both([one.name for one in drawn], levels)
    _refuse_no_design(asked, drawn, levels)
    study = replace(
        bare,
        parameters=tuple(drawn),
        interests=tuple(interest.interests(coupling.graph, asked.qoi)),
        levels=levels,
        hashes={str(file): coupling.hashes[str(file)] for file in files},
    )
    varying.refuse_out_of_bounds(coupling.graph, drawn, study.plan({}))
    return study


def _refuse_no_design(asked: Asked, drawn: Sequence[Any], levels: Levels) -> None:
    if not drawn and asked.method not in ("mc", "nested", "mlmc"):
        raise Refused("Nothing is varied; give --vary NAME=KIND(NUMBERS) at least once.")
    try:
        designs.refuse_unfit(asked.method, drawn, **asdict(asked.sizes))
    except ValueError as exc:
        raise Refused(str(exc).replace("distributions:", "--vary:")) from None
    if (asked.method == "mlmc") != bool(levels.settings):
        raise Refused(
            "The method mlmc needs --level NAME=VALUE,VALUE,..., from coarse to fine, and no other"
            " method has levels."
        )
    if asked.method == "mlmc" and len(levels.settings) < 2:
        raise Refused("A multilevel study needs at least two levels; give --level more values.")


def _refuse_both(names: Sequence[str], levels: Levels) -> None:
    for name in levels.settings[0] if levels.settings else ():
        if name in names:
            raise Refused(f"{name} stands in --level and in --vary; it cannot be both.")


def _levels(graph: Any, asked: Asked) -> tuple[dict[str, Any], ...]:
    """Return the settings of each level, from `NAME=VALUE,VALUE,...` options side by side."""
    columns = dict(_column(graph, text) for text in asked.level)
    counts = {len(values) for values in columns.values()}
    if len(counts) > 1:
        raise Refused(
            f"--level: {', '.join(f'{n} has {len(v)} values' for n, v in columns.items())}; give"
            " each as many."
        )
    return tuple(
        dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
    )


def _column(graph: Any, text: str) -> tuple[str, list[Any]]:
    name, equals, values = text.partition("=")
    if not equals:
        raise Refused(f"--level {text}: expected NAME=VALUE,VALUE,..., as in bulk.nz=64,128,256.")
    setting = varying.setting_of(graph, name.strip())
    try:
        numbers = [setting.type(word) for word in values.split(",")]
        for number in numbers:
            setting.refuse_unfit(number, name)
    except (ValueError, TypeError):
        raise Refused(f"--level {text}: expected {setting.ymmsl_type} values.") from None
    return name.strip(), numbers


def folder_of(name: str, wanted: Path | None) -> Path:
    """Make and return the folder of a new study; refuse one that exists."""
    if wanted is not None:
        return _made(wanted.resolve())
    stamp = datetime.now().strftime("%Y%m%d_%H%M%S")
    for k in itertools.count(1):
        path = Path.cwd() / f"uq_{name}_{stamp}{f'_{k}' if k > 1 else ''}"
        if not path.exists():
            return _made(path)
    raise AssertionError


def _made(path: Path) -> Path:
    try:
        path.mkdir()
    except FileExistsError:
        raise Refused(
            f"The folder {path} exists; studies are not overwritten. Name another, or go on with"
            f" --resume {path}."
        ) from None
    except OSError as exc:
        raise Refused(f"The folder {path} cannot be made: {exc.strerror}.") from None
    return path
