"""Diffusive rebalance: load flows between neighbouring parts, and border items carry it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from manyscale.bridges.partition.graph import neighbours
from manyscale.bridges.partition.items import Items

Parts = NDArray[np.int32]
Floats = NDArray[np.float64]

_ROUNDS = 30
_EVEN = 1.01  # max/mean at which the rounds end


def diffusive(items: Items, old: Parts, count: int) -> Parts:
    """Return the parts after load has flowed until it is even, or cannot flow further."""
    edges, weights, parts = neighbours(items), items.weights, old.copy()
    best, best_top = parts, np.inf
    for _ in range(_ROUNDS):
        load = np.bincount(parts, weights, minlength=count).astype(np.float64)
        if load.max() < best_top:
            best, best_top = parts, load.max()
        if load.max() <= _EVEN * load.mean():
            break
        moved = _carried(items.position, weights, parts, _flows(load, _borders(parts, edges)))
        if np.array_equal(moved, parts):
            break
        parts = moved
    return best


def _borders(parts: Parts, edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pairs of parts (pair, 2) that items beside each other belong to."""
    pairs = np.sort(parts[edges].astype(np.int64), axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)


def _flows(load: Floats, borders: NDArray[np.int64]) -> list[tuple[float, int, int]]:
    """Return (load, from, to) that makes loads equal with the least flow in all.

    The limit of first-order diffusion (Cybenko, J. Parallel Distrib. Comput. 7 (1989) 279): flows
    are differences of a potential that solves the graph's Laplace equation (Hu and Blake 1999).
    """
    count = len(load)
    laplacian = np.zeros((count, count))
    a, b = borders[:, 0], borders[:, 1]
    laplacian[a, b] = laplacian[b, a] = -1.0
    laplacian[np.diag_indices(count)] = -laplacian.sum(axis=1)
    potential = np.linalg.lstsq(laplacian, load - load.mean(), rcond=None)[0]
    flows = (potential[a] - potential[b]).tolist()
    return [
        (abs(flow), int(i), int(j)) if flow > 0 else (abs(flow), int(j), int(i))
        for flow, i, j in zip(flows, a, b, strict=True)
    ]


def _carried(
    position: Floats, weights: Floats, parts: Parts, flows: list[tuple[float, int, int]]
) -> Parts:
    """Return the parts after the items nearest to the receiving part have carried the flows."""
    moved = parts.copy()
    for flow, giver, taker in sorted(flows, key=lambda f: (-f[0], f[1], f[2])):
        there = position[moved == taker]
        some = np.flatnonzero((moved == giver) & (parts == giver))
        if len(some) < 2:
            continue
        middle = position[moved == giver].mean(axis=0)
        away = (there.mean(axis=0) if len(there) else middle) - middle
        some = some[np.argsort(-(position[some] @ away), kind="stable")]
        carried = np.cumsum(weights[some]) - 0.5 * weights[some]
        moved[some[carried < flow][: len(some) - 1]] = taker
    return moved
