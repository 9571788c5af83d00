"""The yMMSL files of a spec as text: where in them something stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from manyscale.contract.diagnostics import At, Finding

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
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

    def lines(self) -> list[str]:
        """Return the text line by line."""
        return self.text.splitlines()

    def data(self, at: At = ()) -> Any:
        """Return the plain value at a place, None if there is none."""
        if at and at not in self.nodes:
            return None
        node = self.nodes[at][1] if at else self.root
        return None if node is None else _LOADER("").construct_document(node)

    def keys(self, at: At) -> list[Any]:
        """Return the keys of the mapping at a place."""
        node = self.nodes[at][1] if at in self.nodes else self.root if not at else None
        return [k.value for k, _ in node.value] if isinstance(node, yaml.MappingNode) else []

    def drop(self, at: At) -> None:
        """Take a node out of the tree; its place stays known."""
        parent = self.nodes[at[:-1]][1] if len(at) > 1 else self.root
        if at not in self.nodes or parent is None:
            return
        _, value = self.nodes[at]
        items = parent.value
        parent.value = [i for i in items if (i[1] if isinstance(i, tuple) else i) is not value]

    def dumped(self) -> str:
        """Return the tree as text again."""
        return str(yaml.serialize(self.root)) if self.root is not None else ""


def read(file: Path, module: str = "", text: str | None = None) -> Source:
    """Return a file with the places of its nodes; what makes it unreadable is noted in it."""
    try:
        source = Source(file, file.read_text(encoding="utf-8") if text is None else text, module)
        source.root = yaml.compose(source.text, Loader=_LOADER)
    except UnicodeDecodeError as exc:
        why = f"byte {exc.start} is no UTF-8; save the file as UTF-8 text."
        return Source(file, "", module, failure=Finding((), why))
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = mark.line + 1 if mark else 1
        what = " ".join(f"{exc.context or ''} {exc.problem or ''}".split())
        text_ = f"the file is no YAML: {what}; look at the indentation and colons of this line."
        source.failure = Finding(("line", line, mark.column + 1 if mark else 1), text_)
        return source
    except yaml.YAMLError as exc:
        source.failure = Finding((), f"the file is no YAML: {' '.join(str(exc).split())}.")
        return source
    if source.root is not None:
        source.nodes = dict(_walk((), source.root))
    return source


def _walk(at: At, node: Any) -> Iterator[tuple[At, tuple[Any, Any]]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*at, key.value if isinstance(key.value, str) else repr(key.value))
            yield inner, (key, value)
            yield from _walk(inner, value)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*at, number), (value, value)
            yield from _walk((*at, number), value)


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

    def place(self, at: At, word: str = "") -> Place:
        """Return the place of `at`, or of the nearest thing around it that is written down.

        `at` may begin with a file, or be `("line", line, column)` behind it.
        """
        if at and isinstance(at[0], str) and (named := self._named(at[0])):
            if len(at) > 1 and at[1] == "line":
                return Place(named.file, int(at[2]), int(at[3]))
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
        found = [m.start() + offset for m in pattern.finditer(lines[number][offset:upto])]
        if found:
            return number + 1, found[-1] + 1
    return None


def as_source(settings: Mapping[str, Any]) -> Source:
    """Return settings from the command line as one more file of the spec."""
    body = "".join(f"  {name}: {_flow(value)}\n" for name, value in settings.items())
    return read(COMMAND_LINE, text=f"ymmsl_version: v0.2\nsettings:\n{body}")


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000).strip()
    return text.removesuffix("...").strip()
