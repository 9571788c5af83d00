"""Layers of a directed graph: which column a thing is in, and its place in the column."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any

Edge = tuple[Hashable, Hashable]
SWEEPS = 24
_URGENCY = {"call": 0, "release": 1, "dispatch": 2, "": 3, "interact": 4}


def directed(links: Iterable[tuple[Any, Any, str]]) -> list[Edge]:
    """Return links by pattern as (left, right), the urgent ones first.

    A caller stands left of what it calls, so an answer comes back from the right.
    """
    ranked = sorted(links, key=lambda link: _URGENCY[link[2]])
    return [(b, a) if kind == "release" else (a, b) for a, b, kind in ranked if a is not b]


def ranks(items: Sequence[Any], edges: Sequence[Edge]) -> dict[Any, int]:
    """Return the column of every item from 0; an edge that closes a circle asks for nothing."""
    after: dict[Any, list[Any]] = {item: [] for item in items}
    for left, right in edges:
        if not _leads(after, right, left):
            after[left].append(right)
    before: dict[Any, list[Any]] = {item: [] for item in items}
    for left, rights in after.items():
        for right in rights:
            before[right].append(left)
    rank: dict[Any, int] = {}
    for item in _sorted(items, before):
        rank[item] = max((rank[b] + 1 for b in before[item]), default=0)
    return _tightened(rank, before, after)


def _leads(after: Mapping[Any, Sequence[Any]], start: Any, goal: Any) -> bool:
    seen, todo = {start}, [start]
    while todo:
        here = todo.pop()
        if here is goal:
            return True
        fresh = [n for n in after[here] if n not in seen]
        seen.update(fresh)
        todo += fresh
    return False


def _sorted(items: Sequence[Any], before: Mapping[Any, Sequence[Any]]) -> list[Any]:
    done: dict[Any, None] = {}
    while len(done) < len(items):
        ready = [i for i in items if i not in done and all(b in done for b in before[i])]
        done.update(dict.fromkeys(ready))
    return list(done)


def _tightened(
    rank: dict[Any, int],
    before: Mapping[Any, Sequence[Any]],
    after: Mapping[Any, Sequence[Any]],
) -> dict[Any, int]:
    """Move items towards the side where they have more edges, so that these become short.

    What has no edges is spread over the columns.
    """
    for item in reversed(list(rank)):
        if after[item] and len(after[item]) > len(before[item]):
            rank[item] = min(rank[a] for a in after[item]) - 1
    least = min(rank.values(), default=0)
    rank = {item: r - least for item, r in rank.items()}
    alone = [item for item in rank if not before[item] and not after[item]]
    columns = max(rank.values(), default=0) + 1
    columns = max(columns, round(len(alone) ** 0.5)) if len(alone) > 2 else columns
    return rank | {item: i % columns for i, item in enumerate(alone)}


def arranged(layers: list[list[Any]], gaps: Sequence[Sequence[Edge]], fixed: set[int]) -> None:
    """Order every layer in place so that few edges cross; `fixed` layers stay as they are.

    `gaps[i]` holds the edges from layer i to layer i + 1.
    """
    linked = {end for gap in gaps for edge in gap for end in edge}
    for layer in layers:
        layer.sort(key=lambda item: item not in linked)
    best, fewest = [list(layer) for layer in layers], _crossings(layers, gaps)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        numbers = range(len(layers)) if sweep % 2 == 0 else range(len(layers) - 1, -1, -1)
        for number in numbers:
            if number not in fixed:
                _by_barycentre(layers, gaps, number, sweep % 2 == 0, linked)
                _swapped(layers, gaps, number)
        found = _crossings(layers, gaps)
        if found < fewest:
            best, fewest = [list(layer) for layer in layers], found
    for layer, order in zip(layers, best, strict=True):
        layer[:] = order


def _by_barycentre(
    layers: list[list[Any]],
    gaps: Sequence[Sequence[Edge]],
    number: int,
    forward: bool,
    linked: Collection[Any],
) -> None:
    """Sort a layer by the mean place of each item's neighbours in the layer before or behind."""
    other = number - 1 if forward else number + 1
    if not 0 <= other < len(layers):
        return
    place = {item: i for i, item in enumerate(layers[other])}
    near: dict[Any, list[int]] = {}
    for left, right in gaps[min(number, other)]:
        here, there = (right, left) if forward else (left, right)
        near.setdefault(here, []).append(place[there])
    now = {item: float(i) for i, item in enumerate(layers[number])}
    scale = len(layers[other]) / max(1, len(layers[number]))
    middle = {i: sum(n) / len(n) if (n := near.get(i)) else now[i] * scale for i in now}
    middle |= {i: float("inf") for i in now if i not in linked}
    layers[number].sort(key=middle.__getitem__)


def _swapped(layers: list[list[Any]], gaps: Sequence[Sequence[Edge]], number: int) -> None:
    """Swap neighbours in a layer as long as that saves crossings."""
    layer = layers[number]
    touching = [i for i in (number - 1, number) if 0 <= i < len(gaps)]
    now = sum(_crossed(layers, gaps, i) for i in touching)
    for i in range(len(layer) - 1):
        layer[i], layer[i + 1] = layer[i + 1], layer[i]
        then = sum(_crossed(layers, gaps, j) for j in touching)
        if then < now:
            now = then
        else:
            layer[i], layer[i + 1] = layer[i + 1], layer[i]


def _crossings(layers: Sequence[Sequence[Any]], gaps: Sequence[Sequence[Edge]]) -> int:
    return sum(_crossed(layers, gaps, i) for i in range(len(gaps)))


def _crossed(layers: Sequence[Sequence[Any]], gaps: Sequence[Sequence[Edge]], i: int) -> int:
    left = {item: n for n, item in enumerate(layers[i])}
    right = {item: n for n, item in enumerate(layers[i + 1])}
    lines = sorted((left[a], right[b]) for a, b in gaps[i])
    return sum(
        1 for n, (a, b) in enumerate(lines) for c, d in lines[n + 1 :] if a < c and b > d
    )  # fmt: skip
