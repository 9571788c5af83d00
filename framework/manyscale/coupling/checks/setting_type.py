"""MS404: a setting of the wrong type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.addressed import OF_MUSCLE, Address, address, readers, types
from manyscale.coupling.graph import Graph, Node
from manyscale.coupling.settings import as_floats, with_unit
from manyscale.registry.catalog import FRAMEWORK_SETTINGS

_WORDS = {
    "str": "a word",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "[int]": "a list of whole numbers",
    "[float]": "a list of numbers",
    "[[float]]": "a list of lists of numbers",
}
_BOOLS = {"yes": True, "on": True, "True": True, "no": False, "off": False, "False": False}


@check("MS404")
def setting_type(graph: Graph) -> Iterator[Finding]:
    """A setting has a value of the wrong type.

    Every setting has one type: a word, a whole number, a number, true or false, or a list of
    numbers. MUSCLE3 refuses a value of another type when the component starts, minutes after
    the launch.

        settings:
          bulk.nx: 48.0        # wrong: a count of cells is a whole number
          bulk.nx: 48          # right
          bulk.verbose: yes    # wrong: YAML reads a word
          bulk.verbose: true   # right

    A whole number where a number is expected (`dt: 1`) is repaired by `manyscale`, if all
    components that read it want a number. Programs that are not of this framework get what
    their `supported_settings` say.
    """
    for key, value in graph.settings.items():
        one = address(graph, key)
        if not one.name.startswith(OF_MUSCLE) and one.name not in FRAMEWORK_SETTINGS:
            for node in one.nodes:
                found = _wrong(graph, one, node, value)
                if found is not None:
                    yield found
                    break


def _wrong(graph: Graph, one: Address, node: Node, value: Any) -> Finding | None:
    kind = (types(graph, node) or {}).get(one.name)
    if kind is None or is_a(value, kind) or next(readers(graph, one, node), None) is None:
        return None
    setting = node.setting(one.name)
    if setting is not None and kind != "str" and isinstance(value, str) and with_unit(value):
        return None  # a number with a unit is looked at by itself
    about = f" [{setting.unit}]: {setting.text}" if setting is not None else ""
    said = str(value).lower() if isinstance(value, bool) else repr(value)
    right = _meant(value, kind, setting.default if setting and not setting.required else None)
    return Finding(
        ("settings", one.key),
        f"{one.key} is {said}, {node.name} expects {_WORDS[kind]}{about}.",
        write="" if right is None else f"{one.key}: {right}",
        word=said.strip("'"),
    )


def is_a(value: Any, kind: str) -> bool:
    """Whether a value has a type of yMMSL exactly."""
    if kind.startswith("["):
        return isinstance(value, list) and all(is_a(item, kind[1:-1]) for item in value)
    return type(value).__name__ == kind


def _number(text: str) -> Any:
    """Return the number a text is meant as (`1,5`, `2*10^-6`), else the text."""
    plain = text.strip().lower().replace(",", ".")
    plain = re.sub(r"^((.+?)\s*[x*]\s*)?10(\^|\*\*)", lambda m: f"{m[2] or 1}e", plain)
    try:
        return float(plain)
    except ValueError:
        return text


def _meant(value: Any, kind: str, default: Any) -> Any:
    """Return a value of the right type, as YAML writes it; None if there is none to propose."""
    value = _number(value) if isinstance(value, str) and kind in ("int", "float") else value
    if kind == "int" and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind == "str" and not isinstance(value, list):
        return default if default else f'"{value}"'
    if "float" in kind and is_a(as_floats(value), kind):
        return as_floats(value)
    if kind.startswith("[") and is_a(value, kind[1:-1]):
        return [value]
    if kind == "bool":
        return str(_BOOLS.get(str(value), default)).lower()
    return default or None
