"""Reads the yMMSL files of a spec with the places of everything in them, also broken ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from manyscale.contract.diagnostics import At, Finding
from manyscale.contract.refusal import close_to
from manyscale.coupling.settings import with_unit
from manyscale.coupling.source import (
    COMMAND_LINE,
    LOADER,
    OLD_VERSION,
    TEXT,
    VERSION,
    VERSION_KEY,
    Source,
    flow,
    key_text,
    walk,
)


def read(file: Path, module: str = "", text: str | None = None) -> Source:
    """Return a file with the places of its nodes; what makes it unreadable is noted in it."""
    try:
        source = Source(file, file.read_text(encoding="utf-8") if text is None else text, module)
        source.root = yaml.compose(source.text, Loader=LOADER)
    except UnicodeDecodeError as exc:
        why = f"byte {exc.start} is no UTF-8; save the file as UTF-8 text."
        return Source(file, "", module, failure=Finding((), why))
    except yaml.MarkedYAMLError as exc:
        source.failure = _no_yaml(exc)
        return source
    except yaml.YAMLError as exc:
        source.failure = Finding((), f"the file is no YAML: {' '.join(str(exc).split())}.")
        return source
    if source.root is not None:
        try:
            source.root = _repaired(source, source.root, (), {}, ())
        except RecursionError:
            why = "the file is no YAML: an anchor stands inside itself; write it out instead."
            return Source(file, source.text, module, failure=Finding((), why))
        source.nodes = dict(walk((), source.root))
        _settle_version(source)
        _quote_units(source)
    return source


def _no_yaml(exc: yaml.MarkedYAMLError) -> Finding:
    """Return what is said of a text that cannot be parsed."""
    mark = exc.problem_mark or exc.context_mark
    what = " ".join(f"{exc.context or ''} {exc.problem or ''}".split())
    text = f"the file is no YAML: {what}; look at the indentation and colons of this line."
    if "could not find expected ':'" in what and exc.context_mark:
        mark = exc.context_mark  # where the reader gave up is the line below
        text = "the file is no YAML: this line lacks a colon with a blank behind it."
    elif ("quoted scalar" in what or "flow" in what) and exc.context_mark:
        mark = exc.context_mark  # the end of the file, or far below
        text = "the file is no YAML: what is opened here is not closed, or lacks a comma."
    return Finding(("line", mark.line + 1, mark.column + 1) if mark else ("line", 1, 1), text)


def _quote_units(source: Source) -> None:
    """Make words of settings like 5e-9 m, which yMMSL takes for a number that is none."""
    for key in source.keys(("settings",)):
        value = source.nodes["settings", key][1]
        if isinstance(value, yaml.ScalarNode) and not value.style and with_unit(value.value):
            value.tag, value.style = TEXT, "'"
            source.changed = True


def _repaired(source: Source, node: Any, at: At, seen: dict[int, Any], within: At) -> Any:
    """Return a tree in which no node has two parents and, but for conduits, no key stands twice.

    `within` is the alias around a node, if there is one. Raises `RecursionError` for an anchor
    inside itself.
    """
    if isinstance(node, yaml.ScalarNode):
        # one of its own, so that nothing is written as an alias
        return yaml.ScalarNode(
            node.tag, node.value, node.start_mark, node.end_mark, style=node.style
        )
    if id(node) in seen:
        node = type(node)(node.tag, list(node.value), node.start_mark, node.end_mark)
    seen[id(node)] = node  # keeps the node alive, so that its id stays its own
    if isinstance(node, yaml.SequenceNode):
        node.value = [
            _repaired(source, value, (*at, number), seen, within)
            for number, value in enumerate(node.value)
        ]
        return node
    items: dict[Any, tuple[Any, Any]] = {}
    for key, value in node.value:
        word = key_text(key)
        inner: At = (*at, word)
        is_alias = not within and isinstance(value, yaml.MappingNode) and id(value) in seen
        if is_alias:
            source.aliased.append((inner, key, value))
            source.changed = True
        name: Any = word
        old = None
        if word in items and at[2:] == ("conduits",):
            name = (word, len(items))  # ymmsl keeps both
        elif word in items:
            first, old = items.pop(word)
            source.doubled.append((inner, first, key))
            source.changed = True
        items[name] = key, _repaired(source, value, inner, seen, inner if is_alias else within)
        if old is not None and not at:
            _join(old, items[name][1])
    node.value = list(items.values())
    return node


def _join(first: Any, second: Any) -> None:
    """Give the second of two sections of one name what only the first has."""
    if isinstance(first, yaml.MappingNode) and isinstance(second, yaml.MappingNode):
        known = {key_text(key) for key, _ in second.value}
        second.value[:0] = [item for item in first.value if key_text(item[0]) not in known]


def _settle_version(source: Source) -> None:
    """Note the version; read a file without a known one as v0.2, and give one of v0.1 our keys."""
    if not isinstance(source.root, yaml.MappingNode):
        return
    written = source.nodes.get((VERSION_KEY,))
    near = close_to(VERSION_KEY, source.keys(()), 0.8) if written is None else ""
    if near:
        pair = source.nodes.pop((near,))
        pair[0].value, pair[1].value, pair[1].tag = VERSION_KEY, VERSION, TEXT
        source.nodes[(VERSION_KEY,)] = pair
        source.version, source.changed = near, True
        return
    source.version = "" if written is None else str(written[1].value)
    if source.version == OLD_VERSION:
        source.nodes.update(_renamed(source.nodes))
    elif written is None:
        key, value = (yaml.ScalarNode(TEXT, t) for t in (VERSION_KEY, VERSION))
        source.root.value.insert(0, (key, value))
        source.changed = True
    elif source.version != VERSION:
        written[1].value, written[1].tag = VERSION, TEXT
        source.changed = True


def _renamed(nodes: dict[At, tuple[Any, Any]]) -> dict[At, tuple[Any, Any]]:
    """Return the places of a file of yMMSL v0.1 under the keys that v0.2 has for them."""
    model = nodes.get(("model", "name"))
    name = str(model[1].value) if model else ""
    numbers = {
        at[2]: str(node.value)
        for at, (_, node) in nodes.items()
        if len(at) == 4 and at[:2] == ("model", "components") and at[3] == "name"
    }
    found: dict[At, tuple[Any, Any]] = {}
    for at, pair in nodes.items():
        match at:
            case ("model", "components", int(number), *rest):
                found["models", name, "components", numbers.get(number, ""), *rest] = pair
            case ("model", *rest):
                found["models", name, *rest] = pair
            case ("implementations", *rest):
                found["programs", *rest] = pair
            case ("resources", str(component), *rest):
                found["resources", f"{name}.{component}", *rest] = pair
    return found


def as_source(settings: Mapping[str, Any]) -> Source:
    """Return settings from the command line as one more file of the spec."""
    body = "".join(f"  {name}: {flow(value)}\n" for name, value in settings.items())
    return read(COMMAND_LINE, text=f"ymmsl_version: v0.2\nsettings:\n{body}")
