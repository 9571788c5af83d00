"""MS107: a value of the wrong kind."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.prove import Files
from manyscale.coupling.recovery import found_by


@check("MS107", stage="files")
def wrong_kind(files: Files) -> Iterator[Finding]:
    """A value is of a kind that cannot stand there.

    Every key of a yMMSL file has one kind of value: a mapping, a list, a name, a number. The
    usual mistakes, with what to write:

        ports: [a, b]              # ports: {f_init: a, o_f: b}
        multiplicity: four         # multiplicity: 4
        my-component:              # my_component:  letters, digits and underscores
        bulk.dt:                   # a value, or no such line
        bulk: {dt: 0.1}            # bulk.dt: 0.1
        line_xy: [[1, 2]]          # line_xy: [[1.0, 2.0]]
        weights: [1, 2.5]          # weights: [1.0, 2.5]
        length: 5.0 nm             # length: '5.0 nm'
        optional: yes              # optional: true

    Lists of a setting hold only whole numbers, or only numbers with a decimal point, or rows of
    the latter; texts that begin like `5.0` or `true` need quotes, since yMMSL takes
    them for numbers and truth values by their beginning. MUSCLE3 refuses the whole file otherwise.
    """
    return found_by("MS107", files)
