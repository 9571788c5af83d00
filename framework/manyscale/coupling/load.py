"""Reads a coupling spec: its yMMSL files, merged, resolved and flattened as MUSCLE3 does it.

A spec is a folder (`model.ymmsl`, `settings.ymmsl`, and one file per machine such as
`laptop.ymmsl`) or a list of files; later files overlay settings, resources and programs.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import ymmsl
from ymmsl.v0_2 import Configuration, Model, Reference, Timeline
from ymmsl.v0_2.resolver import ymmsl_cache

from manyscale.contract.model import ScaleModel
from manyscale.contract.refusal import Refused, nearest
from manyscale.contract.sidecar import contract_in
from manyscale.coupling.addressed import named
from manyscale.coupling.graph import Ending, Graph, Link, Node
from manyscale.coupling.modules import FARMS, OURS, parsed
from manyscale.coupling.reading import read
from manyscale.coupling.settings import as_floats, in_unit, whole_paths, with_unit
from manyscale.coupling.source import COMMAND_LINE, Source, Sources
from manyscale.coupling.spec import Lost as Lost
from manyscale.coupling.spec import Spec as Spec
from manyscale.registry import registry
from manyscale.registry.catalog import HOST, configuration

OVERLAY = "resolved"
PARTS = ("model.ymmsl", "settings.ymmsl")


@dataclass(frozen=True)
class Coupling:
    """A proven coupling, flat, as hosts and launchers use it."""

    files: tuple[Path, ...]
    graph: Graph
    sources: Sources
    given: Mapping[str, Any]
    """Settings by full name that were given on the command line."""
    changed: Mapping[str, Any]
    """Settings by full name that differ from the files: given on the command line, converted
    from another unit, or whole numbers that are meant as floats."""

    @property
    def name(self) -> str:
        """The model's name."""
        return self.graph.name

    @property
    def settings(self) -> dict[str, Any]:
        """Settings by full name."""
        return self.graph.settings

    @property
    def contracts(self) -> dict[str, type[ScaleModel] | None]:
        """Contracts by component path; None for a program no host of this framework runs."""
        return {n.name: n.contract if n.hosted else None for n in self.graph.nodes.values()}

    @cached_property
    def models(self) -> dict[str, ScaleModel]:
        """Every hosted instance's model with its settings, as far as they fit."""
        graph = self.graph
        found = {name: graph.model(name) for name, node in graph.instances.items() if node.hosted}
        return {name: model for name, model in found.items() if model is not None}

    def resolved(self, folder: Path) -> list[Path]:
        """Return the files to launch: those of the spec, or copies in `folder` if settings differ.

        In a copy only the values of those settings are others; what the command line gave is laid
        over in a file of its own.
        """
        files = []
        for source in self.sources.own():
            mine = {k: v for k, v in self.changed.items() if self._differs(source, k)}
            if source.file == COMMAND_LINE:
                files.append(folder / f"{OVERLAY}.ymmsl")
            elif mine:
                files.append(folder / f"{OVERLAY}_{len(files)}_{source.file.name}")
            else:
                files.append(source.file)
                continue
            files[-1].write_text(source.with_settings(mine), encoding="utf-8")
        return files

    def _differs(self, source: Source, key: str) -> bool:
        """Whether a file must say another value of a setting to be launched."""
        holders = [s for s in self.sources.holders(("settings", key)) if not s.module]
        if source not in holders:
            return False
        return source is holders[-1] or with_unit(str(source.data(("settings", key)))) is not None

    @property
    def inputs(self) -> dict[str, str]:
        """SHA-256 of every file that settings name as input."""
        named = {
            path
            for model in self.models.values()
            for setting in model.settings().values()
            if setting.files
            for path in str(getattr(model, setting.name)).split(";")
        }
        return {path: _sha256(Path(path)) for path in sorted(named) if Path(path).is_file()}

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of every file of the spec."""
        return {str(f): _sha256(f) for f in self.files}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def spec_files(spec: Sequence[Path], machine: str = "laptop") -> tuple[Path, ...]:
    """Return the files of a spec given as a folder or as files, or refuse it."""
    files: list[Path] = []
    for path in spec:
        if path.is_dir():
            files += _of_folder(path, machine)
        elif path.is_file():
            files.append(path)
        else:
            beside = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
            known = [p.name for p in beside if p.suffix == ".ymmsl" or (p / PARTS[0]).is_file()]
            raise Refused(f"There is no spec at {path}.{nearest(path.name, known)}")
    if not files:
        raise Refused("A spec has at least one yMMSL file.")
    return tuple(files)


def _of_folder(folder: Path, machine: str) -> list[Path]:
    first = folder / PARTS[0]
    if not first.is_file():
        known = [str(p.parent) for p in folder.glob("*/model.ymmsl")]
        raise Refused(f"{folder} has no model.ymmsl.{nearest(str(folder), known)}")
    overlay = folder / f"{machine}.ymmsl"
    machines = sorted({p.stem for p in folder.glob("*.ymmsl")} - {"model", "settings"})
    if machine != "laptop" and not overlay.is_file():
        raise Refused(f"{folder} has no {overlay.name}.{nearest(machine, machines)}")
    return [p for p in (first, folder / PARTS[1], overlay) if p.is_file()]


def with_imports(sources: list[Source]) -> Sources:
    """Return the sources with the files they import from YMMSL_PATH, as ymmsl finds them."""
    found = list(sources)
    names = {point.name for point in entry_points(group="ymmsl.module")}
    for source in found:  # grows on the way
        lines = source.data(("imports",))
        for line in lines if isinstance(lines, list) else []:
            words = str(line).split()
            if len(words) < 2 or words[1] in names | {s.module for s in found}:
                continue
            for folder in filter(None, os.environ.get("YMMSL_PATH", "").split(":")):
                path = Path(folder, *words[1].split(".")).with_suffix(".ymmsl")
                if path.is_file():
                    found.append(read(path, words[1]))
                    break
    return Sources(found)


def prime_imports(sources: Sources) -> None:
    """Give ymmsl the modules of registered models ready made; reading them takes a while.

    Of farms, which can be made for every model, only those that are imported.
    """
    if Path(f"{OURS}.ymmsl") not in ymmsl_cache:
        _prime(OURS, configuration())
    imports = [one for source in sources.files for one in parsed(source) if one.module == FARMS]
    made = {one.name: registry.load().made(one.name) for one in imports}
    _prime(FARMS, configuration({name: one for name, one in made.items() if one is not None}))


def _prime(module: str, config: Configuration) -> None:
    path = Path(*module.split(".")).with_suffix(".ymmsl")
    for program in config.programs.values():
        program.name = Reference(module) + program.name
    config.programs = {p.name: p for p in config.programs.values()}
    ymmsl_cache[path] = config, path


def merged(sources: Sources) -> Configuration:
    """Return the configuration of the spec's own files, later ones laid over."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on files of yMMSL v0.1, of which a check tells
        configs = [
            ymmsl.load_as(Configuration, source.dumped() if source.changed else source.text)
            for source in sources.own()
        ]
    for config in configs[1:]:
        configs[0].update(config)
    return configs[0]


