"""MS407: a setting with a unit that does not fit."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import Refused
from manyscale.contract.settings import Setting
from manyscale.coupling.addressed import address, readers
from manyscale.coupling.graph import Graph, Node
from manyscale.coupling.settings import in_unit, with_unit


@check("MS407")
def setting_unit(graph: Graph) -> Iterator[Finding]:
    """A setting has a unit that does not fit.

    A number may be written with its unit, `bulk.lx: 600 nm`; it is converted to the unit that
    the model declares. The unit must be known, measure the same thing, and have no offset
    (`degC`: a setting does not say whether it is a temperature or a difference). Components
    that read one line must agree on the unit, and only numbers have units, not counts.

        settings:
          bulk.lx: 600 kg       # wrong: lx is a length, in m
          bulk.lx: 600 nm       # right
          bulk.nx: 48 m         # wrong: a count of cells
    """
    for key, value in graph.settings.items():
        given = with_unit(value) if isinstance(value, str) else None
        if given is None:
            continue
        one = address(graph, key)
        readers_ = [
            (node, setting)
            for node in one.nodes
            if (setting := node.setting(one.name)) is not None
            and setting.ymmsl_type != "str"
            and next(readers(graph, one, node), None) is not None
        ]
        if readers_:
            yield Finding(("settings", key), _why(key, value, readers_), word=value)


def _why(key: str, value: str, wanted: list[tuple[Node, Setting]]) -> str:
    number = (with_unit(value) or (0.0,))[0]
    for node, setting in wanted:
        about = f"{node.name} expects {setting.ymmsl_type} ({setting.text})"
        if "float" not in setting.ymmsl_type:
            return f"{key} is {value}, {about}; write {number:g} without a unit."
        try:
            in_unit(value, setting.unit)
        except Refused as exc:
            return f"{key} is {value}, {node.name} expects [{setting.unit}]: {exc}"
    units = ", ".join(f"{node.name} [{setting.unit}]" for node, setting in wanted)
    return f"{key} is {value}, and its readers have different units: {units}; give each its own."
