"""The linear problem of the pseudo-temperature: synthetic acceleration and GMRES.

What scattering emits must be what it absorbs, div q = sources: one equation per cell, in which the
distribution appears only through sweeps. The correction of a residual is found in the eigenbasis
of the cells, where the unbounded problem is diagonal: with kappa = (2/h) tan(k h/2) for diamond
differences, a mode answers a wave of temperature with atan(kappa Lambda)/(kappa Lambda) of it. For
long waves this is the diffusion step of diffusion-synthetic acceleration; for short ones it
remains right, whatever the spread of the mean free paths. Larsen and Morel, in: Nuclear
Computational Science (2010) 1, section 1.6; Adams and Larsen, Progress in Nuclear Energy 40
(2002) 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.mass_diffusion import modes
from manyscale_plugins.mass_diffusion.modes import Axis

Floats = NDArray[np.float64]

_ROUND = 1e-9  # smallest reduction asked of one GMRES; the rest is refinement with a new residual
_KRYLOV = 80  # vectors kept


class Options(NamedTuple):
    """How the linear problem is solved, and when that is enough."""

    solver: str  # dsa_gmres, gmres, source_iteration
    tol: float
    max_iter: int


class Balance(NamedTuple):
    """Heat that cells miss (n,) [K], and that heat over what the domain exchanges [1]."""

    residual: Floats
    imbalance: float


def symbol(axes: Sequence[Axis], free_path: Floats, share: Floats, lost: Floats) -> Floats:
    """Return what a wave of temperature loses by transport, one number per basis function.

    `share` (mode,) is the part of a mode in the exchange, summing to 1, `lost` (mode,) the part of
    its emission that is kept from coming back (0 when steady).
    """
    square: Floats = np.zeros(())
    for axis in axes:
        own = modes.eigenvalues(axis)
        stretched = own / np.maximum(1.0 - 0.25 * axis.size**2 * own, 1e-12)
        square = np.add.outer(square, stretched)
    kappa = np.sqrt(square)
    found = np.zeros(kappa.shape)
    for path, part, gone in _gathered(free_path, share, lost):
        found += part * (gone + (1.0 - gone) * _transported(kappa * path))
    return np.where(found > 1e-14, found, 1.0)


def _gathered(free_path: Floats, share: Floats, lost: Floats) -> list[Floats]:
    """Return fewer modes (group, 3), ten to a decade of mean free paths: means by share."""
    decile = np.round(10.0 * np.log10(free_path)).astype(np.int64)
    _, group = np.unique(decile, return_inverse=True)
    parts = np.bincount(group, share)
    means = [np.bincount(group, share * of) / parts for of in (free_path, lost)]
    return list(np.column_stack((means[0], parts, means[1])))


def _transported(x: Floats) -> Floats:
    """Return 1 - atan(x)/x; its series where that would cancel."""
    large = np.maximum(x, 1e-2)
    return np.where(x > 1e-2, 1.0 - np.arctan(large) / large, x**2 / 3.0 - x**4 / 5.0)


def correction(
    axes: Sequence[Axis], losses: Floats, mirrored: tuple[int, ...] = ()
) -> Callable[[Floats], Floats]:
    """Return the map from what cells miss to the temperature that makes up for it.

    Array axes named in `mirrored` run from the high end of their axis to the low one.
    """
    shape = losses.shape

    def corrected(missing: Floats) -> Floats:
        waves: Floats = np.flip(missing.reshape(shape), mirrored)
        for along, axis in enumerate(axes):
            waves = modes.forward(waves, axis.boundary, along)
        waves = waves / losses
        for along, axis in enumerate(axes):
            waves = modes.backward(waves, axis.boundary, along)
        return np.asarray(np.flip(waves, mirrored).ravel())

    return corrected


class _Counted:
    """Counts sweeps, and refuses more than are allowed."""

    def __init__(self, balance: Callable[[Floats, bool], Balance], options: Options) -> None:
        self._balance, self.options = balance, options
        self.sweeps = 0
        self.worst = np.inf

    def of(self, unknown: Floats) -> Balance:
        """Return the balance of the driven problem, and remember how good it is."""
        self._count()
        found = self._balance(unknown, True)
        self.worst = found.imbalance
        if not np.isfinite(self.worst):
            raise ValueError(
                f"the balance of the phonons is {self.worst} after {self.sweeps} sweeps: see modes"
                " and walls for values that are far too large or too small"
            )
        return found

    def homogeneous(self, unknown: Floats) -> Floats:
        """Return A x: what cells gain from x alone, with the sign of a loss."""
        self._count()
        return -self._balance(unknown, False).residual

    def _count(self) -> None:
        if self.sweeps >= self.options.max_iter:
            raise ValueError(not_converged(self.options, self.worst))
        self.sweeps += 1


def not_converged(options: Options, residual: float) -> str:
    """Return the sentence for an iteration that did not arrive."""
    better = "a larger max_iter or tol" if options.solver == "dsa_gmres" else "solver dsa_gmres"
    return (
        f"the phonons are not in balance after {options.max_iter} sweeps: the residual is"
        f" {residual:.3g}, expected {options.tol:g}: choose {better}"
    )


def solve(
    balance: Callable[[Floats, bool], Balance],
    corrected: Callable[[Floats], Floats],
    x: Floats,
    options: Options,
) -> tuple[Floats, float, int]:
    """Return the unknown (n,) K that balances, the imbalance left, and the sweeps it took.

    `x` is the first guess; `balance(x, driven)` sweeps once, with all that drives the problem or
    with x alone. Raises ValueError with the residual when `max_iter` sweeps do not do.
    """
    counted = _Counted(balance, options)
    found = counted.of(x)
    while not found.imbalance <= options.tol:  # nan is no balance
        x = x + _step(counted, corrected, found, options)
        found = counted.of(x)
    return x, found.imbalance, counted.sweeps


def _step(
    counted: _Counted, corrected: Callable[[Floats], Floats], found: Balance, options: Options
) -> Floats:
    if options.solver == "source_iteration":
        return found.residual
    before = corrected if options.solver == "dsa_gmres" else _as_it_is
    reduction = max(_ROUND, 0.1 * options.tol / found.imbalance)
    return _gmres(counted, before, found.residual, reduction)


def _as_it_is(values: Floats) -> Floats:
    return values


def _gmres(
    counted: _Counted, before: Callable[[Floats], Floats], right: Floats, reduction: float
) -> Floats:
    from scipy.sparse.linalg import LinearOperator, gmres

    def product(x: Floats) -> Floats:
        return before(counted.homogeneous(x))

    operator = LinearOperator((right.size, right.size), matvec=product, dtype=np.float64)
    x, _ = gmres(operator, before(right), rtol=reduction, restart=_KRYLOV, maxiter=1)
    return np.asarray(x)
