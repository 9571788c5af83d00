"""A well-mixed layer of air over a surface, the radiation of a clear sky, and forcing files."""

from __future__ import annotations

import csv
from math import cos, exp, pi, radians, sin, sqrt
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.surface_energy_balance.air import GAMMA, RHO_CP, SIGMA

Array = NDArray[Any]

DAY = 86400.0  # s
COLUMNS = ("time", "shortwave", "longwave")  # s, W/m2, W/m2
_COLDEST, _HOTTEST = 220.0, 330.0  # K: beyond, the balance of no surface is meant


class Layer(NamedTuple):
    """The air between the ground and `height`."""

    theta: float  # K
    vapour: float  # Pa
    height: float  # m


class Above(NamedTuple):
    """The air that a growing layer takes in."""

    lapse_rate: float  # K/m, of the potential temperature
    vapour: float  # Pa


def warmed(layer: Layer, sensible: float, latent: float, dt: float, above: Above | None) -> Layer:
    """Return the layer after dt [s] of constant heat from the surface [W/m2]; exact.

    rho cp h dTheta/dt = H and rho cp h de/dt = gamma LE. With `above`, heating makes the layer
    grow without a jump at its top (encroachment): h dh/dt = H / (rho cp lapse_rate), and the
    vapour is diluted with that above. Raises ValueError for a temperature that no air has.
    """
    moisture = latent * GAMMA * dt / RHO_CP  # Pa m
    if above is None or sensible <= 0.0:  # a cooled layer does not shrink
        theta = layer.theta + sensible * dt / (RHO_CP * layer.height)
        new = Layer(theta, layer.vapour + moisture / layer.height, layer.height)
    else:
        gain = 2.0 * sensible * dt / (RHO_CP * above.lapse_rate)
        height = sqrt(layer.height**2 + gain)
        growth = gain / (height + layer.height)
        vapour = (layer.vapour * layer.height + moisture + above.vapour * growth) / height
        new = Layer(layer.theta + above.lapse_rate * growth, vapour, height)
    if not _COLDEST <= new.theta <= _HOTTEST:
        raise ValueError(
            f"{sensible:.4g} W/m2 of sensible heat bring the layer of {layer.height:g} m to"
            f" {new.theta:.6g} K, expected {_COLDEST:g}..{_HOTTEST:g} K: look at the forcing, or"
            " take a higher layer or shorter steps"
        )
    return new


def sun_height(time: float, latitude: float, day: int) -> float:
    """Return the cosine of the zenith angle at a local solar time [s] and latitude [rad].

    Declination after Cooper (1969): 23.45 deg sin(2 pi (284 + day) / 365).
    """
    declination = radians(23.45) * sin(2.0 * pi * (284 + day) / 365.0)
    hour = 2.0 * pi * (time / DAY - 0.5)
    across = cos(latitude) * cos(declination) * cos(hour)
    return sin(latitude) * sin(declination) + across


def clear_shortwave(cosine: float) -> float:
    """Return the radiation of sun and clear sky [W/m2]: Haurwitz (1945)."""
    return 1098.0 * cosine * exp(-0.059 / cosine) if cosine > 0.0 else 0.0


def clear_longwave(temperature: float, vapour: float) -> float:
    """Return the radiation of a clear sky [W/m2] from the air below: Brutsaert (1975) eq. 11."""
    emissivity: float = 1.24 * (0.01 * vapour / temperature) ** (1.0 / 7.0)
    return emissivity * SIGMA * temperature**4


class Sky(NamedTuple):
    """What comes from above: a clear sky, or a table."""

    start: float  # s, local solar time at t = 0
    latitude: float  # rad
    day: int
    forcing: Array  # (row, 3) s, W/m2, W/m2; no rows: a clear sky

    def at(self, time: float, theta: float, vapour: float) -> tuple[float, float]:
        """Return shortwave and longwave [W/m2] at t = `time` [s] over air of theta [K], e [Pa]."""
        if len(self.forcing):
            return between(self.forcing, self.start + time)
        cosine = sun_height(self.start + time, self.latitude, self.day)
        return clear_shortwave(cosine), clear_longwave(theta, vapour)


def read_forcing(path: Path, begin: float, end: float) -> Array:
    """Return a table (row, 3) of time [s], shortwave and longwave [W/m2] from a CSV file.

    Raises ValueError if the file cannot be read, has other columns, or does not cover the times
    from `begin` to `end`.
    """
    try:
        with path.open(newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError) as exc:
        raise ValueError(f"the forcing file {path} cannot be read: {exc}") from None
    head = [name.strip() for name in rows[0]] if rows else []
    if tuple(head) != COLUMNS:
        raise ValueError(
            f"the forcing file {path} begins with the columns {', '.join(head) or 'none'}, expected"
            f" {', '.join(COLUMNS)} (s, W/m2, W/m2)"
        )
    try:
        table = np.array([[float(x) for x in row] for row in rows[1:] if row]).reshape(-1, 3)
    except ValueError:
        raise ValueError(
            f"the forcing file {path} has rows that are not three numbers: look for empty cells"
            " and decimal commas"
        ) from None
    ascending = len(table) > 1 and bool((np.diff(table[:, 0]) > 0.0).all())
    if not ascending or not np.isfinite(table).all():
        raise ValueError(
            f"the forcing file {path} needs two or more rows of finite numbers, times ascending"
        )
    if table[0, 0] > begin or table[-1, 0] < end:
        raise ValueError(
            f"the forcing file {path} covers {table[0, 0]:g} s to {table[-1, 0]:g} s, expected"
            f" {begin:g} s to {end:g} s"
        )
    return table


def between(table: Array, time: float) -> tuple[float, float]:
    """Return shortwave and longwave [W/m2] at a time [s], linear between the rows (row, 3)."""
    shortwave, longwave = (float(np.interp(time, table[:, 0], table[:, n])) for n in (1, 2))
    return shortwave, longwave
