"""The graph of items that are neighbours, and its partition by METIS."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from manyscale.bridges.partition.items import Items

_TOTAL = 10**9  # whole-number weights of METIS must stay below 2**31 in sum
_FEW = 20_000  # so many items may be cut several times, for the best


def neighbours(items: Items) -> NDArray[np.int64]:
    """Return the edges (edge, 2) as given, or to the 2 d nearest items."""
    if items.edges is not None:
        return items.edges
    from scipy.spatial import cKDTree

    count, dimensions = items.position.shape
    near = min(2 * dimensions + 1, count)
    _, found = cKDTree(items.position).query(items.position, k=near)
    found = np.asarray(found).reshape(count, near)
    pairs = np.stack([np.repeat(np.arange(count), near), found.ravel()], axis=1)
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    return np.unique(pairs, axis=0)


def metis(items: Items, count: int) -> NDArray[np.int32]:
    """Cut few edges under equal load (Karypis and Kumar, SIAM J. Sci. Comput. 20 (1998) 359).

    Raises ValueError if pymetis is not installed.
    """
    try:
        import pymetis
    except ImportError:
        raise ValueError(
            "method: metis needs pymetis; pip install manyscale[partition], or take rcb"
        ) from None

    number = len(items.ids)
    if number <= count:
        return np.arange(number, dtype=np.int32)
    start, targets = _compressed(neighbours(items), number)
    weights = items.weights
    whole = np.maximum(1, np.rint(weights * (_TOTAL / weights.sum()))).astype(np.int64)
    graph = pymetis.CSRAdjacency(start.tolist(), targets.tolist())
    best_of = pymetis.Options(ncuts=8 if number <= _FEW else 1, seed=1)
    _, parts = pymetis.part_graph(
        count, graph, vweights=whole.tolist(), recursive=False, options=best_of
    )
    return np.asarray(parts, dtype=np.int32)


def _compressed(
    edges: NDArray[np.int64], number: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the neighbours of every item start, and all neighbours."""
    both = np.concatenate([edges, edges[:, ::-1]])
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    start = np.searchsorted(both[:, 0], np.arange(number + 1))
    return start.astype(np.int64), both[:, 1]
