"""MS105: a key that yMMSL does not know."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.prove import Files
from manyscale.coupling.recovery import found_by


@check("MS105", stage="files")
def unknown_key(files: Files) -> Iterator[Finding]:
    """A key is misspelled, or stands where it has no meaning.

    The keys of a yMMSL file are fixed: `models`, `settings`, `resources` and a few more at the
    left, `components` and `conduits` in a model, `ports` and `implementation` in a component.
    MUSCLE3 refuses a file with any other key, at the first one it meets.

        bulk:
          description: The crystal
          implementaton: mass_diffusion      # implementation

    A key that is spelled right and refused has the wrong indentation: `conduits` stands under
    the model, beside `components`, and not at the left of the file.

    Where the key that was meant is clear, the rest of the spec is checked as if it stood there.
    An editor that knows the schema (`manyscale schema`) offers the keys while you type.
    """
    return found_by("MS105", files)
