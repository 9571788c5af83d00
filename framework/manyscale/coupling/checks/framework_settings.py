"""MS409: the settings `record` and `run_seed`, which every hosted component has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.recording import ports_to_record
from manyscale.contract.refusal import Refused
from manyscale.coupling.addressed import Address, address, is_another, readers
from manyscale.coupling.graph import Graph
from manyscale.registry.catalog import FRAMEWORK_SETTINGS


@check("MS409")
def framework_settings(graph: Graph) -> Iterator[Finding]:
    """A setting of the framework has a value that cannot be.

    Every component that this framework runs has two settings more than its model declares.
    `record` names the sending ports whose messages are kept, several separated by `;`.
    `run_seed` is a whole number from which all random numbers of a run follow.

        settings:
          run_seed: 7
          bulk.record: field_out             # a port of bulk that sends
          pipe.record: line_out; profile     # wrong if pipe sends nothing at `profile`

    A component refuses to start when it is asked to record what it does not send. Write
    `record` with a component in front: without one it is meant for all of them.
    """
    for key, value in graph.settings.items():
        one = address(graph, key)
        if one.name in FRAMEWORK_SETTINGS and one.nodes:
            why = _why(graph, one, value)
            if why:
                yield Finding(("settings", key), why, word=str(value))


def _why(graph: Graph, one: Address, value: Any) -> str:
    for node in one.nodes:
        if not node.hosted or next(readers(graph, one, node), None) is None:
            continue
        if one.name == "run_seed":
            return "" if type(value) is int else f"{one.key} is {value!r}, expected a whole number."
        if not isinstance(value, str):
            return f"{one.key} is {value!r}, expected the names of ports, separated by ;."
        if node.contract is not None and not is_another(node):
            try:
                ports_to_record(node.contract, value, node.name)
            except Refused as exc:
                return str(exc).removeprefix("Setting ")
    return ""
