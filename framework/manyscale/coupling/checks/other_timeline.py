"""MS207: ports on another timeline than their implementation's."""

from __future__ import annotations

from collections.abc import Iterator

from ymmsl.v0_2 import Component

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.load import Spec
from manyscale.coupling.wiring import Wiring


@check("MS207", stage="config")
def other_timeline(spec: Spec) -> Iterator[Finding]:
    """A component declares a port on another timeline than its implementation.

    A program with several loops names them, and every O_I and S port belongs to one. The
    component repeats that:

        ports:
          timeline slow:
            o_i: to_slow
            s: from_slow
          timeline fast:
            o_i: to_fast
            s: from_fast

    If the two differ, MUSCLE3 counts the turns of the wrong loop.
    """
    for wiring in spec.wirings:
        for component in wiring.model.components.values():
            for (mine, real), names in _differing(wiring, component).items():
                also = f" and {', '.join(names[1:])}" if names[1:] else ""
                lines = [f"{component.ports[name].operator.name.lower()}: {name}" for name in names]
                if real:
                    lines = [f"timeline {real}:", *(f"  {line}" for line in lines)]
                yield Finding(
                    (*wiring.place(component), "ports"),
                    f"{component.name} declares {names[0]}{also} on {_said(mine)},"
                    f" {component.implementation} on {_said(real)}.",
                    write="\n".join(lines),
                    word=names[0],
                )


def _differing(wiring: Wiring, component: Component) -> dict[tuple[str, str], list[str]]:
    """Return ports by the timeline they are declared on and the one they are on."""
    known = wiring.promised(component) or {}
    found: dict[tuple[str, str], list[str]] = {}
    for name, port in component.ports.items():
        real = known.get(str(name), port)
        if real.operator is port.operator and real.timeline != port.timeline:
            found.setdefault((str(port.timeline), str(real.timeline)), []).append(str(name))
    return found


def _said(timeline: str) -> str:
    return f"the timeline {timeline}" if timeline else "the only timeline of the component"
