"""Pictures of growth rates, fluxes and potentials on given axes of matplotlib."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def growth(ax: Any, ky_rhos: Floats, gamma: Floats, branch: Floats, split: float) -> None:
    """Draw gamma (1/s) of both branches over k_y rho_s, and where the ranges part."""
    for number, name, colour in ((0, "ions", "C0"), (1, "electrons", "C3")):
        mine = (branch == number) & (gamma > 0.0)
        ax.loglog(ky_rhos[mine], gamma[mine], ".-", color=colour, label=name)
    ax.axvline(split, color="0.6", ls="--", lw=0.8, label="split")
    ax.set(xlabel=r"$k_y \rho_s$", ylabel=r"$\gamma$ [1/s]")
    ax.legend(fontsize=8)


def potential(ax: Any, x: Floats, phi: Floats, title: str) -> None:
    """Draw a map of the potential phi (x, y) in V on a square with the points x in m."""
    size = float(np.abs(phi).max()) or 1.0
    extent = np.array([0.0, x[-1] + x[1], 0.0, x[-1] + x[1]]) * 1e3
    image = ax.imshow(phi.T, origin="lower", extent=extent, cmap="RdBu_r", vmin=-size, vmax=size)
    ax.set(xlabel="x [mm]", ylabel="y [mm]")
    ax.set_title(title, fontsize=9)
    ax.figure.colorbar(image, ax=ax, shrink=0.8, label=r"$\phi$ [V]")


def fluxes(ax: Any, values: Floats, length: float, label: str, colour: str) -> None:
    """Draw the flux of every exchange (W/m2) over time, with exchanges of a length in s."""
    times = length * (np.arange(len(values)) + 0.5)
    ax.plot(1e6 * times, 1e-3 * values, "o-", ms=3, color=colour, label=label)
    ax.set(xlabel=r"t [$\mu$s]", ylabel="heat flux [kW/m$^2$]", ylim=(0, None))
