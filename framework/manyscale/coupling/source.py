"""The yMMSL files of a spec as text: where in them something stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from manyscale.contract.diagnostics import At, Finding

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
VERSION = "v0.2"
OLD_VERSION = "v0.1"
_COMMENT = re.compile(r"(?:^|\s)#.*")
VERSION_KEY = "ymmsl_version"
TEXT = "tag:yaml.org,2002:str"
COMMAND_LINE = Path("--set")
"""Stands for the settings that were given on the command line."""


@dataclass(frozen=True)
class Place:
    """A spot in a file; line and column count from 1."""

    file: Path
    line: int = 1
    column: int = 1
    width: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass
class Source:
    """One file: its text, its tree of YAML nodes and the place of everything in it.

    `module` is the name it is imported by, empty for the files of the spec itself.
    """

    file: Path
    text: str
    module: str = ""
    root: Any = None
    failure: Finding | None = None
    """What makes the text unreadable."""
    nodes: dict[At, tuple[Any, Any]] = field(default_factory=dict)
    """Key node and value node by the keys that lead there."""
    version: str = VERSION
    """The yMMSL version as it is written, empty if it is not; an unknown one is read as v0.2."""
    doubled: list[tuple[At, Any, Any]] = field(default_factory=list)
    """Keys that stand twice in a mapping: place, first and second key node. The last counts."""
    aliased: list[tuple[At, Any, Any]] = field(default_factory=list)
    """Mappings that are an alias of another: place, key node, node of the anchor."""
    changed: bool = False
    """Whether the tree is another than the text."""

    def lines(self) -> list[str]:
        """Return the text line by line."""
        return self.text.splitlines()

    def data(self, at: At = ()) -> Any:
        """Return the plain value at a place, None if there is none."""
        if at and at not in self.nodes:
            return None
        node = self.nodes[at][1] if at else self.root
        return None if node is None else LOADER("").construct_document(node)

    def keys(self, at: At) -> list[str]:
        """Return the keys of the mapping at a place."""
        node = self.nodes[at][1] if at in self.nodes else self.root if not at else None
        return [key_text(k) for k, _ in node.value] if isinstance(node, yaml.MappingNode) else []

    @property
    def is_broken(self) -> bool:
        """Whether ymmsl cannot read the file as it is written."""
        known = self.version in (VERSION, OLD_VERSION)
        return self.root is None or not known or bool(self.doubled)

    def names(self, part: str) -> list[str]:
        """Return the names of what a part of the file defines: its models, its programs."""
        return [str(at[1]) for at in self.nodes if len(at) == 2 and at[0] == part]

    def conduits(self) -> Iterator[tuple[At, str]]:
        """Yield the place of every conduit, and filters and receiver as they are written."""
        for at, (_, node) in self.nodes.items():
            is_one = len(at) == 4 or (len(at) == 5 and isinstance(at[4], int))
            is_text = isinstance(node, yaml.ScalarNode) and node.value.strip()
            if is_one and is_text and at[0] == "models" and at[2] == "conduits":
                yield at, str(node.value)

    def drop(self, at: At) -> None:
        """Take a node out of the tree, or all but the version; its place stays known."""
        if not at and isinstance(self.root, yaml.MappingNode):
            self.root.value = [i for i in self.root.value if i[0].value == VERSION_KEY]
            self.changed = True
        parent = self.nodes[at[:-1]][1] if len(at) > 1 else self.root
        if at not in self.nodes or parent is None:
            return
        _, value = self.nodes[at]
        items = parent.value
        self.changed = True
        parent.value = [i for i in items if (i[1] if isinstance(i, tuple) else i) is not value]

    def put(self, at: At, what: At | str) -> None:
        """Put YAML text, or what stands at another place, at a place; add the key if need be."""
        around = self.nodes.get(at[:-1], (self.root, self.root))
        known = what if isinstance(what, tuple) else at
        key, old = self.nodes.get(known, (around[0], None))
        new = yaml.compose(what, Loader=LOADER) if isinstance(what, str) else old
        self.changed = True
        word = yaml.ScalarNode(TEXT, str(at[-1]), key.start_mark, key.end_mark)
        if known[:-1] == at[:-1] and old is not None:
            items = around[1].value
            items[:] = [_with(item, old, word, new) for item in items]
        else:
            around[1].value.append((word, new))
            if isinstance(what, tuple):
                self.drop(what)
        self.nodes[at] = word, new
        if new is old:
            self.nodes.update(walk(at, new))

    def with_settings(self, values: Mapping[str, Any]) -> str:
        """Return the text with other values for some settings, and nothing else changed."""
        text = self.text
        spots = [(self.nodes["settings", key][1], value) for key, value in values.items()]
        for node, value in sorted(spots, key=lambda spot: -spot[0].start_mark.index):
            start, end = node.start_mark.index, node.end_mark.index
            text = text[:start] + flow(value) + text[end:]
        return text

    def dumped(self) -> str:
        """Return the tree as text again."""
        return str(yaml.serialize(self.root)) if self.root is not None else ""


def is_mapping(node: Any) -> bool:
    """Whether a YAML node is a mapping."""
    return isinstance(node, yaml.MappingNode)


def _with(item: Any, old: Any, word: Any, new: Any) -> Any:
    """Return an item of a mapping or list, with another key and value if it is the old one."""
    if isinstance(item, tuple):
        return (word, new) if item[1] is old else item
    return new if item is old else item


def key_text(key: Any) -> str:
    """Return the text of a key node."""
    if isinstance(key.value, str):
        return key.value
    parts = [" ".join(map(key_text, p)) if isinstance(p, tuple) else key_text(p) for p in key.value]
    return f"[{', '.join(parts)}]"


def walk(at: At, node: Any) -> Iterator[tuple[At, tuple[Any, Any]]]:
    """Yield the place of everything in a node, with key and value node."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*at, key_text(key))
            yield inner, (key, value)
            yield from walk(inner, value)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*at, number), (value, value)
            yield from walk((*at, number), value)


