"""The two terms of the diffusivity of an irradiated crystal."""

import math

GAS_CONSTANT = 8.31446261815324  # J/(mol K), exact in the SI of 2019


def thermal(prefactor: float, activation_energy: float, temperature: float) -> float:
    """Diffusivity D0 exp(-Q/(R T)) [m2/s] from D0 [m2/s], Q [J/mol] and T [K]."""
    return prefactor * math.exp(-activation_energy / (GAS_CONSTANT * temperature))


def ballistic(displacement_rate: float, jumps: float, jump_length: float) -> float:
    """Diffusivity Gamma lambda2 K/6 [m2/s] of a random walk: K [1/s], Gamma [1], lambda [m]."""
    return jumps * jump_length**2 * displacement_rate / 6.0


def crossover(prefactor: float, activation_energy: float, ballistic_part: float) -> float:
    """Temperature [K] at which both terms are equal; `ballistic_part` [m2/s] between 0 and D0."""
    return activation_energy / (GAS_CONSTANT * math.log(prefactor / ballistic_part))
