"""The modes a kinetic solver works with: those that carry heat, as numbers it needs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STILL = 1e-12  # of the fastest mode: slower ones carry nothing that double precision sees


class Spectrum(NamedTuple):
    """Modes that carry heat, all (mode,), and where they stand in what was received."""

    heat_capacity: Floats  # J/(m3 K)
    velocity: Floats  # m/s, |v|
    free_path: Floats  # m
    place: NDArray[np.int64]
    received: int

    @property
    def current(self) -> Floats:
        """C v (mode,) [W/(m2 K)]: four times what a black body emits per kelvin."""
        return np.asarray(self.heat_capacity * self.velocity)

    @property
    def exchange(self) -> Floats:
        """C/tau (mode,) [W/(m3 K)]: what scattering moves per kelvin."""
        return np.asarray(self.current / self.free_path)

    @property
    def conductivity(self) -> float:
        """Conductivity without walls, sum C v Lambda/3 [W/(m K)]."""
        return float((self.current * self.free_path).sum() / 3.0)

    @property
    def capacity(self) -> float:
        """Heat capacity of the modes that move [J/(m3 K)]."""
        return float(self.heat_capacity.sum())


def spectrum(heat_capacity: Floats, velocity: Floats, lifetime: Floats) -> Spectrum:
    """Return the modes that carry heat; a sign of the velocity has no meaning here.

    Raises ValueError for a heat capacity that is negative, or zero in all modes, a lifetime that
    is not positive, or modes that all stand still.
    """
    for name, values, bad in (
        ("heat_capacity", heat_capacity, heat_capacity < 0.0),
        ("lifetime", lifetime, ~(lifetime > 0.0)),
    ):
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            raise ValueError(
                f"modes_in: {name} of mode {first} is {values[first]:.6g}"
                f" ({int(bad.sum())} of {bad.size} are wrong), expected positive ones: see the"
                " mode table its sender read"
            )
    speed = np.abs(velocity)
    moving = (heat_capacity > 0.0) & (speed > _STILL * speed.max(initial=0.0))
    if not moving.any():
        raise ValueError(
            f"modes_in: none of {speed.size} modes has a heat capacity and a velocity, expected"
            " at least one: see temperature and mode table of its sender"
        )
    place = np.flatnonzero(moving)
    chosen = heat_capacity[place], speed[place], (speed * lifetime)[place]
    return Spectrum(*chosen, place, speed.size)


def gray(modes: Spectrum, free_path: float) -> Spectrum:
    """Return one mode with this mean free path [m]: all the heat, the mean velocity."""
    capacity, current = modes.capacity, float(modes.current.sum())
    return Spectrum(
        np.array([capacity]),
        np.array([current / capacity]),
        np.array([free_path]),
        np.zeros(1, np.int64),
        1,
    )
