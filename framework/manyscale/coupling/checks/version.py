"""MS102: the version of a yMMSL file."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.prove import Files
from manyscale.coupling.source import OLD_VERSION, VERSION, is_mapping


@check("MS102", stage="files")
def version(files: Files) -> Iterator[Finding]:
    """A file does not say which version of yMMSL it is written in.

    Every yMMSL file, also one with nothing but settings, says its version; MUSCLE3 refuses a
    file without it and a version that it does not know. The version of a coupling is v0.2, with
    the `v`:

        ymmsl_version: v0.2

    The rest of the file is checked as if this stood there.
    """
    for source in files.sources.files:
        if not is_mapping(source.root) or source.version in (VERSION, OLD_VERSION):
            continue
        found = f"{source.version!r}" if source.version else "none"
        where = ("ymmsl_version",) if ("ymmsl_version",) in source.nodes else ("line", 1, 1)
        yield Finding(
            (str(source.file), *where),
            f"the file says its yMMSL version, {VERSION}; found {found}.",
            write=f"ymmsl_version: {VERSION}",
        )
