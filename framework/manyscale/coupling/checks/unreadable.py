"""MS101: a file that is no YAML."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.prove import Files


@check("MS101", stage="files")
def unreadable(files: Files) -> Iterator[Finding]:
    """A file of the spec cannot be read.

    A yMMSL file is YAML in UTF-8. The usual causes are a tab, a line that is indented by one
    space more or less than its neighbours, a missing space after a colon, or a bracket that is
    not closed; the line named is where the reader gave up, the mistake is there or just above.

        settings:
          bulk.dt: 0.1
           bulk.t_end: 1.0      # one space too many
    """
    for source in files.sources.files:
        if source.failure is not None:
            yield Finding((str(source.file), *source.failure.at), source.failure.text)
        elif source.root is None:
            yield Finding((str(source.file),), "the file is empty; a yMMSL file says at least"
                          " its version.", write="ymmsl_version: v0.2")  # fmt: skip
