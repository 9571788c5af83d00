"""Least squares over the columns of a quasi-Newton step, newest columns first, with a QR filter.

Columns are the rows of `V`, (k, n): they lie contiguously in memory. A column is dropped when
what is left of it beside all newer kept ones is shorter than `eps` times its own length.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

Array = NDArray[Any]

SMALLEST = 1e-10
"""Round-off: no filter is finer when the columns themselves are orthogonalised."""
SMALLEST_GRAM = 1e-6
"""The same for the Gram matrix, which squares the lengths."""


def orthogonalised(V: Array, eps: float) -> tuple[Array, Array, Array]:
    """Return (Q, R, kept): V[kept].T = Q R with Q (n, m), R (m, m), kept (m,) ascending."""
    eps, lengths = max(eps, SMALLEST), np.sqrt(np.einsum("ij,ij->i", V, V))
    if len(V) <= V.shape[1]:
        Q, R = np.linalg.qr(V.T)
        if (np.abs(np.diag(R)) > eps * lengths).all():
            return Q, R, np.arange(len(V))
    return _one_by_one(V, lengths, eps)


def _one_by_one(V: Array, lengths: Array, eps: float) -> tuple[Array, Array, Array]:
    """Orthogonalise newest first by Gram-Schmidt, twice for accuracy, leaving out columns."""
    most = min(V.shape)
    kept: list[int] = []
    Q, R = np.empty((most, V.shape[1])), np.zeros((most, most))
    for i, v in enumerate(V):
        m = len(kept)
        if m == most:
            break
        along = Q[:m] @ v
        rest = v - along @ Q[:m]
        again = Q[:m] @ rest
        rest -= again @ Q[:m]
        left = float(np.sqrt(rest @ rest))
        if left > eps * lengths[i]:
            R[:m, m], R[m, m], Q[m] = along + again, left, rest / left
            kept.append(i)
    m = len(kept)
    return Q[:m].T, R[:m, :m], np.array(kept, np.int64)


def coefficients(V: Array, r: Array, eps: float) -> tuple[Array, Array]:
    """Return (c, kept) with c = argmin |V[kept].T c + r|; V (k, n) and r (n,) are scaled."""
    Q, R, kept = orthogonalised(V, eps)
    return solve_triangular(R, -(Q.T @ r)), kept


def factorised(gram: Array, eps: float) -> tuple[Array, Array]:
    """Return (R, kept): gram[kept, kept] = R.T R with R (m, m) upper, by the same filter."""
    eps, own = max(eps, SMALLEST_GRAM), np.diag(gram)
    kept: list[int] = []
    R = np.zeros_like(gram)
    for i in range(len(gram)):
        m = len(kept)
        along = solve_triangular(R[:m, :m], gram[kept, i], trans="T") if m else np.empty(0)
        left = float(own[i] - along @ along)
        if left > eps**2 * own[i]:
            R[:m, m], R[m, m] = along, np.sqrt(left)
            kept.append(i)
    m = len(kept)
    return R[:m, :m], np.array(kept, np.int64)


def solved(R: Array, b: Array) -> Array:
    """Return (R.T R)^-1 b."""
    below: Array = solve_triangular(R, b, trans="T")
    return np.asarray(solve_triangular(R, below))