class Sources:
    """All files of a spec, with those they import."""

    def __init__(self, files: Sequence[Source]) -> None:
        self.files = list(files)

    def own(self) -> list[Source]:
        """Return the files of the spec itself."""
        return [source for source in self.files if not source.module]

    def holders(self, at: At) -> list[Source]:
        """Return the files in which something stands, the one that counts last."""
        return [s for s in self.files if _inside(s, at) in s.nodes]

    def drop(self, at: At) -> None:
        """Take out what stands at a place, in the file it begins with or in all own files."""
        named = self._named(at[0]) if at and isinstance(at[0], str) else None
        if named is not None:
            named.drop(at[1:])
        elif at:
            for source in self.own():
                source.drop(at)

    def put(self, at: At, what: At | str) -> None:
        """Put something at a place of the file that both begin with."""
        named = self._named(str(at[0]))
        if named is not None:
            named.put(at[1:], what if isinstance(what, str) else what[1:])

    def place(self, at: At, word: str = "") -> Place:
        """Return the place of `at`, or of the nearest thing around it that is written down.

        `at` may begin with a file, or be `("line", line, column)` behind it.
        """
        if len(at) == 4 and at[1] == "line":
            return Place(Path(str(at[0])), int(at[2]), int(at[3]))
        if at and isinstance(at[0], str) and (named := self._named(at[0])):
            return _spot(named, at[1:], word)
        for length in range(len(at), 0, -1):
            found = self.holders(at[:length])
            if found:
                return _spot(found[-1], _inside(found[-1], at[:length]), word)
        return Place(self.files[0].file if self.files else Path())

    def line(self, place: Place) -> str:
        """Return the text of a place's line."""
        for source in self.files:
            if source.file == place.file and place.line <= len(source.lines()):
                return source.lines()[place.line - 1]
        if place.file.suffix == ".json" and place.file.is_file():  # a contract beside the spec
            lines = place.file.read_text(errors="replace").splitlines()
            return lines[place.line - 1] if place.line <= len(lines) else ""
        return ""

    def _named(self, file: str) -> Source | None:
        return next((s for s in self.files if str(s.file) == file), None)


def _inside(source: Source, at: At) -> At:
    """Return the keys within a file: an imported file calls its models by their last name."""
    if source.module and len(at) > 1 and at[0] in ("models", "programs"):
        head, _, last = str(at[1]).rpartition(".")
        return (at[0], last, *at[2:]) if head == source.module else ()
    return at if not source.module else ()


def _spot(source: Source, at: At, word: str) -> Place:
    while at and at not in source.nodes:
        at = at[:-1]
    if not at:
        return Place(source.file)
    key, value = source.nodes[at]
    start = key.start_mark
    if word:
        found = _word(source, word, start, value.end_mark)
        if found is not None:
            return Place(source.file, *found, len(word))
    width = (key.end_mark.column - start.column) if key.end_mark.line == start.line else 1
    return Place(source.file, start.line + 1, start.column + 1, max(1, width))


def _word(source: Source, word: str, start: Any, end: Any) -> tuple[int, int] | None:
    """Return line and column of a word between two marks, the last one on the first line."""
    pattern = re.compile(rf"(?<![\w.]){re.escape(word)}(?!\w)")
    lines = source.lines()
    for number in range(start.line, min(end.line, len(lines) - 1) + 1):
        offset = start.column if number == start.line else 0
        upto = end.column if number == end.line and end.line > start.line else None
        text = _COMMENT.sub("", lines[number])
        found = [m.start() + offset for m in pattern.finditer(text[offset:upto])]
        if found:
            return number + 1, found[-1] + 1
    return None


def flow(value: Any) -> str:
    """Return a value as YAML text on one line."""
    text: str = yaml.safe_dump(_plain(value), default_flow_style=True, width=10_000).strip()
    return text.removesuffix("...").strip()


def _plain(value: Any) -> Any:
    """Return numbers of numpy, which settings given in Python may be, as those of Python."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value
