"""What a cluster wants: a profile in TOML, written once for a site and used by every job."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from manyscale.contract.refusal import Refused, nearest

FOLDER = Path("~/.config/manyscale")
VARIABLE = "MANYSCALE_PROFILE"


@dataclass(frozen=True)
class ProgramSite:
    """How one component's program is started at a site."""

    modules: tuple[str, ...] = ()
    virtual_env: str = ""
    image: str = ""
    """Apptainer image in which it runs."""
    apptainer: tuple[str, ...] = ()
    """Further options of `apptainer exec`."""
    python: str = "python3"
    """Interpreter in the image, for programs that are Python."""


@dataclass(frozen=True)
class Site:
    """A profile; an empty one suits a cluster that asks for nothing."""

    partition: str = ""
    account: str = ""
    time: str = ""
    cores_per_node: int = 0
    address: str = ""
    """What to listen on between nodes: an IP address or `interface:NAME`."""
    modules: tuple[str, ...] = ()
    virtual_env: str = ""
    directives: tuple[str, ...] = ()
    """Further lines for Slurm, without `#SBATCH`."""
    commands: tuple[str, ...] = ()
    """Lines of shell before the launch."""
    environment: tuple[str, ...] = ()
    """Names of variables that the components see besides the usual ones."""
    signal_before: int = 120
    """s before the time limit at which the run is told to stop at a snapshot."""
    programs: Mapping[str, ProgramSite] = field(default_factory=dict)
    """By component."""

    def changed(self, **given: Any) -> Site:
        """Return the profile with what a command line gives in place of its own."""
        return replace(self, **{name: value for name, value in given.items() if value})


def site(name: str | None) -> Site:
    """Return the profile of that name or at that path, or the user's own, or an empty one.

    Raises `Refused` for a profile that is not there or says what no profile says.
    """
    wanted = name or os.environ.get(VARIABLE, "")
    if not wanted:
        own = (FOLDER / "site.toml").expanduser()
        return _read(own) if own.is_file() else Site()
    for path in (Path(wanted), (FOLDER / f"{wanted}.toml").expanduser()):
        if path.is_file():
            return _read(path)
    known = [path.stem for path in FOLDER.expanduser().glob("*.toml")]
    raise Refused(f"There is no site profile {wanted}.{nearest(wanted, known)}")


def _read(path: Path) -> Site:
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as exc:
        raise Refused(f"The site profile {path} cannot be read: {exc}.") from None
    programs = given.pop("programs", {})
    if not isinstance(programs, dict):
        raise Refused(f"{path}: programs is a table by component, as in [programs.macro].")
    found = {
        component: ProgramSite(**_checked(path, f"programs.{component}.", words, ProgramSite))
        for component, words in programs.items()
    }
    return Site(**_checked(path, "", given, Site), programs=found)


def _checked(path: Path, where: str, given: Any, kind: type[Any]) -> dict[str, Any]:
    """Return what a table says, in the types of a profile."""
    if not isinstance(given, dict):
        raise Refused(f"{path}: {where.rstrip('.')} is a table, as in [{where.rstrip('.')}].")
    known = {f.name: f.default for f in fields(kind) if f.name != "programs"}
    found = {}
    for name, value in given.items():
        if name not in known:
            raise Refused(f"{path}: no profile says {where}{name}.{nearest(name, known)}")
        wanted = known[name]
        if isinstance(wanted, tuple) and isinstance(value, list):
            value = tuple(value)
        if type(value) is not type(wanted):
            words = {str: "a text", int: "a whole number", tuple: "a list of texts"}
            raise Refused(f"{path}: {where}{name} is {value!r}, expected {words[type(wanted)]}.")
        if isinstance(value, tuple) and not all(isinstance(word, str) for word in value):
            raise Refused(f"{path}: {where}{name} is {list(value)}, expected a list of texts.")
        if _breaks_a_script(value):
            raise Refused(f"{path}: {where}{name} has a line break, which a job script has not.")
        found[name] = value
    return found


def _breaks_a_script(value: Any) -> bool:
    words = value if isinstance(value, tuple) else (value,)
    return any(isinstance(word, str) and "\n" in word for word in words)
