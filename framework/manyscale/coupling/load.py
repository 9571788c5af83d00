"""Reads a coupling spec: its yMMSL files, merged and resolved by ymmsl, with contracts.

A spec is a folder (`model.ymmsl`, `settings.ymmsl`, and one file per machine such as
`laptop.ymmsl`) or a list of files; later files overlay settings, resources and programs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
import ymmsl
from ymmsl.v0_2 import (
    Component,
    Configuration,
    Model,
    Reference,
    resolve,
    resolve_timelines,
)

from manyscale.contract.model import ScaleModel
from manyscale.contract.refusal import Refused, nearest
from manyscale.registry import registry
from manyscale.registry.catalog import HOST

PARTS = ("model.ymmsl", "settings.ymmsl")
_UNKNOWN = re.compile(r"from manyscale in .*Implementation (\w+) not found")


@dataclass(frozen=True)
class Coupling:
    """A resolved coupling: one flat model, its settings, and the contracts of its components."""

    files: tuple[Path, ...]
    config: Configuration
    model: Model
    contracts: Mapping[str, type[ScaleModel] | None]
    """By component path; None for a program of another make."""

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.model.name).rpartition(".")[2]

    @property
    def components(self) -> dict[str, Component]:
        """Components by path."""
        return {str(name): component for name, component in self.model.components.items()}

    @property
    def settings(self) -> dict[str, Any]:
        """Settings by full name."""
        return {str(name): value for name, value in self.config.settings.items()}

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of every file of the spec."""
        return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in self.files}

    def contract(self, component: str) -> type[ScaleModel]:
        """Return a component's model class, or refuse a component of another make."""
        found = self.contracts[component]
        if found is None:
            program = self.model.components[Reference(component)].implementation
            raise Refused(
                f"Component {component} runs the program {program}, which is no scale model of"
                " this framework; start the coupling with muscle_manager."
            )
        return found


def spec_files(spec: Sequence[Path], machine: str = "laptop") -> tuple[Path, ...]:
    """Return the files of a spec given as a folder or as files, or refuse it."""
    files: list[Path] = []
    for path in spec:
        if path.is_dir():
            files += _of_folder(path, machine)
        elif path.is_file():
            files.append(path)
        else:
            known = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
            raise Refused(f"There is no spec at {path}.{nearest(path.name, known)}")
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


def repaired(config: Configuration, name: str, value: Any) -> Any:
    """Return whole numbers as floats where every program that knows the setting wants those."""
    last = name.rpartition(".")[2]
    kinds = {
        str(p.supported_settings[last].typ)
        for p in config.programs.values()
        if p.supported_settings is not None and last in p.supported_settings
    }
    return _floats(value) if kinds and all("float" in kind for kind in kinds) else value


def _floats(value: Any) -> Any:
    if isinstance(value, list):
        return [_floats(item) for item in value]
    return float(value) if type(value) is int else value


def load(
    spec: Sequence[Path], settings: Mapping[str, Any] | None = None, machine: str = "laptop"
) -> Coupling:
    """Return the coupling of a spec with `settings` laid over, or refuse it in one sentence."""
    files = spec_files(spec, machine)
    config = _merged(files)
    try:
        resolve(Reference([]), config)
        for name, value in (settings or {}).items():
            config.settings[name] = repaired(config, name, value)
        config.check_consistent(True, None)
        for model in config.models.values():
            resolve_timelines(model)
        root = config.root_model(None)
    except Exception as exc:
        _refuse_wrong_settings(config)
        raise Refused(_one_line(exc, files)) from None
    flat = _flat(config)
    (model,) = flat.models.values()
    contracts = {
        str(name): _contract(flat, component.implementation)
        for name, component in model.components.items()
    }
    model.name = root.name
    return Coupling(files, flat, model, contracts)


def _merged(files: Sequence[Path]) -> Configuration:
    merged: Configuration | None = None
    for file in files:
        _refuse_double_keys(file)
        try:
            config = ymmsl.load_as(Configuration, file)
        except Exception as exc:
            raise Refused(_one_line(exc, [file])) from None
        if merged is None:
            merged = config
        else:
            merged.update(config)
    if merged is None:
        raise Refused("A spec has at least one yMMSL file.")
    return merged


def _refuse_double_keys(file: Path) -> None:
    """Refuse a file in which the second of two equal keys would win without a word."""
    try:
        nodes = [yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)]
    except (yaml.YAMLError, UnicodeDecodeError):
        return  # ymmsl says what is wrong
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                if key.value in seen:
                    line = key.start_mark.line + 1
                    raise Refused(f"{file}:{line}: the key {key.value!r} stands twice; keep one.")
                seen.add(key.value)
                nodes.append(value)
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value


def _flat(config: Configuration) -> Configuration:
    """Return the configuration with nested models put in place, as MUSCLE3 runs it."""
    from libmuscle.manager.hammer import flatten

    return flatten(config, None)


def _one_line(exc: Exception, files: Sequence[Path]) -> str:
    text = " ".join(str(exc).split())
    unknown = _UNKNOWN.search(text)
    if unknown is not None:
        try:
            registry.load().find(unknown[1])
        except Refused as why:  # the registry knows of clashes and broken plugins
            text = str(why)
    return f"{', '.join(map(str, files))}: {text}"


def _refuse_wrong_settings(config: Configuration) -> None:
    """Say in the words of the contract what is wrong with a setting, if that is the trouble."""
    contracts = [c for c in (_contract(config, name) for name in config.programs) if c is not None]
    for key, value in config.settings.items():
        name = str(key).rpartition(".")[2]
        known = [c.settings()[name] for c in contracts if name in c.settings()]
        for setting in known[:1]:
            setting.checked(value, str(key).rpartition(".")[0] or "all")


def _contract(config: Configuration, implementation: Reference | None) -> type[ScaleModel] | None:
    if implementation is None or implementation not in config.programs:
        return None
    args = " ".join(config.programs[implementation].args or []).split()
    if HOST not in args or args.index(HOST) + 1 >= len(args):
        return None
    return registry.by_reference(args[args.index(HOST) + 1])
