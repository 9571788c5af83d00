"""What can be said of clocks before a run."""

from collections.abc import Iterator
from typing import Any

import manyscale as ms
from manyscale.bridges.time_bridge import TimeBridge
from manyscale.bridges.time_bridge.stepping import stability, stable_step


@ms.check("TIME01")
def stable_impulses(graph: ms.Graph) -> Iterator[ms.Finding]:
    """Kicks at this interval excite the fast motion.

    A slow force that is applied as an impulse every DT (multiple time stepping, r-RESPA) feeds
    energy into a fast oscillation Om when DT is just below a multiple of half its period, however
    weak the force is. With the frequency w that the slow force alone would give, a step is stable
    if |2 cos(Om DT) - (w^2 DT/Om) sin(Om DT)| < 2. The check knows the frequencies from the
    settings of the bridge, and DT as the step of its source, or the window if `two_way`.

        bridge.fast_frequency: 20.0      # rad/s
        bridge.slow_frequency: 3.0
        source.dt: 0.156                 # wrong: half the fast period is 0.157 s

    Make the interval of the kicks shorter. The windows are narrow: a step that happens to be
    stable just beyond one is not safe when the frequencies change.
    """
    for instance, node in graph.instances.items():
        bridge = graph.model(instance)
        if not isinstance(bridge, TimeBridge) or not bridge.fast_frequency:
            continue
        for step, at in _kicks(graph, node, bridge):
            found = stability(bridge.fast_frequency, bridge.slow_frequency, step)
            if not found.stable:
                better = stable_step(bridge.fast_frequency, bridge.slow_frequency, step)
                yield ms.Finding(
                    at,
                    f"{instance}: kicks every {step:.6g} s on an oscillation of"
                    f" {bridge.fast_frequency:.6g} rad/s have the trace {found.trace:.6f}, beyond"
                    f" -2 to 2, and its amplitude grows by exp({found.growth:.3g}) with each; make"
                    f" the interval {better:.6g} s.",
                )


@ms.check("TIME02")
def asked_for(graph: ms.Graph) -> Iterator[ms.Finding]:
    """Connect a time bridge for the way it is set to.

    One way, the target says at `times_in` when it wants data. With `two_way: true` both sides are
    called for each window, and the bridge hears the target at `back_in`.

        target.times_out: bridge.times_in      # one way
        target.trajectory_out: bridge.back_in  # two ways, with bridge.two_way: true

    Connect the one that the setting needs.
    """
    for instance, node in graph.instances.items():
        bridge = graph.model(instance)
        if not isinstance(bridge, TimeBridge):
            continue
        needed = "back_in" if bridge.two_way else "times_in"
        if not graph.into(node, needed) and not graph.is_unsure(node, needed):
            yield ms.Finding(
                node.at,
                f"{instance} has two_way: {str(bridge.two_way).lower()}, so its port {needed} must"
                " hear the target, and no conduit ends there.",
            )


def _kicks(
    graph: ms.Graph, node: Any, bridge: TimeBridge
) -> Iterator[tuple[float, tuple[str | int, ...]]]:
    """Yield the interval of the kicks and where it can be changed."""
    for link in graph.into(node, "field_in"):
        if bridge.two_way:
            yield bridge.window, link.at
            continue
        for name in link.sender.instances[:1]:
            model = graph.model(name)
            time = None if model is None else model.scales().time
            if time is not None and time.grain > 0.0:
                yield time.grain, link.at
