"""Steady conduction through a rectangle of cells, held at two temperatures on opposite sides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def effective_conductivity(k: Floats) -> float:
    """Return the conductivity along the first axis of square cells k (nx, ny), in its unit.

    Temperature 1 on one side and 0 on the other, no flux through the two others. Finite volumes;
    the flux between two cells sees their resistances in series (harmonic mean), Patankar,
    Numerical Heat Transfer and Fluid Flow (1980), 4.2. Raises ValueError for k that is not
    positive.
    """
    if not (k > 0.0).all():
        raise ValueError("a conductivity is not positive; no heat would flow one way only")
    T = temperature(k)
    return float(2.0 * (k[0] * (1.0 - T[0])).sum() * k.shape[0] / k.shape[1])


def temperature(k: Floats) -> Floats:
    """Return the temperature (nx, ny) in the centres of the cells."""
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import splu

    along, across = _between(k[:-1], k[1:]), _between(k[:, :-1], k[:, 1:])
    number = np.arange(k.size).reshape(k.shape)
    one = np.concatenate([number[:-1].ravel(), number[:, :-1].ravel()])
    other = np.concatenate([number[1:].ravel(), number[:, 1:].ravel()])
    flow = np.concatenate([along.ravel(), across.ravel()])
    diagonal = np.zeros_like(k)
    diagonal[0] += 2.0 * k[0]
    diagonal[-1] += 2.0 * k[-1]
    own = diagonal.ravel()
    np.add.at(own, one, flow)
    np.add.at(own, other, flow)
    rows = np.concatenate([number.ravel(), one, other])
    columns = np.concatenate([number.ravel(), other, one])
    matrix = csc_array((np.concatenate([own, -flow, -flow]), (rows, columns)))
    source = np.zeros_like(k)
    source[0] = 2.0 * k[0]
    options = {"permc_spec": "MMD_AT_PLUS_A", "options": {"SymmetricMode": True}}
    found: Floats = splu(matrix, **options).solve(source.ravel())
    return found.reshape(k.shape)


def _between(a: Floats, b: Floats) -> Floats:
    return 2.0 * a * b / (a + b)
