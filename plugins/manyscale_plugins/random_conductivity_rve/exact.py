"""Closed forms of the two parts of the variance of a sample's conductivity."""

from __future__ import annotations

from math import exp, expm1


def linear(s_t: float, s_a: float, n: int) -> tuple[float, float]:
    """Return epistemic and aleatory variance of theta + s_a mean(z), theta normal with s_t."""
    return s_t**2, s_a**2 / n


def lognormal(s_t: float, s_a: float, n: int, mean: float = 0.0) -> tuple[float, float]:
    """Return both variances of e^theta mean(e^(s_a z)), theta normal with `mean` and s_t.

    From the moments of lognormal variables: E e^x = e^(m + s**2/2).
    """
    scale = exp(2.0 * mean + s_t**2 + s_a**2)
    return scale * expm1(s_t**2), scale * exp(s_t**2) * expm1(s_a**2) / n
