"""The yMMSL modules that a spec can import from: of installed plugins and on YMMSL_PATH."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ymmsl.v0_2 import Reference

from manyscale.contract.diagnostics import At
from manyscale.contract.refusal import Refused, close_to
from manyscale.coupling.source import Source, Sources
from manyscale.coupling.structure import faults
from manyscale.registry import registry

OURS = "manyscale"
"""The module of all registered models."""
FARMS = "manyscale.farms"
"""The module of farms of them."""


@dataclass(frozen=True)
class Import:
    """An import statement that is well formed, and where it stands."""

    source: Source
    at: At
    module: str
    name: str

    @property
    def place(self) -> At:
        """The place in its file."""
        return (str(self.source.file), *self.at)


def statements(source: Source) -> Iterator[tuple[At, str]]:
    """Yield the import statements of a file as they are written."""
    for at in source.nodes:
        if len(at) == 2 and at[0] == "imports" and isinstance(at[1], int):
            yield at, str(source.data(at))


def parsed(source: Source) -> Iterator[Import]:
    """Yield the import statements of a file that are well formed."""
    for at, text in statements(source):
        if not fault(text):
            words = text.split()
            yield Import(source, at, words[1], words[4])


def fault(text: str) -> str:
    """Return what is wrong with the form of an import statement, empty if it is well formed."""
    words = text.split()
    if not words or words[0] != "from":
        return "it begins with from"
    if len(words) < 3 or words[2] != "import":
        return "after the module stands import"
    if len(words) < 4 or words[3].lower() != "implementation":
        return "after import stands implementation"
    if len(words) != 5:
        return "it ends with one name" if len(words) > 5 else "the name is missing"
    if not all(part.isidentifier() for part in [*words[1].split("."), words[4]]):
        return "module and name are words of letters, digits and _"
    return ""


def known() -> list[str]:
    """Return the modules of plugins and of YMMSL_PATH by name."""
    names = set(_offered(tuple(sys.path)))
    for folder in filter(None, os.environ.get("YMMSL_PATH", "").split(":")):
        for pattern in ("*.ymmsl", "*/*.ymmsl"):
            for path in Path(folder).glob(pattern):
                names.add(".".join(path.relative_to(folder).with_suffix("").parts))
    return sorted(names)


def exists(module: str) -> bool:
    """Whether there is a module of this name."""
    path = Path(*module.split(".")).with_suffix(".ymmsl")
    folders = filter(None, os.environ.get("YMMSL_PATH", "").split(":"))
    offered = module in _offered(tuple(sys.path))
    return offered or any(Path(folder, path).is_file() for folder in folders)


@cache
def _offered(path: tuple[str, ...]) -> frozenset[str]:
    """Return the modules of plugins; looking through all distributions takes a while."""
    return frozenset(point.name for point in entry_points(group="ymmsl.module"))


def content(module: str) -> Any:
    """Return the configuration of a module, resolved as ymmsl does it; it keeps them.

    Raises `Refused` if the module cannot be read.
    """
    from ymmsl.v0_2.resolver import ResolutionContext, load_resolve_module

    path = Path(*module.split(".")).with_suffix(".ymmsl")
    try:
        return load_resolve_module(Reference(module), path, ResolutionContext())[0]
    except Exception as exc:  # a plugin's module is imported here
        raise Refused(f"{exc.__cause__ or exc}") from None


def names_in(module: str) -> list[str]:
    """Return the names of the programs and models of a module, without its own imports.

    Raises `Refused` if the module cannot be read.
    """
    config = content(module)
    full = [str(name) for name in [*config.programs, *config.models]]
    own = [name.rpartition(".") for name in full]
    return sorted(name for head, _, name in own if head == module)


def in_circle(sources: Sources, module: str, seen: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the modules on the way to one that imports them again, nothing if there is none."""
    if module in seen:
        return (*seen, module)
    found = next((s for s in sources.files if s.module == module), None)
    inner = {} if found is None else {one.module: None for one in parsed(found)}
    ways = (in_circle(sources, one, (*seen, module)) for one in inner)
    return next((way for way in ways if way), ())


def is_told(sources: Sources, module: str) -> bool:
    """Whether a module is a file in which the checks of files find what is wrong with it."""
    found = next((s for s in sources.files if s.module == module), None)
    if found is None:
        return False
    if found.is_broken or in_circle(sources, module) or next(faults([found]), None):
        return True
    return bool(_wrong_names(found)) or any(True for _ in unknown_implementations(found))


def _wrong_names(source: Source) -> list[str]:
    """Return the names that a file imports and that their modules do not have."""
    return [one.name for one in parsed(source) if one.name not in _names(one.module)]


def _names(module: str) -> Sequence[str]:
    if module == OURS:
        return [*registry.load().programs]
    if module == FARMS:
        return [*registry.load().farms]
    try:
        return names_in(module)
    except Refused:
        return []


def unknown_implementations(module: Source) -> Iterator[tuple[At, str, list[str]]]:
    """Yield the implementations of components that a module has not, with what it has."""
    known = [*module.names("programs"), *module.names("models")]
    known += [one.name for one in parsed(module)]
    malformed = any(fault(text) for _, text in statements(module))
    told = _wrong_names(module)
    for at in module.nodes:
        if at[2:-2] == ("components",) and at[-1] == "implementation" and not malformed:
            name = module.data(at)
            if isinstance(name, str) and name not in known and not close_to(name, told, 0.8):
                yield at, name, known


def unreadable_imports(sources: Sources) -> list[At]:
    """Return the imports of the spec from files that the checks of files find fault with."""
    return [
        one.place
        for source in sources.own()
        for one in parsed(source)
        if _reaches_broken(sources, one.module, frozenset())
    ]


def _reaches_broken(sources: Sources, module: str, seen: frozenset[str]) -> bool:
    found = next((s for s in sources.files if s.module == module), None)
    if found is None or module in seen:
        return found is not None  # modules that import each other in a circle
    inner = {one.module for one in parsed(found)}
    faulty = any(fault(text) for _, text in statements(found))
    return (
        faulty
        or is_told(sources, module)
        or any(
            (_is_missing(one) or _reaches_broken(sources, one, seen | {module})) for one in inner
        )
    )


def _is_missing(module: str) -> bool:
    return not exists(module)
