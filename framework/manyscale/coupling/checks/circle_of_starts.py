"""MS213: components that wait for each other."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.load import Spec


@check("MS213", stage="config")
def circle_of_starts(spec: Spec) -> Iterator[Finding]:
    """A component needs for its start what only comes after it has started.

    What arrives on F_INIT ports is received before a pass begins. If it depends on what the
    component itself sends, all components of the circle wait for ever. Usually the answer of a
    called component was connected to F_INIT and belongs to an S port, where the loop that called
    for it waits:

        macro.state_out: micro.state_in       # O_I to F_INIT: macro calls micro
        micro.flux_out: macro.flux_in         # O_F to S: the answer, not F_INIT

    Two components that exchange messages while both run do so from O_I to S in both directions.
    """
    for wiring in spec.wirings:
        for one in wiring.mismatches:
            if one.kind == "cycle":
                yield Finding(one.at, one.text, write=one.write)
