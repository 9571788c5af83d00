"""What a JSON schema cannot say of yMMSL: keys that exclude each other, lists of one kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from manyscale.contract.diagnostics import At
from manyscale.coupling.document import CHECKPOINTS, PROGRAM, RESOURCES
from manyscale.coupling.grammar import IDENTIFIER, PORTS, TYPES
from manyscale.coupling.scalars import described, kind, plain_name, shortened, word_of
from manyscale.coupling.source import key_text

UNKNOWN, MISSING, WRONG = "MS105", "MS106", "MS107"
OPERATORS = ("f_init", "o_i", "s", "o_f")


@dataclass(frozen=True)
class Fault:
    """A difference from the schema; without `put` and `drop` the place decides what is done."""

    code: str
    at: At
    text: str
    write: str = ""
    word: str = ""
    put: tuple[tuple[At, At | str], ...] = ()
    drop: tuple[At, ...] = ()


def where(at: At) -> str:
    """Return a place in words."""
    match at:
        case ():
            return "the file"
        case ("models" | "programs" as group, str(name)):
            return f"{group[:-1]} {name}"
        case ("models", _, "components", str(name)):
            return f"component {name}"
        case ("models", _, "components", str(name), *rest):
            return f"{_path(rest)} of component {name}"
        case ("models", _, "conduits", str(name), *_):
            return f"the receiver of {name}"
        case ("models" | "programs" as group, name, *rest):
            return f"{_path(rest)} of {group[:-1]} {name}"
        case ("settings", name):
            return f"setting {name}"
        case ("resources", name, *rest):
            return f"{_path(rest)} of resources of {name}".removeprefix(" of ")
        case _:
            return _path(at)


def _path(at: Any) -> str:
    return ".".join(f"item {p + 1}" if isinstance(p, int) else str(p) for p in at)


def port_words(node: Any) -> list[str]:
    """Return the names in a text or list of port names."""
    if isinstance(node, yaml.SequenceNode):
        return [str(item.value) for item in node.value]
    return str(node.value).split() if kind(node) == "string" else []


def _port_names(at: At, node: Any) -> Iterator[Fault]:
    several = not isinstance(at[-1], int)
    words = node.value.split() if several else [node.value]
    bad = [word for word in words if not re.fullmatch(IDENTIFIER, word)]
    if not bad:
        return
    better = re.sub(r"[\s,;]+", " ", node.value).strip()
    comma = several and all(re.fullmatch(IDENTIFIER, word) for word in better.split())
    if comma:
        text = f"{where(at)} is '{shortened(node.value)}'; ports are separated by spaces alone."
        put: Any = ((at, f"'{better}'"),)
        yield Fault(WRONG, at, text, write=f"{at[-1]}: {better}", word=word_of(node), put=put)
    else:
        text = f"{where(at)} names {shortened(bad[0])!r}, which is no name of a port;"
        text += " a name has letters, digits and underscores, and no digit at its beginning."
        better = " ".join(map(plain_name, words))
        write = f"{at[-1]}: {better}"
        yield Fault(WRONG, at, text, write=write if several else "", word=bad[0])


def _ports(at: At, keys: Mapping[str, Any]) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    groups: list[tuple[str, At, Any]]
    for operator, node in keys.items():
        if operator.startswith("timeline "):
            inner = node.value if isinstance(node, yaml.MappingNode) else []
            groups = [(f"{operator}: {key_text(k)}", (operator, key_text(k)), v) for k, v in inner]
        else:
            groups = [(operator, (operator,), node)]
        for name, place, value in groups:
            for word in port_words(value):
                if word in seen:
                    text = f"{where(at)} name {word!r} twice, in {seen[word]} and in {name};"
                    yield Fault(WRONG, (*at, *place), text + " a port has one operator.", word=word)
                seen.setdefault(word, name)


def _program(at: At, keys: Mapping[str, Any]) -> Iterator[Fault]:
    given = [key for key, node in keys.items() if kind(node) != "null"]
    model = keys.get("execution_model")
    manual = model is not None and str(model.value).lower() == "manual"
    if not manual and "executable" not in given and "script" not in given:
        text = f"{where(at)} has neither an executable nor a script."
        yield Fault(MISSING, at, text, write="executable: /path/of/the/program")
    beside = ("base_env", "modules", "virtual_env", "env", "executable", "args")
    extra = [key for key in beside if key in given]
    if "script" in given and extra:
        text = f"{where(at)} has a script and also {', '.join(extra)}; with a script, these stand"
        yield Fault(WRONG, (*at, extra[0]), f"{text} in it.",
                    drop=tuple((*at, key) for key in extra))  # fmt: skip


def _requirement(at: At, keys: Mapping[str, Any]) -> Iterator[Fault]:
    if "threads" in keys:
        needed, allowed = ["threads"], {"threads"}
    elif "nodes" in keys or "mpi_processes_per_node" in keys:
        needed = ["nodes", "mpi_processes_per_node"]
        allowed = {*needed, "threads_per_mpi_process"}
    else:
        needed, allowed = ["mpi_processes"], {"mpi_processes", "threads_per_mpi_process"}
    extra = [k for k in keys if k not in allowed and k in RESOURCES["properties"]]
    if extra:
        text = f"{where(at)} give both {needed[0]} and {extra[0]}; choose one."
        yield Fault(WRONG, (*at, extra[0]), text, drop=tuple((*at, key) for key in extra))
        return
    if lacking := [key for key in needed if key not in keys]:
        write = f"{lacking[0]}: 1" if len(keys) else "threads: 1"
        what = repr(lacking[0]) if keys else "'threads' or 'mpi_processes'"
        yield Fault(MISSING, at, f"{where(at)} have no {what}.", write=write,
                    put=(((*at, lacking[0] if keys else "threads"), "1"),))  # fmt: skip


def _moments(at: At, keys: Mapping[str, Any]) -> Iterator[Fault]:
    span = [key for key in ("every", "start", "stop") if key in keys]
    if "at" in keys and span:
        text = f"{where(at)} has both at and {span[0]}; write two rules."
        yield Fault(WRONG, (*at, span[0]), text)
    elif span and "every" not in keys:
        yield Fault(MISSING, at, f"{where(at)} has no 'every'.", write="every: 1.0")
    ends = [_number(keys.get(key)) for key in ("start", "stop")]
    if ends[0] is not None and ends[1] is not None and ends[0] > ends[1]:
        text = f"{where(at)} starts at {ends[0]:g} and stops at {ends[1]:g}; it must stop later."
        yield Fault(WRONG, (*at, "stop"), text)


def _number(node: Any) -> float | None:
    return float(node.value) if node is not None and kind(node) in ("integer", "number") else None


def _setting(at: At, node: Any) -> list[Fault]:
    found = kind(node)
    if found == "null":
        return [Fault(WRONG, at, f"{where(at)} has no value.", write=f"{at[-1]}: ...")]
    if found == "object":
        return [_nested(at, node)]
    if found != "array":
        text = f"{where(at)} is {described(node)}, expected a number, a text or a list of numbers."
        if "timestamp" in node.tag:
            text = f"{where(at)} is {node.value}, which YAML takes for a date; put it in quotes."
        return [Fault(WRONG, at, text, word=word_of(node), drop=(at,))]
    kinds = [kind(item) for item in node.value]
    if not kinds:
        text = f"{where(at)} is an empty list, which yMMSL cannot carry; write [[]] for no rows,"
        return [Fault(WRONG, at, f"{text} or leave the setting out.", write=f"{at[-1]}: [[]]")]
    rows = [item for item in node.value if kind(item) == "array"]
    numbers = [n for r in rows for n in r.value] if len(rows) == len(kinds) else node.value
    if {kind(n) for n in numbers} - {"integer", "number"}:
        odd = next(n for n in numbers if kind(n) not in ("integer", "number"))
        text = f"{where(at)} has {described(odd)} in its list, expected numbers."
        return [Fault(WRONG, at, text, word=word_of(odd))]
    mixed = {kind(n) for n in numbers} == {"integer", "number"}
    if mixed or (rows and any(kind(n) == "integer" for n in numbers)):
        floats = _floats(node)
        what = "mixes whole numbers and others" if mixed else "has whole numbers in rows"
        text = f"{where(at)} {what}, which yMMSL does not read; write all with a decimal point."
        return [Fault(WRONG, at, text, write=f"{at[-1]}: {floats}", put=((at, floats),))]
    return []


def _floats(node: Any) -> str:
    if isinstance(node, yaml.SequenceNode):
        return f"[{', '.join(map(_floats, node.value))}]"
    return f"{node.value}.0" if kind(node) == "integer" else str(node.value)


def _nested(at: At, node: Any) -> Fault:
    """Return the fault of settings that are nested instead of written with dots."""
    flat = list(_flattened(at, node, str(at[-1])))
    text = f"{where(at)} is a mapping, expected a value; names of settings are joined with dots."
    lines = [f"{name}: {v.value if isinstance(v, yaml.ScalarNode) else '...'}"
             for name, _, v in flat]  # fmt: skip
    put = tuple(((at[0], name), place) for name, place, _ in flat)
    return Fault(WRONG, at, text, write="\n".join(lines), put=put, drop=(at,))


def _flattened(at: At, node: Any, name: str) -> Iterator[tuple[str, At, Any]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _flattened((*at, key_text(key)), value, f"{name}.{key_text(key)}")
    else:
        yield name, at, node


def _setting_type(at: At, keys: Mapping[str, Any]) -> Iterator[Fault]:
    described_by = keys.get("description")
    is_list = isinstance(described_by, yaml.SequenceNode)
    if "type" in keys or "typ" in keys:
        if is_list:
            yield Fault(WRONG, (*at, "description"), f"description of {at[-1]} is a list,"
                        " expected a text.")  # fmt: skip
    elif not is_list and not re.match(
        rf"\s*{TYPES}(\s|$)", str(getattr(described_by, "value", ""))
    ):
        yield Fault(MISSING, at, f"{where(at)} has no 'type'.", write="type: float")


RULES: dict[str, Callable[[At, Any], Any]] = {
    "setting": _setting,
    "port names": _port_names,
    PORTS["title"]: _ports,
    PROGRAM["title"]: _program,
    RESOURCES["title"]: _requirement,
    CHECKPOINTS["properties"]["wallclock_time"]["items"]["title"]: _moments,
    "a type (str, int, float, bool, [int], [float] or [[float]]) and a description": _setting_type,
}
