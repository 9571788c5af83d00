"""MS104: a key that stands twice."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.prove import Files


@check("MS104", stage="files")
def twice(files: Files) -> Iterator[Finding]:
    """A key stands twice in one mapping.

    YAML forbids it and its readers do not notice: of two settings of one name the second wins
    without a word, of two components of one name one is lost, and other keys end in a message
    that names neither line.

        settings:
          bulk.dt: 0.1
          pipe.nz: 64
          bulk.dt: 0.2      # which one is meant?

    Take one of them out. The rest of the spec is checked with the last one.
    """
    for source in files.sources.files:
        for at, first, second in source.doubled:
            mark = second.start_mark
            yield Finding(
                (str(source.file), "line", mark.line + 1, mark.column + 1),
                f"{at[-1]} stands here for the second time, the first is in line"
                f" {first.start_mark.line + 1}; take one of them out.",
            )
