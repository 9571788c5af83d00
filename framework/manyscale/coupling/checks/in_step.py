"""MS215: loops that go in step, and say so."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.load import Spec


@check("MS215", stage="config")
def in_step(spec: Spec) -> Iterator[Finding]:
    """Two components exchange messages in their loops, and the model does not say they match.

    From O_I to S, two loops that run beside each other meet at every turn. MUSCLE3 wants the
    model to say that they make the same turns:

        models:
          heat:
            matching_timelines:
              left: right
            components: ...

    For components with several loops, the one meant is added: `left.pace: right.pace`. The two
    models must then really make the same number of turns, at the same times.
    """
    for wiring in spec.wirings:
        for one in wiring.mismatches:
            if one.kind == "interact" and not wiring.unknown_timelines:
                yield Finding(one.at, one.text, write=one.write)
