"""Heat along a film: scattering at its faces, closed form in z, discrete in directions.

Under a gradient along the film the distribution departs from local equilibrium by
-Lambda mu_x dT/dx (1 - h), and h decays from each face as exp(-z/(Lambda |mu|)). A face reflects
the part `specularity` as a mirror and the rest in all directions, mode by mode, so that what
leaves it carries no heat along the film. E. H. Sondheimer, Advances in Physics 1 (1952) 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.phonon_bte.quadrature import grazing
from manyscale_plugins.phonon_bte.spectrum import Spectrum

Floats = NDArray[np.float64]


def profile(modes: Spectrum, thickness: float, z: Floats, n_mu: int, specularity: float) -> Floats:
    """Return the conductivity at the depths z (n,) m [W/(m K)]: flux per gradient."""
    mu, weight = grazing(n_mu)
    path, whole, face = _directions(modes, thickness, mu, weight, specularity)
    found = np.full(z.size, whole.sum())
    for place, depth in enumerate(z):
        near, far = np.exp(-depth / path), np.exp(-(thickness - depth) / path)
        found[place] -= 0.5 * (face * (near + far)).sum()
    return found


def conductivity(modes: Spectrum, thickness: float, n_mu: int, specularity: float) -> float:
    """Return the mean conductivity of a film [W/(m K)]."""
    mu, weight = grazing(n_mu)
    path, whole, face = _directions(modes, thickness, mu, weight, specularity)
    depth = path / thickness
    return float((whole - face * depth * -np.expm1(-1.0 / depth)).sum())


def _directions(
    modes: Spectrum, thickness: float, mu: Floats, weight: Floats, specularity: float
) -> tuple[Floats, Floats, Floats]:
    """Return Lambda mu [m], what pairs conduct in the bulk, and what of it a face takes."""
    path = np.multiply.outer(modes.free_path, mu)
    along = 0.5 * weight * (1.0 - mu**2)
    whole = np.multiply.outer(modes.current * modes.free_path, along)
    mirrored = specularity * np.exp(-thickness / path)
    return path, whole, whole * (1.0 - specularity) / (1.0 - mirrored)
