"""Designs of experiments: which members there are, and where in parameter space each stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale.bridges.sampler import chaos
from manyscale.bridges.sampler.distributions import Distribution, Floats
from manyscale.bridges.sampler.streams import seeds

Integers = NDArray[np.int64]

MOST = 50_000_000  # numbers in a plan
_SOBOL_BITS = 30
_SOBOL_DIMENSIONS = 21201
_SEEDS_SUFFICE = ("mc", "nested", "mlmc")  # where models that draw themselves are sampled
_POINTS, _INNER = 1, 2  # streams of one seed


class Plan(NamedTuple):
    """All members of a design, in ascending order.

    member, outer, inner: (n,), `outer` and `inner` say what a member is for: the row and the
    block of a Saltelli design, the outer and inner sample of a nested one, the pair and which of
    the two in a multilevel one, else the member and 0. level: (n,), 0 but in a multilevel design.
    theta: (n, p), in the units of the parameters. seed: (n,).
    """

    member: Integers
    outer: Integers
    inner: Integers
    level: Integers
    theta: Floats
    seed: Integers


def plan(
    design: str,
    parameters: Sequence[Distribution],
    seed: int,
    *,
    n: int,
    n_outer: int,
    n_inner: int,
    order: int,
) -> Plan:
    """Return the members of a design; of `mlmc` none, since it grows.

    Raises ValueError for what cannot be a design, in one sentence.
    """
    refuse_unfit(design, parameters, n=n, n_outer=n_outer, n_inner=n_inner, order=order)
    if design == "saltelli":
        return _saltelli(parameters, n, seed)
    if design == "nested":
        return _nested(parameters, n_outer, n_inner, seed)
    if design == "pce":
        z = chaos.nodes(parameters, order)
        theta = np.stack([p.from_standard(z[:, k]) for k, p in enumerate(parameters)], axis=1)
        return _simple(theta, seed)
    if design == "mlmc":
        return _simple(np.zeros((0, len(parameters))), seed)
    return _simple(values(parameters, unit_points(design, n, len(parameters), seed)), seed)


def members(design: str, parameters: int, *, n: int, n_outer: int, n_inner: int, order: int) -> int:
    """Return how many members a design has."""
    counts: dict[str, int] = {
        "saltelli": n * (parameters + 2),
        "nested": n_outer * n_inner,
        "pce": (order + 1) ** parameters,
        "mlmc": 0,
    }
    return int(counts.get(design, n))


def refuse_unfit(
    design: str,
    parameters: Sequence[Distribution],
    *,
    n: int,
    n_outer: int,
    n_inner: int,
    order: int,
) -> None:
    """Raise ValueError for settings that make no design, in one sentence."""
    if not parameters and design not in _SEEDS_SUFFICE:
        raise ValueError(f"distributions is empty; the design {design} needs a parameter.")
    if design in ("sobol", "saltelli"):
        _refuse_other_than_powers(design, n)
        if len(parameters) * (2 if design == "saltelli" else 1) > _SOBOL_DIMENSIONS:
            raise ValueError(f"Sobol points have at most {_SOBOL_DIMENSIONS} dimensions.")
    if design == "nested":
        for name, count in (("n_outer", n_outer), ("n_inner", n_inner)):
            if count < 2:
                raise ValueError(f"{name} is {count}; a variance needs at least 2.")
        bare = next((p.name for p in parameters if not p.label), None)
        if bare is not None:
            raise ValueError(
                f"distributions: {bare} has no label; in a nested design each parameter is"
                " aleatory or epistemic."
            )
    if design == "pce":
        _refuse_short_support(parameters, order)
    count = members(design, len(parameters), n=n, n_outer=n_outer, n_inner=n_inner, order=order)
    if count * max(1, len(parameters)) > MOST:
        why = " take sobol points, whose indices come by regression." if design == "pce" else ""
        raise ValueError(f"The design {design} has {count:,} members, too many;{why or ' fewer.'}")


def _refuse_other_than_powers(design: str, n: int) -> None:
    if n & (n - 1):
        below = 1 << (n.bit_length() - 1)
        raise ValueError(
            f"n is {n}, and Sobol points are balanced only in powers of 2; take {below} or"
            f" {2 * below}, or the design lhs or mc."
        )


def _refuse_short_support(parameters: Sequence[Distribution], order: int) -> None:
    for one in parameters:
        if one.kind == "discrete" and len(one.numbers) > order + 1:
            raise ValueError(
                f"{one.name} has {len(one.numbers)} values, and pce_order {order} uses at most"
                f" {order + 1}; raise it to {len(one.numbers) - 1}."
            )


def values(parameters: Sequence[Distribution], u: Floats) -> Floats:
    """Return the parameters (n, p) at points (n, p) of the unit cube."""
    theta = np.empty_like(u)
    for k, parameter in enumerate(parameters):
        theta[:, k] = parameter.from_unit(u[:, k])
    return theta


def generator(seed: int, stream: int) -> np.random.Generator:
    """Return the counter-based generator of one stream of a design."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, stream]))


