"""What can be said before a run of the steps that observations fall into."""

from collections.abc import Iterator
from typing import Any

import manyscale as ms
from manyscale_plugins.aggregation_constraint import AggregationConstraint

_SAME = 1e-9  # of a step


@ms.check("PASS01")
def steps_of_the_caller(graph: ms.Graph) -> Iterator[ms.Finding]:
    """The step of a constraint is not that of the model that calls it.

    An `aggregation_constraint` that is called again and again acts on the observation that lies
    between a call and `step` seconds later. With a step shorter than that of the model whose loop
    makes the calls, an observation between two steps would never be used; with a longer one it
    would be used twice.

        air.dt: 600.0
        constraint.step: 600.0     # as air.dt
    """
    for instance, node in graph.instances.items():
        model = graph.model(instance)
        if not isinstance(model, AggregationConstraint):
            continue
        for name, dt in _callers(graph, node):
            if abs(model.step - dt) > _SAME * dt:
                key, _ = graph.values(instance).get("step", ("", None))
                yield ms.Finding(
                    ("settings", key) if key else node.at,
                    f"{instance}.step is {model.step:g} s and {name}, which calls it, takes steps"
                    f" of {dt:g} s; give both the same.",
                )


def _callers(graph: ms.Graph, node: Any) -> Iterator[tuple[str, float]]:
    """Find the models with a loop and a `dt` [s] that the messages on `model_in` come from."""
    known, found = {node.name}, [link.sender for link in graph.into(node, "model_in")]
    while found:
        sender = found.pop()
        if sender.name in known:
            continue
        known.add(sender.name)
        model = graph.model(sender.instances[0])
        if model is None:
            continue
        dt = getattr(model, "dt", None)
        if isinstance(dt, float) and any(port.operator == "o_i" for port in model.ports.values()):
            yield sender.instances[0], dt
            continue
        called = [name for name, port in model.ports.items() if port.operator == "f_init"]
        found += [link.sender for name in called for link in graph.into(sender, name)]
