"""Mixture of crystal and pipes that share one concentration across them."""

import math


def line_fraction(dislocation_density: float, radius: float) -> float:
    """Volume fraction rho pi a2 of lines [1] from rho [1/m2] and a [m]; ValueError from 1 on."""
    fraction = dislocation_density * math.pi * radius**2
    if fraction >= 1.0:
        raise ValueError(
            f"lines of radius {radius:.6g} m at {dislocation_density:.6g} per m2 would fill "
            f"{fraction:.4g} times the crystal: use a density below "
            f"{1.0 / (math.pi * radius**2):.6g} per m2"
        )
    return fraction


def hart(fraction: float, diffusivity: float, diffusivity_pipe: float) -> float:
    """Effective diffusivity (1 - f) D + f D_p [m2/s] along the lines."""
    return (1.0 - fraction) * diffusivity + fraction * diffusivity_pipe
