"""Isotropic phonon branches and what a crystal of them conducts, as a table of modes.

A mode stands for a shell of wave vectors: its heat capacity contains the weight of the shell, so
that sums over modes are integrals over the Brillouin zone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HBAR = 1.054571817e-34  # J s, exact in the SI of 2019
BOLTZMANN = 1.380649e-23  # J/K, exact


class Branch(NamedTuple):
    """w(q) = v q + c q2 for 0 < q < q_max, `copies` times."""

    v: float  # m/s
    c: float  # m2/s
    copies: float
    q_max: float  # 1/m


class Scattering(NamedTuple):
    """1/tau = anharmonic w2 T exp(-activation/T) + impurity w4 + |v|/boundary."""

    anharmonic: float  # s/K
    activation: float  # K
    impurity: float  # s3
    boundary: float  # m


class Modes(NamedTuple):
    """Modes of a crystal at one temperature, all (mode,)."""

    heat_capacity: Floats  # J/(m3 K), weights included
    velocity: Floats  # m/s, of the group
    lifetime: Floats  # s

    @property
    def free_path(self) -> Floats:
        """Mean free path |v| tau [m]."""
        return np.asarray(np.abs(self.velocity) * self.lifetime)

    @property
    def shares(self) -> Floats:
        """What each mode conducts, C v2 tau/3 [W/(m K)]."""
        return self.heat_capacity * self.velocity**2 * self.lifetime / 3.0

    @property
    def conductivity(self) -> float:
        """Conductivity of the unbounded crystal [W/(m K)]."""
        return math.fsum(self.shares)


def zone_boundary(a0: float) -> float:
    """Return 2 pi/a0 [1/m] for a lattice constant [m]."""
    return 2.0 * math.pi / a0


def debye_cutoff(temperature: float, v: float) -> float:
    """Return the wave number [1/m] at which a linear branch reaches a Debye temperature [K]."""
    return BOLTZMANN * temperature / (HBAR * v)


def wave_numbers(count: int, q_max: float, rule: str) -> tuple[Floats, Floats]:
    """Return points and weights [1/m] of an integral over 0 < q < q_max.

    `gauss`: Gauss-Legendre in sqrt(q), which puts many points where mean free paths are long.
    `midpoint`: equal steps, second order.
    """
    if rule == "midpoint":
        return (np.arange(count) + 0.5) * q_max / count, np.full(count, q_max / count)
    root, w = _gauss(count)
    return q_max * root**2, 2.0 * q_max * root * w


@lru_cache(maxsize=8)
def _gauss(count: int) -> tuple[Floats, Floats]:
    x, w = np.polynomial.legendre.leggauss(count)
    return 0.5 * (x + 1.0), 0.5 * w


def einstein(x: Floats) -> Floats:
    """Return x2 e^x/(e^x - 1)2 for x = hbar w/(kB T) >= 0: heat capacity of a mode in kB."""
    x = np.asarray(x, np.float64)
    safe = np.where(x > 0.0, x, 1.0)
    found = safe**2 * np.exp(-safe) / np.expm1(-safe) ** 2
    return np.where(x > 0.0, found, 1.0)


def modes(
    branches: Sequence[Branch],
    scattering: Scattering,
    temperature: float,
    per_branch: int,
    rule: str = "gauss",
) -> Modes:
    """Return the modes of all branches at a temperature [K].

    Raises ValueError for a branch whose frequency is not positive everywhere.
    """
    parts = [_modes_of(branch, scattering, temperature, per_branch, rule) for branch in branches]
    joined = [np.concatenate(some) for some in zip(*parts, strict=True)]
    return Modes(*joined)


def _modes_of(
    branch: Branch, scattering: Scattering, T: float, count: int, rule: str
) -> tuple[Floats, Floats, Floats]:
    q, weight = wave_numbers(count, branch.q_max, rule)
    w = branch.v * q + branch.c * q**2
    if not (w > 0.0).all():
        first = q[w <= 0.0][0]
        raise ValueError(
            f"the branch v = {branch.v:g} m/s, c = {branch.c:g} m2/s has no positive frequency at"
            f" q = {first:.4g} 1/m, expected one up to {branch.q_max:.4g} 1/m: choose c above"
            f" {-branch.v / branch.q_max:.4g} m2/s"
        )
    velocity = branch.v + 2.0 * branch.c * q
    states = branch.copies * q**2 / (2.0 * np.pi**2) * weight
    heat_capacity = BOLTZMANN * einstein(HBAR * w / (BOLTZMANN * T)) * states
    rate = scattering.anharmonic * w**2 * T * math.exp(-scattering.activation / T)
    rate += scattering.impurity * w**4 + np.abs(velocity) / scattering.boundary
    return heat_capacity, velocity, _lifetime(rate, velocity)


def _lifetime(rate: Floats, velocity: Floats) -> Floats:
    if not (rate > 0.0).all():
        raise ValueError(
            f"{int((rate <= 0.0).sum())} modes are never scattered, the first with a velocity of"
            f" {velocity[rate <= 0.0][0]:.4g} m/s: choose A or B above 0"
        )
    return 1.0 / rate


def accumulated(modes: Modes) -> tuple[Floats, Floats]:
    """Return mean free paths [m] in rising order and the conductivity up to each [W/(m K)]."""
    order = np.argsort(modes.free_path, kind="stable")
    return modes.free_path[order], np.cumsum(modes.shares[order])


def boundary_limited_debye(branches: Sequence[Branch], boundary: float, T: float) -> float:
    """Return k [W/(m K)] of linear branches that only a boundary [m] scatters, T -> 0.

    sum g (2 pi2/15) kB (kB T/hbar)3 v^-2 L/3, with the whole spectrum below the cutoff.
    """
    cube = (BOLTZMANN * T / HBAR) ** 3
    return sum(
        b.copies * (2.0 * math.pi**2 / 15.0) * BOLTZMANN * cube / b.v**2 * boundary / 3.0
        for b in branches
    )
