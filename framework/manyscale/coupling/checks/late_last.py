"""MS222: the last message of a loop, sent to a component that runs once."""

from __future__ import annotations

from collections.abc import Iterator

from ymmsl.v0_2 import Reference
from ymmsl.v0_2.timeline_resolver import check_timelines

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.load import Spec
from manyscale.coupling.wiring import Wiring


@check("MS222", "warning", "config")
def late_last(spec: Spec) -> Iterator[Finding]:
    """The filter `last` leads to a component that runs once.

    The run is right and ends late: the sender has ended before its last message is asked for, and
    MUSCLE3 tries to reach it for about two minutes.

    An O_F port sends one message at the end and needs no filter; connect that one if the
    component has it. Or let a component in the loop collect what comes and send it on at its end.
    """
    roots = spec.roots()
    for wiring in spec.wirings:
        lasts = [(c, at) for c, at in wiring.conduits if any(f.is_reducer() for f in c.filters)]
        if lasts and wiring.model in roots and not (wiring.faults or wiring.mismatches):
            once = _once(wiring)
            for conduit, at in lasts:
                if conduit.receiving_component() in once:
                    name = conduit.sending_component()
                    yield Finding(
                        at,
                        f"{conduit.receiver} takes the last message of {conduit.sender}, which has"
                        " ended by then, so the run ends about two minutes late;"
                        f" connect {_results(wiring, name)} instead.",
                        word="last",
                    )


def _once(wiring: Wiring) -> set[Reference]:
    """Return the components that run once."""
    checker = check_timelines(wiring.sound())
    return {n for n in wiring.model.components if len(checker.component_timeline(n)) == 1}


def _results(wiring: Wiring, name: Reference) -> str:
    component = wiring.model.components.get(name)
    own = {} if component is None else {str(n): p for n, p in component.ports.items()}
    ports = own if component is None else {**own, **(wiring.promised(component) or {})}
    found = [f"{name}.{n}" for n, p in ports.items() if p.operator.name == "O_F"]
    return " or ".join(found) or f"an O_F port of {name}"
