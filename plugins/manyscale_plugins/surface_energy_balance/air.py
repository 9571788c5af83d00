"""Constants of the air above a surface, and the black body."""

SIGMA = 5.670374419e-8  # W/(m2 K4), CODATA 2018
RHO_CP = 1206.0  # J/(m3 K), air at 1013 hPa and 293 K
GAMMA = 66.0  # Pa/K, psychrometric constant cp p / (0.622 latent heat) at 1013 hPa

_LIKELY = {  # K, Pa, W/m2, W/m2
    "air_temperature": (220.0, 330.0, "K"),
    "vapour_pressure": (0.0, 8000.0, "Pa"),
    "shortwave": (0.0, 1400.0, "W/m2"),
    "longwave": (50.0, 600.0, "W/m2"),
}


def refuse_unlikely(name: str, value: float) -> None:
    """Raise ValueError for a value that no air has."""
    low, high, unit = _LIKELY[name]
    if not low <= value <= high:
        celsius = name == "air_temperature" and -60.0 <= value <= 60.0
        raise ValueError(
            f"{name} is {value:.6g} {unit}, expected {low:g}..{high:g} {unit}"
            + (": is it in degrees Celsius?" if celsius else "")
        )
