"""A Python interpreter, looked at without running it."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from importlib.metadata import distributions
from pathlib import Path

_NAME = re.compile(r"python(\d+(\.\d+)*)?")
_HARMLESS = re.compile(r"import (os; var = 'SETUPTOOLS_USE_DISTUTILS|_virtualenv|a1_coverage)")
"""Lines of .pth files that run code and add no modules."""


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter: which modules and distributions its programs find.

    What cannot be told from the files alone is None, never a guess.
    """

    executable: Path
    """As it is called; following its links would leave its virtual environment."""

    @classmethod
    def at(cls, executable: Path) -> Interpreter | None:
        """Return the interpreter an executable is, None if it is none or a script around one."""
        if not _NAME.fullmatch(executable.name) or not executable.is_file():
            return None
        with executable.open("rb") as file:
            return None if file.read(2) == b"#!" else cls(executable)

    @classmethod
    def ours(cls) -> Interpreter:
        """Return the interpreter that runs now."""
        return cls(Path(sys.executable))

    @property
    def prefix(self) -> Path:
        """The folder of the environment it belongs to."""
        return self.executable.absolute().parent.parent

    @property
    def is_ours(self) -> bool:
        """Whether it belongs to the environment of this process."""
        return self.prefix.resolve() == Path(sys.prefix).resolve()

    def finds(self, module: str, before: Sequence[str] = ()) -> bool | None:
        """Return whether a module can be imported, None if that is not certain.

        `before` are the folders of PYTHONPATH. Nothing is imported.
        """
        top, *rest = module.split(".")
        if top in sys.stdlib_module_names:
            return True
        found = _found(top, [*before, *map(str, self.site)])
        if found is None and self.is_ours:
            found = _found(top)
        if found is None:
            return None if not self.site or self._runs_code else False
        return _inside(found, rest)

    def version(self, distribution: str) -> str | None:
        """Return the version of an installed distribution, None if it is not found."""
        wanted = normalised(distribution)
        for name, version in self._installed:
            if normalised(name) == wanted:
                return version
        return None

    @cached_property
    def site(self) -> list[Path]:
        """The folders of installed modules, with those that .pth files add; empty if unknown."""
        folders = list(_sites(self.prefix))
        for line, _ in self._settings:
            if line == "include-system-site-packages" and _ == "true":
                folders += _sites(self._base)
        if not self._settings:
            folders += [*_sites(Path("/usr/local")), *_sites(Path.home() / ".local")]
        return [*folders, *(added for folder in folders for added in _added(folder))]

    @cached_property
    def _settings(self) -> list[tuple[str, str]]:
        """The lines of pyvenv.cfg, none outside virtual environments."""
        file = self.prefix / "pyvenv.cfg"
        lines = file.read_text(errors="replace").splitlines() if file.is_file() else []
        parts = [line.partition("=") for line in lines]
        return [(key.strip(), value.strip().lower()) for key, _, value in parts]

    @property
    def _base(self) -> Path:
        file = self.prefix / "pyvenv.cfg"
        homes = re.findall(r"(?m)^home\s*=\s*(.+?)\s*$", file.read_text(errors="replace"))
        return Path(homes[0]).parent if homes else self.prefix

    @cached_property
    def _runs_code(self) -> bool:
        """Whether .pth files run code, which may add any module."""
        return any(
            line.startswith(("import ", "import\t")) and not _HARMLESS.match(line)
            for folder in self.site
            for line in _pth_lines(folder)
        )

    @cached_property
    def _installed(self) -> list[tuple[str, str]]:
        found = []
        for folder in self.site:
            for info in sorted(folder.glob("*.dist-info")) + sorted(folder.glob("*.egg-info")):
                name, _, version = info.stem.partition("-")
                found.append((name, version.partition("-")[0]))
        if self.is_ours and not found:
            found = [(d.name, d.version) for d in distributions()]
        return found


def normalised(distribution: str) -> str:
    """Return a distribution's name as indices compare it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _sites(prefix: Path) -> Iterator[Path]:
    for lib in (prefix / "lib", prefix / "lib64", prefix / "local/lib"):
        if lib.is_dir() and not lib.is_symlink():
            for kind in ("site-packages", "dist-packages"):
                yield from (p for p in sorted(lib.glob(f"python3*/{kind}")) if p.is_dir())


def _pth_lines(folder: Path) -> Iterator[str]:
    for file in sorted(folder.glob("*.pth")):
        yield from (x.strip() for x in file.read_text(errors="replace").splitlines() if x.strip())


def _added(folder: Path) -> Iterator[Path]:
    for line in _pth_lines(folder):
        if not line.startswith(("#", "import ", "import\t")) and (folder / line).is_dir():
            yield folder / line


def _found(top: str, folders: list[str] | None = None) -> list[str] | None:
    """Return the folders of a top-level package, [] for a plain module, None if not found."""
    try:
        if folders is None:
            spec = importlib.util.find_spec(top)
        else:
            spec = PathFinder.find_spec(top, folders)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    return list(spec.submodule_search_locations or [])


def _inside(folders: list[str], names: list[str]) -> bool | None:
    """Return whether a module is in a package, directory by directory."""
    here = [Path(folder) for folder in folders]
    for number, name in enumerate(names):
        if not here or any(_extends(folder) for folder in here):
            return None  # a module that is no package, or packages that look elsewhere as well
        if number == len(names) - 1 and any(_module(folder, name) for folder in here):
            return True
        here = [folder / name for folder in here if (folder / name).is_dir()]
        if not here:
            return False
    return True


def _module(folder: Path, name: str) -> bool:
    return any((folder / (name + end)).is_file() for end in (".py", ".pyc", *EXTENSION_SUFFIXES))


def _extends(folder: Path) -> bool:
    file = folder / "__init__.py"
    return file.is_file() and "__path__" in file.read_text(errors="replace")
