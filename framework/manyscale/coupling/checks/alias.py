"""MS109: an alias where a copy is meant."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import At, Finding, check
from manyscale.coupling.prove import Files


@check("MS109", stage="files")
def alias(files: Files) -> Iterator[Finding]:
    """A YAML alias stands for a whole component, program or model.

    An alias (`*one`) is no copy of what its anchor (`&one`) marks, it is the same thing once
    more. MUSCLE3 writes each component's name into it, so of two that are one, one is lost.

        components:
          left: &body
            description: A body
            implementation: body
          right: *body          # left is gone

    Write the second one out; or, for several equal components, give one a `multiplicity`. An
    alias of what has no name of its own, such as a value, a list or `ports`, does no harm.
    """
    for source in files.sources.files:
        for at, key, anchor in source.aliased:
            what = _named(at)
            if what:
                yield Finding(
                    (str(source.file), "line", key.start_mark.line + 1, key.start_mark.column + 1),
                    f"the {what} {at[-1]} is an alias of what stands in line"
                    f" {anchor.start_mark.line + 1}, and of the two only one would be left;"
                    " write it out.",
                )


def _named(at: At) -> str:
    match at:
        case ("models", _):
            return "model"
        case ("programs" | "implementations", _):
            return "program"
        case ("resources", _):
            return "entry"
        case ("models", _, "components", _) | ("model", "components", _):
            return "component"
    return ""