def contracts(
    config: Configuration, files: Sequence[Path], trusted: bool
) -> tuple[dict[str, type[ScaleModel] | None], frozenset[str]]:
    """Return the contracts of all programs by name, and which of them a host runs.

    A model that is not registered is imported only if the spec is `trusted`.
    """
    found: dict[str, type[ScaleModel] | None] = {}
    hosted = set()
    for name, program in config.programs.items():
        words = " ".join(program.args or []).split()
        if HOST in words[:-1]:
            reference = words[words.index(HOST) + 1]
            hosted.add(str(name))
            known = registry.load().known(reference)
            found[str(name)] = _imported(reference) if known is None and trusted else known
        else:
            path = sidecar(str(name), files)
            found[str(name)] = None if path is None else read_sidecar(path)
    return found, frozenset(hosted)


def _imported(reference: str) -> type[ScaleModel] | None:
    try:
        return registry.by_reference(reference)
    except Refused:
        return None  # a check says so


def sidecar(program: str, files: Sequence[Path]) -> Path | None:
    """Return the contract file `PROGRAM.contract.json` beside a spec's files, if there is one."""
    name = f"{program.rpartition('.')[2]}.contract.json"
    return next((p for f in files if (p := f.parent / name).is_file()), None)


def read_sidecar(path: Path) -> type[ScaleModel] | None:
    """Return the contract of a sidecar file, None if it is none; a check says why."""
    try:
        return contract_in(path.read_text(encoding="utf-8"))
    except (Refused, ValueError, OSError):
        return None


