"""MS412: a setting that more specific ones hide."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.addressed import address, readers, types
from manyscale.coupling.graph import Graph


@check("MS412", "warning")
def hidden_setting(graph: Graph) -> Iterator[Finding]:
    """A setting is read by nobody, because more specific ones hide it everywhere.

    The most specific line counts: `pipe[2].radius` before `pipe.radius` before `radius`. Where
    each component that has the setting is given its own, the general line does nothing, and
    whoever changes it will wonder.

        settings:
          dt: 1.0               # read by nobody if bulk is the only one that has a dt
          bulk.dt: 0.1

    Leave out the general line, or the specific ones.
    """
    for key in graph.settings:
        one = address(graph, key)
        known = [types(graph, node) for node in one.nodes]
        having = [n for n, some in zip(one.nodes, known, strict=True) if some and one.name in some]
        if not having or None in known or one.owner != one.path:
            continue
        if not any(next(readers(graph, one, node), None) for node in having):
            hiding = sorted(k for k in graph.settings if k != key and k.endswith(f".{one.name}"))
            hide = "hides" if len(hiding) == 1 else "hide"
            yield Finding(
                ("settings", key),
                f"{key} is read by nobody: {', '.join(hiding[:4])} {hide} it.",
            )
