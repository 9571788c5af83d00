"""MS110: import statements and the modules they name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import Refused, nearest
from manyscale.coupling.modules import (
    OURS,
    Import,
    exists,
    fault,
    in_circle,
    is_told,
    known,
    parsed,
    statements,
)
from manyscale.coupling.modules import names_in as names
from manyscale.coupling.prove import Files


@check("MS110", stage="files")
def no_module(files: Files) -> Iterator[Finding]:
    """An import is malformed, or its module cannot be found or read.

    An import statement names a module and one program or model in it:

        imports:
        - from manyscale import implementation mass_diffusion
        - from shared.farms import implementation farm

    A module is offered by an installed distribution (entry points of the group `ymmsl.module`;
    `manyscale` offers all registered models), or it is a file on the search path: with
    `YMMSL_PATH=/home/me/models`, the module `shared.farms` is the file
    `/home/me/models/shared/farms.ymmsl`.

    Nothing is said of components whose implementation such a statement should have brought.
    """
    for source in files.sources.files:
        for at, text in statements(source):
            why = fault(text)
            if why:
                yield Finding(
                    (str(source.file), *at),
                    f"{text!r} is no import statement: {why}.",
                    write=_corrected(text),
                    drop=((str(source.file), *at),),
                )
        for one in parsed(source):
            yield from _of_module(files, one)


def _of_module(files: Files, one: Import) -> Iterator[Finding]:
    if not exists(one.module):
        modules = known()
        registered = one.name in files.registry.models
        yield Finding(
            one.place,
            f"there is no module {one.module} to import {one.name} from, neither of a plugin nor"
            f" on YMMSL_PATH.{nearest(one.module, modules)}",
            write=f"- from {OURS} import implementation {one.name}" if registered else "",
            word=one.module,
            drop=(one.place,),
        )
    elif not one.source.module and (way := in_circle(files.sources, one.module)):
        yield Finding(
            one.place,
            f"the module {one.module} cannot be read, as modules import each other in a circle:"
            f" {' from '.join(way)}.",
            word=one.module,
            drop=(one.place,),
        )
    elif one.module != OURS and not is_told(files.sources, one.module):
        try:
            names(one.module)
        except Refused as why:
            yield Finding(
                one.place,
                f"the module {one.module} cannot be read: {' '.join(str(why).split())}.",
                word=one.module,
                drop=(one.place,),
            )


def _corrected(text: str) -> str:
    """Return an import of what seem to be module and name."""
    form = ("from", "import", "implementation")
    module, *names = [w for w in re.split(r"[\s,]+", text) if w and w not in form] or ["MODULE"]
    if not names and module != OURS and not text.startswith("from"):
        module, names = OURS, [module]
    alias = names.index("as") if "as" in names else None  # yMMSL has no other names
    lines = [f"- from {module} import implementation {name}" for name in names[:alias] or ["NAME"]]
    return "\n".join(lines)
