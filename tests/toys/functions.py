"""A model made of one function."""

from typing import Annotated

import manyscale as ms
from manyscale import Field


@ms.pure(
    conductivity=Field("thermal_conductivity", "W/(m K)"),
    scales=ms.Scales(length=ms.Scale(1e-9, 1e-3)),
)
def power_law(
    temperature: Annotated[float, Field("temperature", "K")],
    *,
    exponent: Annotated[float, "1", "of the power law"] = -1.3,
):
    """Fit k = 148 (T/300 K)**n W/(m K)."""
    return 148.0 * (temperature / 300.0) ** exponent
