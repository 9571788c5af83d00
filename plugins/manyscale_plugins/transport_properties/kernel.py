"""Diffusivities that follow the Arrhenius law."""

import math

GAS_CONSTANT = 8.31446261815324  # J/(mol K), exact in the SI of 2019
SMALLEST = 2.2250738585072014e-308  # below, a float64 loses digits


def arrhenius(prefactor: float, activation_energy: float, temperature: float) -> float:
    """Diffusivity D0 exp(-Q/(R T)) [m2/s] from D0 [m2/s], Q [J/mol] and T [K].

    Raises ValueError when the temperature is not positive or the result underflows.
    """
    if not temperature > 0.0:
        raise ValueError(f"temperature = {temperature:.6g} K must be positive")
    exponent = -activation_energy / (GAS_CONSTANT * temperature)
    diffusivity = prefactor * math.exp(exponent)
    if diffusivity < SMALLEST:
        lowest = activation_energy / (GAS_CONSTANT * math.log(prefactor / SMALLEST))
        raise ValueError(
            f"D0 exp(-Q/(R T)) underflows: at {temperature:.6g} K the exponent is {exponent:.6g}; "
            f"use a temperature above {lowest:.4g} K or a smaller activation energy than "
            f"{activation_energy:.6g} J/mol"
        )
    return diffusivity
