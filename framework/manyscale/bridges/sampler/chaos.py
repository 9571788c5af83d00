"""Polynomial chaos: orthonormal polynomials of the parameters, tensor and total order.

f = sum_a c_a Phi_a, Phi_a = prod_k phi_{a_k}(z_k), orthonormal for the distribution of z:
Legendre for uniform, Hermite for normal and lognormal (of the logarithm), polynomials on the
support for discrete parameters. Xiu and Karniadakis, SIAM J. Sci. Comput. 24 (2002) 619; indices
from coefficients: Sudret, Reliab. Eng. Syst. Saf. 93 (2008) 964.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.polynomial import hermite_e, legendre
from numpy.typing import NDArray

from manyscale.bridges.sampler.distributions import Distribution, Floats

Integers = NDArray[np.int64]
_SPARE = 2.0  # samples per coefficient of a regression, at least
_WORK = 1e9  # products spent on one factorisation
_PERFECT = 1.0 - 1e-6  # part of the variance beyond which a higher order is not worth its work
_DEPENDENT = 1e-6  # length of a column that is left beside the others
_ENOUGH = 4096  # samples a regression looks at; of Sobol points the first ones are a design too


class Fit(NamedTuple):
    """A polynomial chaos by regression.

    powers: (terms, p), coefficients: (terms, q), order: total order. q2: (q,), the part of the
    variance that is predicted for samples left out. lever: (n, terms) and left_out: (n, q), whose
    product is what each sample moves the coefficients by.
    """

    powers: Integers
    coefficients: Floats
    q2: Floats
    lever: Floats
    left_out: Floats
    order: int


def gauss(parameter: Distribution, order: int) -> tuple[Floats, Floats]:
    """Return nodes (m,) and weights (m,) that integrate polynomials of degree 2 order + 1.

    A discrete parameter has its values for nodes, and is integrated exactly.
    """
    if parameter.kind == "discrete":
        return np.asarray(parameter.numbers), np.asarray(parameter.weights)
    if parameter.kind == "uniform":
        z, w = legendre.leggauss(order + 1)
        return z, 0.5 * w
    z, w = hermite_e.hermegauss(order + 1)
    return z, w / math.sqrt(2.0 * math.pi)


def nodes(parameters: Sequence[Distribution], order: int) -> Floats:
    """Return the tensor grid of Gauss nodes (n, p), the last parameter running fastest."""
    lines = [gauss(parameter, order)[0] for parameter in parameters]
    grid = np.meshgrid(*lines, indexing="ij")
    return np.stack([axis.ravel() for axis in grid], axis=1)


def basis(parameter: Distribution, order: int, z: Floats) -> Floats:
    """Return orthonormal polynomials (n, m) of one parameter at z (n,); m is at most order + 1."""
    if parameter.kind == "discrete":
        return _on_support(parameter, order, z)
    if parameter.kind == "uniform":
        return _recurrence(z, [math.sqrt(4.0 - 1.0 / j**2) for j in range(1, order + 1)])
    return _recurrence(z, [1.0 / math.sqrt(j) for j in range(1, order + 1)])


def _recurrence(z: Floats, scales: Sequence[float]) -> Floats:
    """Return orthonormal polynomials by z p_j = b_j+1 p_j+1 + b_j p_j-1, with 1/b as `scales`."""
    rows = np.empty((len(scales) + 1, len(z)))
    rows[0] = 1.0
    for j, scale in enumerate(scales):
        rows[j + 1] = scale * z * rows[j]
        if j:
            rows[j + 1] -= scale / scales[j - 1] * rows[j - 1]
    return rows.T


def _on_support(parameter: Distribution, order: int, z: Floats) -> Floats:
    x, w = gauss(parameter, order)
    centre, width = float(x.mean()), float(np.ptp(x)) or 1.0
    powers = np.vander((x - centre) / width, min(order + 1, len(x)), increasing=True)
    upper = np.linalg.qr(np.sqrt(w)[:, None] * powers, mode="r")
    upper *= np.sign(np.diag(upper))[:, None]
    at = np.vander((z - centre) / width, powers.shape[1], increasing=True)
    return np.asarray(np.linalg.solve(upper.T, at.T).T)


def projected(parameters: Sequence[Distribution], order: int, y: Floats) -> Floats:
    """Return the coefficients (m_1, ..., m_p, q) of values y (n, q) on the tensor grid."""
    shape = [len(gauss(parameter, order)[0]) for parameter in parameters]
    found = y.reshape(*shape, -1)
    for parameter in parameters:
        z, w = gauss(parameter, order)
        matrix = basis(parameter, order, z) * w[:, None]
        # the axis in front goes behind the others, before q
        found = np.moveaxis(np.tensordot(matrix, found, (0, 0)), 0, -2)
    return found


def within(shape: Sequence[int], order: int) -> NDArray[np.bool_]:
    """Return which coefficients of a tensor are of total order `order` or less."""
    total = sum(np.ogrid[tuple(slice(0, m) for m in shape)])
    return np.asarray(total <= order)


def flat(tensor: Floats, order: int | None = None) -> tuple[Integers, Floats]:
    """Return powers (terms, p) and coefficients (terms, q), all or those of a total order."""
    shape = tensor.shape[:-1]
    kept = np.ones(shape, bool) if order is None else within(shape, order)
    return np.argwhere(kept), tensor[kept]


def moments(powers: Integers, coefficients: Floats) -> tuple[Floats, Floats]:
    """Return mean and variance (q,)."""
    constant = ~powers.any(axis=1)
    mean = coefficients[constant].sum(axis=0)
    return mean, np.square(coefficients[~constant]).sum(axis=0)


def indices(powers: Integers, coefficients: Floats) -> tuple[Floats, Floats]:
    """Return first-order and total Sobol indices (q, p); NaN where the variance is 0."""
    parts = np.square(coefficients)
    counts = np.count_nonzero(powers, axis=1)
    variance = parts[counts > 0].sum(axis=0)
    involved = powers > 0
    alone = involved & (counts == 1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        first = parts.T @ alone / variance[:, None]
        total = parts.T @ involved / variance[:, None]
    return first, total


def interaction(powers: Integers, coefficients: Floats, group: Sequence[int]) -> Floats:
    """Return the Sobol index (q,) of exactly this group of parameters together."""
    wanted = np.zeros(powers.shape[1], bool)
    wanted[list(group)] = True
    parts = np.square(coefficients)
    exactly = ((powers > 0) == wanted).all(axis=1)
    variance = parts[powers.any(axis=1)].sum(axis=0)
    return np.asarray(parts[exactly].sum(axis=0) / variance)


def total_order(limits: Sequence[int], order: int) -> Integers:
    """Return all powers (terms, p) of total order up to `order`, each below its limit."""
    rows = [()] if not limits else None
    if rows is None:
        rows = [
            (first, *rest)
            for first in range(min(limits[0], order + 1))
            for rest in map(tuple, total_order(limits[1:], order - first).tolist())
        ]
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(limits))


def design_matrix(parameters: Sequence[Distribution], theta: Floats, powers: Integers) -> Floats:
    """Return the polynomials (n, terms) at parameters theta (n, p)."""
    matrix = np.ones((len(theta), len(powers)))
    for k, parameter in enumerate(parameters):
        line = basis(parameter, int(powers[:, k].max(initial=0)), parameter.standard(theta[:, k]))
        matrix *= line[:, powers[:, k]]
    return matrix


def fitted(
    parameters: Sequence[Distribution], theta: Floats, y: Floats, most: int = 20
) -> Fit | None:
    """Return the regression of y (n, q) on total order, the order that predicts best left out.

    The error of leaving each sample out comes from the hat matrix (Blatman and Sudret, J. Comput.
    Phys. 230 (2011) 2345). None if there are too few samples even for order 1.
    """
    theta, y = theta[:_ENOUGH], y[:_ENOUGH]
    best: Fit | None = None
    limits = [len(p.numbers) if p.kind == "discrete" else most + 1 for p in parameters]
    for order in range(1, most + 1):
        terms = _terms(limits, order)
        if terms * _SPARE > len(theta) or len(theta) * terms**2 > _WORK:
            break
        powers = total_order(limits, order)
        fit = _regressed(design_matrix(parameters, theta, powers), y)
        if fit is None:
            break
        found = Fit(powers, *fit, order)
        if best is None or found.q2.mean() > best.q2.mean():
            best = found
        if best.q2.min() > _PERFECT or order > best.order + 2:
            break
    return best


def index_errors(fit: Fit) -> tuple[Floats, Floats]:
    """Return standard errors (q, p) of first-order and total indices of a regression.

    To first order in the influence of the samples: they hold for what the polynomials can show,
    not for what they cannot, of which `q2` tells.
    """
    c = fit.coefficients
    varying = np.asarray(fit.powers.any(axis=1))
    counts = np.count_nonzero(fit.powers, axis=1)
    involved = np.asarray(fit.powers > 0)
    variance = np.square(c[varying]).sum(axis=0)
    found = []
    alone = np.asarray(involved & (counts == 1)[:, None])
    groups: tuple[NDArray[np.bool_], ...] = (alone, involved)
    for member in groups:
        part = np.square(c).T @ member / variance[:, None]
        slope = 2.0 * (c[:, :, None] * (member[:, None, :] - part) * varying[:, None, None])
        moved = np.tensordot(fit.lever, slope / variance[:, None], 1) * fit.left_out[:, :, None]
        found.append(np.sqrt(np.square(moved).sum(axis=0)))
    return found[0], found[1]


def _terms(limits: Sequence[int], order: int) -> int:
    """Return how many powers of a total order there are, without making them."""
    ways = np.array([1], dtype=object)
    for limit in limits:
        ways = np.convolve(ways, np.ones(min(limit, order + 1), dtype=object))[: order + 1]
    return int(ways.sum())


def _regressed(matrix: Floats, y: Floats) -> tuple[Floats, Floats, Floats, Floats] | None:
    """Return coefficients, q2, lever and left_out as in `Fit`; None if columns are dependent.

    By normal equations: the columns are nearly orthogonal, so that no digit is lost.
    """
    from scipy.linalg import LinAlgError, cholesky, solve_triangular

    try:
        factor = cholesky(matrix.T @ matrix / len(matrix), lower=True)
    except LinAlgError:
        return None
    if not np.diag(factor).min() > _DEPENDENT:
        return None
    half = solve_triangular(factor, matrix.T / np.sqrt(len(matrix)), lower=True)
    leverage = np.square(half).sum(axis=0)
    lever = solve_triangular(factor, half, lower=True, trans="T").T / np.sqrt(len(matrix))
    coefficients = lever.T @ y
    left_out = (y - matrix @ coefficients) / np.maximum(1.0 - leverage, 1e-12)[:, None]
    spread = np.square(y - y.mean(axis=0)).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        q2 = np.where(spread > 0.0, 1.0 - np.square(left_out).sum(axis=0) / spread, 1.0)
    return coefficients, q2, lever, left_out
