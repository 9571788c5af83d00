"""Partitions by order in space: recursive coordinate bisection and the Hilbert curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from manyscale.bridges.partition.items import Items

Floats = NDArray[np.float64]
Parts = NDArray[np.int32]


def recursive_bisection(items: Items, count: int) -> Parts:
    """Halve the longest side of the box around the items, by load, until all parts are there.

    Berger and Bokhari, IEEE Transactions on Computers C-36 (1987) 570.
    """
    parts = np.zeros(len(items.ids), dtype=np.int32)
    _bisect(items.position, items.weights, np.arange(len(items.ids)), 0, count, parts)
    return parts


def _bisect(
    position: Floats, weights: Floats, some: NDArray[np.intp], first: int, count: int, parts: Parts
) -> None:
    if count == 1 or not len(some):
        parts[some] = first
        return
    axis = int(np.argmax(np.ptp(position[some], axis=0)))
    some = some[np.argsort(position[some, axis], kind="stable")]
    left = count // 2
    cut = _cut(weights[some], left / count, left, count - left)
    _bisect(position, weights, some[:cut], first, left, parts)
    _bisect(position, weights, some[cut:], first + left, count - left, parts)


def _cut(weights: Floats, share: float, left: int, right: int) -> int:
    """Return after how many items the load comes nearest to its share.

    No part stays empty while there are items enough.
    """
    total = np.concatenate([[0.0], np.cumsum(weights)])
    wanted = share * total[-1]
    cut = int(np.searchsorted(total, wanted))
    if cut > 0 and wanted - total[cut - 1] <= total[min(cut, len(weights))] - wanted:
        cut -= 1
    low = min(left, len(weights))
    return (
        max(low, min(cut, len(weights) - right)) if len(weights) >= left + right else min(cut, low)
    )


def hilbert(items: Items, count: int) -> Parts:
    """Cut the Hilbert curve through the items into pieces of equal load."""
    order = np.argsort(hilbert_keys(items.position), kind="stable")
    weights = items.weights[order]
    middle = np.cumsum(weights) - 0.5 * weights
    pieces = np.minimum((middle / weights.sum() * count).astype(np.int32), count - 1)
    parts = np.empty(len(order), dtype=np.int32)
    parts[order] = pieces
    return parts


def hilbert_keys(position: Floats) -> NDArray[np.uint64]:
    """Return the places (n,) of points (n, d) along the Hilbert curve of their box.

    J. Skilling, AIP Conference Proceedings 707 (2004) 381.
    """
    count, dimensions = position.shape
    bits = min(31, 62 // dimensions)
    low = position.min(axis=0, initial=np.inf)
    extent = max(float(np.max(position.max(axis=0, initial=-np.inf) - low, initial=0.0)), 1e-300)
    top = np.uint64(2**bits - 1)
    cells = ((position - low) / extent * float(top)).astype(np.uint64)
    x = [np.minimum(cells[:, axis], top) for axis in range(dimensions)]
    _transpose(x, bits)
    keys = np.zeros(count, dtype=np.uint64)
    for bit in range(bits - 1, -1, -1):
        for axis in range(dimensions):
            keys = (keys << np.uint64(1)) | ((x[axis] >> np.uint64(bit)) & np.uint64(1))
    return keys


def _transpose(x: list[NDArray[np.uint64]], bits: int) -> None:
    """Turn coordinates into the transposed Hilbert index, in place."""
    one = np.uint64(1)
    for bit in range(bits - 1, 0, -1):
        mask = (one << np.uint64(bit)) - one
        for axis in range(len(x)):
            inverts = (x[axis] >> np.uint64(bit)) & one > 0
            swap = np.where(inverts, np.uint64(0), (x[0] ^ x[axis]) & mask)
            x[0] = np.where(inverts, x[0] ^ mask, x[0] ^ swap)
            if axis:
                x[axis] = x[axis] ^ swap
    for axis in range(1, len(x)):
        x[axis] = x[axis] ^ x[axis - 1]
    parity = np.zeros_like(x[0])
    for bit in range(bits - 1, 0, -1):
        mask = (one << np.uint64(bit)) - one
        parity = np.where((x[-1] >> np.uint64(bit)) & one > 0, parity ^ mask, parity)
    for axis in range(len(x)):
        x[axis] = x[axis] ^ parity
