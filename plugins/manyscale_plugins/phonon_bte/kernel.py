"""Phonons across a plane film between two walls: discrete ordinates on the pseudo-temperature.

Lambda_m mu d(phi)/dx + phi = theta, sum_m (C_m/tau_m) (theta - <phi_m>) = 0, phi = e/C in kelvin.
With the flux q = sum_m C_m v_m <mu phi_m> the second equation is dq/dx = 0; it is solved in this
form, cell by cell, whose round-off is that of the flux.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.mass_diffusion.modes import Axis
from manyscale_plugins.phonon_bte import acceleration
from manyscale_plugins.phonon_bte.acceleration import Balance, Options
from manyscale_plugins.phonon_bte.quadrature import half_range
from manyscale_plugins.phonon_bte.share import ALONE, Share
from manyscale_plugins.phonon_bte.spectrum import Spectrum
from manyscale_plugins.phonon_bte.sweep import Lanes, in_blocks, lanes, swept

Floats = NDArray[np.float64]

_FAINT = 1e-6  # of black-body radiation: an exchange below it is not resolved to `tol`


class Film(NamedTuple):
    """A film of modes between x = 0 and x = length."""

    modes: Spectrum
    length: float  # m
    ncell: int
    n_mu: int

    @property
    def width(self) -> float:
        """Width of a cell [m]."""
        return self.length / self.ncell

    @property
    def pairs(self) -> int:
        """Number of modes times directions of one half range."""
        return self.modes.velocity.size * self.n_mu

    @property
    def emission(self) -> Floats:
        """Flux per kelvin of every mode and direction, (mode, mu) [W/(m2 K)]."""
        mu, weight = half_range(self.n_mu)
        return np.multiply.outer(self.modes.current, 0.5 * weight * mu)

    def lanes(self) -> Lanes:
        """Return all pairs as the sweep takes them."""
        mu, weight = half_range(self.n_mu)
        return lanes(self.modes.free_path, self.modes.current, mu, weight, self.width)


class Inflow(NamedTuple):
    """phi (mode, mu) K that enters on the left, going right, and on the right, going left."""

    right: Floats
    left: Floats


class Solved(NamedTuple):
    """A film in balance."""

    theta: Floats  # (ncell,) K, pseudo-temperature
    flux: Floats  # (ncell + 1,) W/m2
    outflow: Inflow  # phi (mode, mu) K that leaves on the right, going right, and so on
    residual: float
    sweeps: int


def black(film: Film, right: float, left: float) -> Inflow:
    """Return what black walls emit: `right` [K] enters on the left, `left` on the right."""
    shape = (film.modes.velocity.size, film.n_mu)
    return Inflow(np.full(shape, right), np.full(shape, left))


def solve(film: Film, inflow: Inflow, options: Options, share: Share = ALONE) -> Solved:
    """Return the film in balance with what enters it.

    Raises ValueError with the residual if it does not get there.
    """
    problem = _Problem(film, inflow, share)
    theta, residual, sweeps = acceleration.solve(
        problem.balance, problem.corrected, np.zeros(film.ncell), options
    )
    leaves = Inflow(*(problem.joined_pairs(one) for one in problem.leaving))
    return Solved(theta, problem.flux, leaves, residual, sweeps)


class _Problem:
    """The film as the accelerated iteration sees it."""

    def __init__(self, film: Film, inflow: Inflow, share: Share) -> None:
        self.film, self.share = film, share
        every = film.lanes()
        own = share.part(len(every.ratio))
        self.lanes = Lanes(every.ratio[own], every.weight[own], every.pairs)
        self.inflow = [in_blocks(one.ravel())[own] for one in inflow]
        self.nothing = np.zeros_like(self.lanes.ratio)
        self.per_kelvin = float(film.modes.exchange.sum()) * film.width
        brightest = max(float(np.abs(one).max(initial=0.0)) for one in inflow)
        self.faint = _FAINT * 0.25 * float(film.modes.current.sum()) * brightest
        self.corrected = _correction(film)
        self.flux = np.zeros(film.ncell + 1)
        self.leaving = [self.nothing, self.nothing]

    def balance(self, theta: Floats, driven: bool) -> Balance:
        """Return the residual of dq/dx = 0 in every cell; keep what a driven sweep found."""
        right, left = self.inflow if driven else (self.nothing, self.nothing)
        net, *leaving = swept(self.lanes, theta, right, left)
        flux = self.share.total(net)
        if driven:
            self.flux, self.leaving = flux, leaving
        missing = -np.diff(flux)
        exchanged = float(np.abs(flux).max()) + self.faint
        imbalance = float(np.abs(missing).sum()) / exchanged if exchanged else 0.0
        return Balance(missing / self.per_kelvin, imbalance)

    def joined_pairs(self, blocks: Floats) -> Floats:
        """Return (own block, lane) of all processes as (mode, mu)."""
        every = self.share.joined(blocks).ravel()[: self.film.pairs]
        return every.reshape(-1, self.film.n_mu)


def _correction(film: Film) -> Callable[[Floats], Floats]:
    axis = Axis("fixed_both", film.ncell, film.length)
    exchange = film.modes.exchange
    share = exchange / exchange.sum()
    losses = acceleration.symbol([axis], film.modes.free_path, share, np.zeros_like(share))
    return acceleration.correction([axis], losses)


def wall_temperatures(film: Film, inflow: Inflow, outflow: Inflow) -> tuple[float, float]:
    """Return the pseudo-temperature [K] of the gas of phonons at both walls."""
    _, weight = half_range(film.n_mu)
    share = film.modes.exchange / film.modes.exchange.sum()

    def mean(one: Floats, other: Floats) -> float:
        return float(0.5 * share @ ((one + other) @ weight))

    return mean(inflow.right, outflow.left), mean(outflow.right, inflow.left)
