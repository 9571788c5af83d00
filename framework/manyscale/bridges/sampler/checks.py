"""What can be said of a sampler before a run."""

import difflib
from collections.abc import Iterator

import manyscale as ms
from manyscale.bridges.sampler import Sampler


@ms.check("UQ01")
def settings_of_nobody(graph: ms.Graph) -> Iterator[ms.Finding]:
    """Vary only settings that sampled components have.

    `settings_out` of a sampler lays values over the settings of the components it starts and of
    those they call. The names in `distributions` are names of their settings, with or without the
    component, as in a spec: `micro.k` or `k`. A name that none of them has would vary nothing, and
    the study would find it without influence.

        sampler.distributions: micro.conductivty normal 1 0.1 W/(m K)     # misspelt

    Correct the name; `manyscale show MODEL` lists the settings of a model.
    """
    for instance, node in graph.instances.items():
        model = graph.model(instance)
        if not isinstance(model, Sampler):
            continue
        sampled = _sampled(graph, node.name)
        key, _ = graph.values(instance).get("distributions", ("", None))
        for one in model.parameters() if sampled else ():
            declared = [s for n, s in graph.concerned(one.name) if n.name in sampled]
            if not any(declared):
                yield ms.Finding(
                    ("settings", key) if key else node.at,
                    f"{instance} varies {one.name}, which no component that it samples has as a"
                    f" setting.{_nearest(graph, sampled, one.name)}",
                )


def _sampled(graph: ms.Graph, sampler: str) -> set[str]:
    """Return the components that get this sampler's settings, first or second hand."""
    told = {
        k.receiver.name for k in graph.links if (k.sender.name, k.out) == (sampler, "settings_out")
    }
    while True:
        called = {
            link.receiver.name
            for link in graph.links
            if link.sender.name in told and _begins(link.receiver.ports.get(link.into))
        }
        if called <= told:
            return told
        told |= called


def _begins(ending: object) -> bool:
    return getattr(ending, "operator", "") == "f_init"


def _nearest(graph: ms.Graph, sampled: set[str], name: str) -> str:
    known = [
        f"{component}.{setting}"
        for component in sorted(sampled)
        for setting in (graph.nodes[component].contract or ms.ScaleModel).settings()
    ]
    close = difflib.get_close_matches(name, [*known, *(k.rpartition(".")[2] for k in known)], 1)
    return f" Did you mean {close[0]!r}?" if close else ""


@ms.check("UQ02")
def levels_of_nobody(graph: ms.Graph) -> Iterator[ms.Finding]:
    """Tell the members of a multilevel design their level.

    The members of the design `mlmc` differ in their level, how finely they are resolved. Only
    `levels_out` of a sampler tells it; behind `samples_out` all would be computed alike, and the
    differences between levels would be zero.

    Connect `levels_out`, to a model with a field `level`.
    """
    for instance, node in graph.instances.items():
        model = graph.model(instance)
        if isinstance(model, Sampler) and model.design == "mlmc":
            for link in graph.out_of(node, "samples_out"):
                yield ms.Finding(
                    link.at,
                    f"{instance} has the design mlmc, and samples_out does not tell the level of a"
                    " member; connect levels_out.",
                )
