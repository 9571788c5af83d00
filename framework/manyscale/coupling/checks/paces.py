"""MS212: conduits between timelines that do not match."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.load import Spec


@check("MS212", stage="config")
def paces(spec: Spec) -> Iterator[Finding]:
    """The two ends of a conduit go at different paces.

    A component that is called by another's loop (O_I to F_INIT) runs once for every turn of it;
    one that is not called runs once. The messages that one end of a conduit sends must be as many
    as the other end receives, and everything a component receives before a pass must come at the
    same pace. A filter bridges the difference, one for every loop between the two:

        properties.lines_out: repeat pipe.properties_in    # sent once, pipe runs at every turn
        pipe.line_out: last log.entry                      # of all turns only the last

    `repeat` gives the same message at every turn, `pad` gives it at the first turn only, and
    `last` keeps the last one.
    """
    for wiring in spec.wirings:
        for one in wiring.mismatches:
            if one.kind == "pace":
                yield Finding(one.at, one.text, write=one.write)
