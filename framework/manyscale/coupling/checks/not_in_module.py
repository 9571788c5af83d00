"""MS111: what is imported from a module."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import Refused, nearest
from manyscale.coupling.modules import (
    FARMS,
    OURS,
    Import,
    exists,
    is_told,
    names_in,
    parsed,
    unknown_implementations,
)
from manyscale.coupling.prove import Files


@check("MS111", stage="files")
def not_in_module(files: Files) -> Iterator[Finding]:
    """A module does not have what is imported from it, or what it needs itself.

    The module `manyscale` holds all registered models, those of installed plugins as well;
    `manyscale list` shows them. A model is missing there if its distribution is not installed in
    this environment, if its plugin is BROKEN (the reason is given), or if two plugins offer
    models of one name, so that neither can be used.

    A module of your own on YMMSL_PATH may also lack what its components are implemented by; it
    has to define or import that itself.

    Nothing is said of components whose implementation the statement should have brought.
    """
    for source in files.sources.files:
        for at, name, known in unknown_implementations(source) if source.module else ():
            said = f"the module {source.module} neither defines nor imports {name}, by which"
            said += f" {at[3]} is implemented.{nearest(name, {*known, *files.registry.models})}"
            yield Finding((str(source.file), *at), said, word=name)
        for one in parsed(source):
            why = _missing(files, one)
            if why:
                yield Finding(one.place, why, word=one.name, drop=(one.place,))


def _missing(files: Files, one: Import) -> str:
    """Return why a module does not give a name, empty if it does."""
    if one.module == OURS:
        if one.name in files.registry.programs:
            return ""
        try:
            files.registry.find(one.name)
        except Refused as why:
            return str(why)
        return ""
    if one.module == FARMS and files.registry.made(one.name) is not None:
        return ""
    if not exists(one.module) or is_told(files.sources, one.module):
        return ""
    try:
        names = names_in(one.module)
    except Refused:
        return ""  # another check says so
    if one.name in names:
        return ""
    return f"the module {one.module} has no program or model {one.name}.{nearest(one.name, names)}"