def graph_of(spec: Spec, files: Sequence[Path]) -> Graph:
    """Return the flat graph of a consistent spec."""
    config = spec.config
    root = config.root_model(None)
    origins = dict(_origins(config, root, Reference([])))
    flat = _flat(config, root)
    nodes = {}
    for path, component in flat.components.items():
        model = origins[str(path)]
        program = str(component.implementation)
        nodes[str(path)] = Node(
            name=str(path),
            at=(*spec.at(model), "components", str(path[-1])),
            program=program,
            ports={
                str(name): Ending(str(name), port.operator.name.lower(), _text(port.timeline))
                for name, port in component.ports.items()
            },
            sizes=tuple(component.multiplicity),
            contract=spec.contracts.get(program),
            hosted=program in spec.hosted,
            model=str(model.name),
        )
    places = {str(m.name): {str(c.receiver): at for c, at in spec.conduits(m)}
              for m in config.models.values()}  # fmt: skip
    links = [
        Link(
            nodes[str(c.sending_component())],
            str(c.sending_port()),
            nodes[str(c.receiving_component())],
            str(c.receiving_port()),
            tuple(f.value for f in c.filters),
            places[nodes[str(c.receiving_component())].model].get(
                f"{c.receiving_component()[-1]}.{c.receiving_port()}",
                nodes[str(c.receiving_component())].at,
            ),
        )
        for c in flat.conduits
    ]
    return Graph(
        name=str(root.name).rpartition(".")[2],
        nodes=nodes,
        links=links,
        settings={str(name): value for name, value in config.settings.items()},
        programs={str(name): program for name, program in config.programs.items()},
        resources={str(name).partition(".")[2]: r for name, r in config.resources.items()},
        checkpoints=config.checkpoints,
        files=tuple(files),
        unsure=spec.unsure,
        left_out=named(spec.sources) - {part for name in nodes for part in name.split(".")},
    )


def _text(timeline: Timeline | None) -> str:
    return "" if timeline is None else str(timeline)


def _origins(config: Configuration, model: Model, path: Reference) -> Any:
    """Yield the model each flat component stands in."""
    for component in model.components.values():
        inner = path + component.name
        nested = component.implementation
        if nested is not None and nested in config.models:
            yield from _origins(config, config.models[nested], inner)
        else:
            yield str(inner), model


def _flat(config: Configuration, root: Model) -> Model:
    """Return the model with nested ones put in place, as MUSCLE3 runs it."""
    implementations = {c.implementation for c in root.components.values()}
    if None not in implementations and not implementations & config.models.keys():
        return root
    from libmuscle.manager.hammer import flatten  # 0.1 s to import: only where it is needed

    (model,) = flatten(config, None).models.values()
    return model


def settle(graph: Graph, sources: Sources) -> dict[str, Any]:
    """Convert settings with a unit, whole numbers meant as floats and paths; return what changed.

    A path counts from the folder of the file it stands in, one on the command line from here.
    """
    changed = {}
    for key, value in graph.settings.items():
        wanted = [s for _, s in graph.concerned(key) if s is not None]
        files = bool(wanted) and isinstance(value, str) and all(s.files for s in wanted)
        if not files and not (wanted and all("float" in s.ymmsl_type for s in wanted)):
            continue
        new = value
        if files:
            holders = [s for s in sources.holders(("settings", key)) if not s.module]
            new = whole_paths(value, holders[-1].file.parent if holders else Path())
        elif isinstance(value, str) and with_unit(value):
            new = _converted(value, [s.unit for s in wanted])
        elif not isinstance(value, (str, float, bool)):
            new = as_floats(value)
        if repr(new) != repr(value):
            changed[key] = new
    graph.settings.update(changed)
    return changed


def _converted(text: str, units: Sequence[str]) -> Any:
    try:
        numbers = {in_unit(text, unit) for unit in units}
    except Refused:
        return text  # a check says why
    return numbers.pop() if len(numbers) == 1 else text