def unit_points(design: str, n: int, dimensions: int, seed: int) -> Floats:
    """Return n points (n, d) of the open unit cube: `mc`, `lhs` or `sobol` (scrambled).

    Of `mc` the first points of a larger design are those of a smaller one.
    """
    if design == "sobol":
        return sobol_points(n, dimensions, seed)
    random = generator(seed, _POINTS)
    if design == "lhs":
        u = np.empty((n, dimensions))
        for k in range(dimensions):
            u[:, k] = random.permutation(n)
        u += random.random((n, dimensions))
        u /= n
        return np.clip(u, 2.0**-54, 1.0 - 2.0**-53, out=u)
    return np.maximum(random.random((n, dimensions)), 2.0**-54)


def sobol_points(n: int, dimensions: int, seed: int) -> Floats:
    """Return n scrambled Sobol points (n, d): linear matrix scrambling and a shift.

    Matousek, J. Complexity 14 (1998) 527; direction numbers of Joe and Kuo (2008), by scipy.
    """
    from scipy.stats import qmc

    random = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
    engine = qmc.Sobol(dimensions, scramble=True, bits=_SOBOL_BITS, rng=random)
    points: Floats = engine.random(n)
    # half a step keeps 0 away, where a normal distribution ends
    points += 2.0 ** -(_SOBOL_BITS + 1)
    return points


def _simple(theta: Floats, seed: int) -> Plan:
    member = np.arange(len(theta), dtype=np.int64)
    nothing = np.zeros_like(member)
    return Plan(member, member, nothing, nothing, theta, seeds(seed, member, nothing))


def _saltelli(parameters: Sequence[Distribution], n: int, seed: int) -> Plan:
    """Rows of blocks A, B, AB_1 .. AB_p; AB_i is A with the parameter i of B.

    The seed is frozen with A: what a model draws at random counts as one more input.
    """
    p = len(parameters)
    u = sobol_points(n, 2 * p, seed)
    a, b = values(parameters, u[:, :p]), values(parameters, u[:, p:])
    theta = np.repeat(a[:, None, :], p + 2, axis=1)
    theta[:, 1] = b
    for k in range(p):
        theta[:, k + 2, k] = b[:, k]
    outer, inner = _pairs(n, p + 2)
    member = np.arange(n * (p + 2), dtype=np.int64)
    own = (inner == 1).astype(np.int64)
    return Plan(
        member, outer, inner, np.zeros_like(member), theta.reshape(-1, p), seeds(seed, outer, own)
    )


def _nested(parameters: Sequence[Distribution], n_outer: int, n_inner: int, seed: int) -> Plan:
    """Epistemic parameters once per outer sample, aleatory ones and the seed for each inner one."""
    outer, inner = _pairs(n_outer, n_inner)
    slow = unit_points("mc", n_outer, len(parameters), seed)[outer]
    fast = np.maximum(
        generator(seed, _INNER).random((n_outer * n_inner, len(parameters))), 2.0**-54
    )
    held = np.array([p.label == "epistemic" for p in parameters], dtype=bool)
    theta = values(parameters, np.where(held, slow, fast))
    member = np.arange(len(outer), dtype=np.int64)
    return Plan(member, outer, inner, np.zeros_like(member), theta, seeds(seed, outer, inner))


def _pairs(outer: int, inner: int) -> tuple[Integers, Integers]:
    return (
        np.repeat(np.arange(outer, dtype=np.int64), inner),
        np.tile(np.arange(inner, dtype=np.int64), outer),
    )
