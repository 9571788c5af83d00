"""MS405: a setting out of its bounds."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import Refused
from manyscale.contract.settings import Setting
from manyscale.coupling.addressed import address, readers
from manyscale.coupling.graph import Graph, Node


@check("MS405")
def setting_bounds(graph: Graph) -> Iterator[Finding]:
    """A setting is out of its bounds, or not one of its choices.

    A model declares the range in which a setting makes sense, or the words to choose from, and
    refuses anything else. `manyscale show MODEL` lists them. Infinity and not-a-number are
    refused everywhere.

        settings:
          bulk.dt: -0.1            # wrong: expected > 0 s
          bulk.scheme: implicit    # wrong: implicit_euler, crank_nicolson, bdf2 or explicit

    Bounds are in the unit that the model declares; mind the unit of the number, or write it
    down: `bulk.dt: 5 ms`.
    """
    for key, value in graph.settings.items():
        one = address(graph, key)
        for node in one.nodes:
            setting = node.setting(one.name)
            good = None if setting is None else setting.cast(value)
            if setting is None or good is None:
                continue
            why = _refused(setting, good, node)
            if why and next(readers(graph, one, node), None) is not None:
                near = difflib.get_close_matches(str(value), map(str, setting.choices), 1)
                write = f"{key}: {near[0]}" if near else ""
                yield Finding(("settings", key), why, write, word=str(value))
                break


def _refused(setting: Setting, good: object, node: Node) -> str:
    try:
        setting.refuse_unfit(good, node.name)
    except Refused as exc:
        return str(exc).removeprefix("Setting ")
    return ""
