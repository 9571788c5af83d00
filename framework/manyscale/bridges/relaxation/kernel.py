"""Fixed points x = G(x) by relaxation and quasi-Newton steps, on explicit state.

>>> options = Options(method="iqn_ils", reuse=8)
>>> memory = begin(np.array([0, n]))            # one field of n numbers; offsets of more fields
>>> for window in range(windows):
...     while True:
...         image = G(x)                        # both solvers, from the start of the window
...         memory = evaluated(options, memory, x, image)
...         if converged(memory, rtol=1e-6, atol=0.0): break
...         x = proposed(options, memory)       # what to try next
...     memory = settled(options, memory)       # the window is over; columns are kept

`Memory` is a NamedTuple of numbers and arrays and nothing else; no function changes one. x and
images are vectors (n,) of float64 with all fields one after the other; field f is
`x[offsets[f]:offsets[f + 1]]`. The residual is r = G(x) - x.

What is returned as converged is x itself, with which both solvers were called last.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale.bridges.relaxation import aitken, quasi_newton

Array = NDArray[Any]

LARGE = 1024
"""Unknowns above which the Gram matrix of the columns is kept instead of orthogonalising them."""
_LEAST = 1e-3  # of norm(G(x)): a field that begins nearer than this has room to move


class Options(NamedTuple):
    """How to accelerate; see the settings of the bridge."""

    method: str = "iqn_ils"  # fixed, aitken, anderson, iqn_ils
    omega0: float = 0.5
    max_columns: int = 50
    reuse: int = 8
    filter_eps: float = 1e-3
    damping: float = 1.0
    scales: tuple[float, ...] = ()  # per field, of one number; empty: from residuals


class Memory(NamedTuple):
    """What an accelerator remembers. Columns are rows here, newest first."""

    window: int
    tried: int  # evaluations in this window
    omega: float  # the relaxation factor of the last step
    first: Array  # (field,) norm of the first residual of this window, or what growth begins at
    scales: Array  # (field,) largest norm of a first residual of a window
    offsets: Array  # (field + 1,) int64
    x: Array  # (n,) last evaluated
    image: Array  # (n,) G(x)
    residual: Array  # (n,)
    before: Array  # (n,) residual of the evaluation before in this window
    V_now: Array  # (k, n) differences of residuals in this window
    X_now: Array  # (k, n) differences of x in this window
    V_past: Array  # (p, n) those of earlier windows
    X_past: Array  # (p, n)
    born: Array  # (p,) int64, the windows these are from
    gram: Array  # (field, k + p, k + p) products of V, empty for few unknowns


def begin(offsets: Array) -> Memory:
    """Return an empty memory for fields at these offsets (field + 1,)."""
    offsets = np.asarray(offsets, np.int64)
    n, fields = int(offsets[-1]), len(offsets) - 1
    none, zero, empty = np.empty((0, n)), np.zeros(fields), np.empty(0)
    return Memory(
        0, 0, 0.0, zero, zero, offsets, empty, empty, empty, empty,
        none, none, none, none, np.empty(0, np.int64), np.zeros((fields, 0, 0)),
    )  # fmt: skip


def evaluated(options: Options, memory: Memory, x: Array, image: Array) -> Memory:
    """Take an evaluation: x and image G(x), both (n,)."""
    residual, again = image - x, memory.tried > 0
    if again and options.method in ("anderson", "iqn_ils"):
        memory = _with_column(options, memory, residual - memory.residual, x - memory.x)
    if not again:
        first = norms(residual, memory.offsets)
        least = _LEAST * norms(image, memory.offsets)
        memory = memory._replace(
            first=np.maximum(first, least), scales=np.maximum(memory.scales, first)
        )
    return memory._replace(
        tried=memory.tried + 1,
        omega=_omega(options, memory, residual),
        x=x,
        image=image,
        residual=residual,
        before=memory.residual if again else np.zeros_like(residual),
    )


def norms(values: Array, offsets: Array) -> Array:
    """Return the Euclidean norm of every field of `values` (n,)."""
    return np.sqrt([float(np.dot(part, part)) for part in fields_of(values, offsets)])


def fields_of(values: Array, offsets: Array) -> list[Array]:
    """Return the part of every field of `values` (..., n)."""
    ends = offsets.tolist()
    return [values[..., a:b] for a, b in pairwise(ends)]


def ratios(memory: Memory) -> Array:
    """Return norm(r) / norm(G(x)) of every field; 0 where the residual is zero."""
    r = norms(memory.residual, memory.offsets)
    image = norms(memory.image, memory.offsets)
    return np.divide(r, image, out=np.where(r > 0.0, np.inf, 0.0), where=image > 0.0)


def converged(memory: Memory, rtol: float, atol: float) -> bool:
    """Return whether every field is there: rms(r) <= max(rtol rms(G(x)), atol)."""
    r = norms(memory.residual, memory.offsets)
    image = norms(memory.image, memory.offsets)
    sizes = np.sqrt(np.diff(memory.offsets))
    return bool((r <= np.maximum(rtol * image, atol * sizes)).all())


def growth(memory: Memory) -> float:
    """Return the largest norm of a field's residual over its first one in this window.

    A first residual below a thousandth of G(x) counts as that: a guess that fits one field by
    chance, as y = A(x) does in parallel, is no measure of divergence.
    """
    r = norms(memory.residual, memory.offsets)
    known = memory.first > 0.0
    return float((r[known] / memory.first[known]).max(initial=0.0))


def proposed(options: Options, memory: Memory) -> Array:
    """Return the x (n,) to evaluate next."""
    if options.method in ("fixed", "aitken"):
        return memory.x + memory.omega * memory.residual
    anderson = options.method == "anderson"
    c, left = _least_squares(options, memory)
    if not c.any():
        return memory.x + (options.damping if anderson else options.omega0) * memory.residual
    # G(x) + W c, with less round-off where images are far larger than x
    step = _combined(c, memory.X_now, memory.X_past)
    return memory.x + step + (options.damping if anderson else 1.0) * left


def settled(options: Options, memory: Memory) -> Memory:
    """Close a window: keep the columns of the last `reuse` windows that the filter keeps."""
    memory = _with_columns_for_later(options, memory)
    return memory._replace(window=memory.window + 1, tried=0)


def extrapolated(past: Array, order: int) -> Array:
    """Return the polynomial of this order through solutions `past` (window, n), newest first."""
    weights = ((1.0,), (2.0, -1.0), (3.0, -3.0, 1.0))[min(order, len(past) - 1)]
    return np.asarray(np.asarray(weights) @ past[: len(weights)])


def _omega(options: Options, memory: Memory, residual: Array) -> float:
    if options.method != "aitken":
        return options.omega0
    if memory.tried == 0:
        last, omega0 = memory.omega, options.omega0
        return omega0 if last == 0.0 else float(np.copysign(min(abs(last), omega0), last))
    w = weights(options, memory)
    return aitken.factor(memory.omega, w * memory.residual, w * residual)


def weights(options: Options, memory: Memory) -> Any:
    """Return what residuals are multiplied with: (n,), or 1.0 for a single field."""
    if len(memory.offsets) == 2:
        return 1.0
    return np.repeat(_field_weights(options, memory), np.diff(memory.offsets))


def _field_weights(options: Options, memory: Memory) -> Array:
    scales = memory.scales
    if options.scales:
        scales = np.asarray(options.scales) * np.sqrt(np.diff(memory.offsets))
    return 1.0 / np.where(scales > 0.0, scales, 1.0)


def _with_column(options: Options, memory: Memory, v: Array, change: Array) -> Memory:
    """Put differences of residuals and of x (n,) before all others."""
    now = options.max_columns - 1
    past = max(now - len(memory.V_now), 0)
    V_now, X_now = memory.V_now[:now], memory.X_now[:now]
    V_past, X_past = memory.V_past[:past], memory.X_past[:past]
    gram = memory.gram
    if len(v) > LARGE:
        gram = _with_products(memory, v, V_now, V_past)
    return memory._replace(
        V_now=np.concatenate((v[None], V_now)),
        X_now=np.concatenate((change[None], X_now)),
        V_past=V_past,
        X_past=X_past,
        born=memory.born[:past],
        gram=gram,
    )


def _with_products(memory: Memory, v: Array, V_now: Array, V_past: Array) -> Array:
    """Return the Gram matrices (field, k, k) with v as the first column."""
    k = 1 + len(V_now) + len(V_past)
    gram = np.empty((len(memory.offsets) - 1, k, k))
    gram[:, 1:, 1:] = memory.gram[:, : k - 1, : k - 1]
    pieces = (fields_of(part, memory.offsets) for part in (v[None], V_now, V_past))
    for f, ((own,), *others) in enumerate(zip(*pieces, strict=True)):
        gram[f, 0] = gram[f, :, 0] = np.concatenate(
            [own @ own[:, None], *(p @ own for p in others)]
        )
    return gram


def _least_squares(options: Options, memory: Memory) -> tuple[Array, Array]:
    """Return c (k + p,) with |V c + r| least in the scaled norm, and V c + r (n,).

    Columns that the filter drops have c = 0.
    """
    count = len(memory.V_now) + len(memory.V_past)
    c, eps = np.zeros(count), options.filter_eps if options.method == "iqn_ils" else 0.0
    if count == 0:
        return c, memory.residual
    if memory.residual.size > LARGE:
        return _by_products(options, memory, eps)
    w = weights(options, memory)
    V = np.concatenate((memory.V_now, memory.V_past))
    some, kept = quasi_newton.coefficients(V * w, w * memory.residual, eps)
    c[kept] = some
    return c, memory.residual + c @ V


def _by_products(options: Options, memory: Memory, eps: float) -> tuple[Array, Array]:
    """Return the same by the normal equations, refined once."""
    gram = _scaled_gram(options, memory)
    R, kept = quasi_newton.factorised(gram, eps)
    w, c = weights(options, memory), np.zeros(len(gram))
    left = memory.residual
    for _ in range(2):
        weighted = w * w * left
        b = np.concatenate((memory.V_now @ weighted, memory.V_past @ weighted))
        change = np.zeros_like(c)
        change[kept] = -quasi_newton.solved(R, b[kept])
        c += change
        left = left + _combined(change, memory.V_now, memory.V_past)
    return c, left


def _scaled_gram(options: Options, memory: Memory) -> Array:
    """Return the products (k + p, k + p) of the scaled columns."""
    if len(memory.offsets) == 2:
        return np.asarray(memory.gram[0])
    return np.asarray(np.tensordot(_field_weights(options, memory) ** 2, memory.gram, 1))


def _combined(c: Array, now: Array, past: Array) -> Array:
    """Return the columns times c: (n,)."""
    return np.asarray(c[: len(now)] @ now + c[len(now) :] @ past)


def _with_columns_for_later(options: Options, memory: Memory) -> Memory:
    n = int(memory.offsets[-1])
    if options.method != "iqn_ils" or options.reuse == 0:
        return _without_columns(memory, n)
    born = np.concatenate((np.full(len(memory.V_now), memory.window), memory.born))
    kept = np.flatnonzero(born > memory.window - options.reuse)
    kept = np.intersect1d(kept, _independent(options, memory))
    if len(memory.V_now) == 0 and len(kept) == len(born):
        return memory
    now, past = kept[kept < len(memory.V_now)], kept[kept >= len(memory.V_now)] - len(memory.V_now)
    return memory._replace(
        V_now=np.empty((0, n)),
        X_now=np.empty((0, n)),
        V_past=np.concatenate((memory.V_now[now], memory.V_past[past])),
        X_past=np.concatenate((memory.X_now[now], memory.X_past[past])),
        born=born[kept],
        gram=memory.gram[:, kept[:, None], kept] if n > LARGE else memory.gram,
    )


def _independent(options: Options, memory: Memory) -> Array:
    """Return the columns the filter keeps, ascending."""
    count = len(memory.V_now) + len(memory.V_past)
    if count == 0:
        return np.empty(0, np.int64)
    if memory.residual.size > LARGE:
        return quasi_newton.factorised(_scaled_gram(options, memory), options.filter_eps)[1]
    V = np.concatenate((memory.V_now, memory.V_past)) * weights(options, memory)
    return quasi_newton.orthogonalised(V, options.filter_eps)[2]


def _without_columns(memory: Memory, n: int) -> Memory:
    none, fields = np.empty((0, n)), len(memory.offsets) - 1
    return memory._replace(
        V_now=none, X_now=none, V_past=none, X_past=none, born=np.empty(0, np.int64),
        gram=np.zeros((fields, 0, 0)),
    )  # fmt: skip
