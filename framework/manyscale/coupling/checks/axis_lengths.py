"""MS307: lengths of axes that settings give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from manyscale.contract.diagnostics import At, Finding, check
from manyscale.contract.fields import Axis
from manyscale.coupling.checks.axes import transposed
from manyscale.coupling.graph import Graph, Link, Node, matched
from manyscale.coupling.overlays import overlaid


@dataclass(frozen=True)
class _Size:
    """How long an axis is at one instance, and which setting says so."""

    instance: str
    length: int
    setting: str = ""
    key: str = ""
    """Line of the spec that gives the setting, empty for a default."""

    def __str__(self) -> str:
        if not self.setting:
            return f"{self.length} at {self.instance}"
        default = "" if self.key else " by default"
        return f"{self.instance}.{self.setting} = {self.length}{default}"


@check("MS307")
def axis_lengths(graph: Graph) -> Iterator[Finding]:
    """An axis has different lengths at the two ends of a conduit.

    The length of an axis may be a setting, such as `nz`, the number of cells along z. Each
    component has its own, and where a field travels between two of them both must be equal;
    the first message would be refused.

        settings:
          bulk.nz: 64
          pipe.nz: 32           # wrong: pipe gets 64 values from bulk

    Write the setting once, without a component; then every component that has it gets the
    same value. Where the two names differ, write both lines with one value.
    """
    told = overlaid(graph)
    seen: set[object] = set()
    sizes = _Sizes(graph)
    for link, name, sent, wanted in matched(graph):
        if sent.shape is None or wanted.shape is None or len(sent.shape) != len(wanted.shape):
            continue
        if {link.sender.name, link.receiver.name} & told or transposed(sent.shape, wanted.shape):
            continue
        for have, want in zip(sent.shape, wanted.shape, strict=True):
            unequal = _unequal(sizes, link, have, want)
            if unequal is not None and _new(seen, link, unequal):
                yield _told(link, f"{name} along {want.name}", *unequal)


def _unequal(sizes: _Sizes, link: Link, have: Axis, want: Axis) -> tuple[_Size, _Size] | None:
    """Return the two lengths of an axis that differ at connected instances."""
    if not (have.setting or want.setting):
        return None  # two fixed lengths are compared with the axes
    senders, receivers = sizes.of(link.sender, have), sizes.of(link.receiver, want)
    if len({size.length for size in [*senders, *receivers]}) < 2:
        return None
    return next(
        (
            (one, other)
            for one in senders
            for other in receivers
            if one.length != other.length and _connected(link, one.instance, other.instance)
        ),
        None,
    )


class _Sizes:
    """The lengths of axes at all instances, looked up once for each setting."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[tuple[str, str], list[_Size]] = {}

    def of(self, node: Node, axis: Axis) -> list[_Size]:
        if axis.length is not None:
            return [_Size(name, axis.length) for name in node.instances]
        key = (node.name, axis.setting)
        if key not in self._known:
            declared = node.setting(axis.setting) is not None
            found = (self._at(name, axis.setting) for name in node.instances if declared)
            self._known[key] = [size for size in found if size is not None]
        return self._known[key]

    def _at(self, instance: str, setting: str) -> _Size | None:
        model = self._graph.model(instance)
        if model is None:
            return None
        line, _ = self._graph.values(instance).get(setting, ("", None))
        return _Size(instance, int(getattr(model, setting)), setting, line)


def _connected(link: Link, sender: str, receiver: str) -> bool:
    """Whether two instances meet: the indices of one begin with those of the other."""
    one = sender.removeprefix(link.sender.name)
    other = receiver.removeprefix(link.receiver.name)
    return one.startswith(other) or other.startswith(one)


def _new(seen: set[object], link: Link, unequal: tuple[_Size, _Size]) -> bool:
    """Whether neither these two settings nor the line at fault were reported before."""
    line = _line(*unequal)
    pair = frozenset(
        (node.name, size.setting or size.length)
        for node, size in zip((link.sender, link.receiver), unequal, strict=True)
    )
    marks = {pair, line} - {""}
    new = not marks & seen
    seen |= marks
    return new


def _line(one: _Size, other: _Size) -> str:
    """Return the more specific of two lines of the settings, empty if there is none."""
    return max((other.key, one.key), key=lambda key: (bool(key), key.count("."), key.count("[")))


def _told(link: Link, what: str, one: _Size, other: _Size) -> Finding:
    line = _line(one, other)
    at: At = ("settings", line) if line else link.at
    if one.setting and one.setting == other.setting:
        write = f"{one.setting}: {one.length}"
        advice = f"write {one.setting} once, without a component."
    else:
        kept, changed = (one, other) if other.setting else (other, one)
        write = f"{changed.instance}.{changed.setting}: {kept.length}"
        advice = "make both equal."
    return Finding(
        at, f"{link}: {what} has other lengths at both ends, {one} and {other}; {advice}", write
    )
