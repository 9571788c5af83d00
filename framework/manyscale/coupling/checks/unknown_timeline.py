"""MS217: the names in matching_timelines."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import At, Finding, check
from manyscale.contract.refusal import nearest
from manyscale.coupling.load import Spec
from manyscale.coupling.wiring import Wiring


@check("MS217", stage="config")
def unknown_timeline(spec: Spec) -> Iterator[Finding]:
    """`matching_timelines` names a component or a timeline that is not there.

    A timeline is written as the component whose loop it is; for a component with several loops
    the loop's name follows, `bulk.slow`; for one that is called by others' loops these stand
    before it, `macro:micro`.

        matching_timelines:
          left: right
          macro.pace: meso.pace

    MUSCLE3 ignores a name that is not there, and refuses the conduits that need it.
    """
    for wiring in spec.wirings:
        for at, word in _unknown(wiring):
            names = [str(name) for name in wiring.model.components]
            inner = [
                f"{name}.{port.timeline}"
                for name, component in wiring.model.components.items()
                for port in component.ports.values()
                if port.timeline
            ]
            yield Finding(
                at,
                f"matching_timelines names {word}, which is neither a component of"
                f" {wiring.at[1]} nor a timeline of one.{nearest(word, {*names, *inner})}",
                word=word,
            )


def _unknown(wiring: Wiring) -> Iterator[tuple[At, str]]:
    """Yield place and name of what is not there, once each."""
    seen = set()
    for head, part in wiring.unknown_timelines:
        is_lost = wiring.spec.is_lost((*wiring.at, "components", str(part[0])))
        if not is_lost and str(part) not in seen:
            seen.add(str(part))
            yield (*wiring.at, "matching_timelines", head), str(part)
