"""MS103: a file of an older yMMSL."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.prove import Files
from manyscale.coupling.source import OLD_VERSION


@check("MS103", "note", "files")
def old_version(files: Files) -> Iterator[Finding]:
    """A file is written in yMMSL v0.1.

    MUSCLE3 converts such a file when it reads it, and so does this check; nothing needs to be
    done for a run. Three things get lost: comments, descriptions, and the operators of ports of
    components that do not declare any. Those become F_INIT where they receive and O_F where they
    send, so a component with a loop must declare its `o_i` and `s` ports.

    Imports, nested models, filters and settings of programs need v0.2. `ymmsl convert FILE`
    writes the converted file.
    """
    for source in files.sources.own():
        if source.version == OLD_VERSION:
            yield Finding(
                (str(source.file), "ymmsl_version"),
                "the file is yMMSL v0.1 and is converted to v0.2 as it is read;"
                " `ymmsl convert` does it once and for all.",
            )
