"""Quantities: the physical meanings that fields carry, each with its SI unit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """A physical meaning, for example `temperature` in K."""

    name: str
    unit: str
    text: str = ""


DIFFERENCES = frozenset({"temperature_difference"})
"""Quantities whose units convert without their offset."""

COMMON = tuple(
    Quantity(*row)
    for row in (
        ("acceleration", "m/s2", "change of velocity per time"),
        ("amount_of_substance", "mol", "number of entities over the Avogadro constant"),
        ("angle", "rad", "plane angle"),
        ("area", "m2", "area"),
        ("concentration", "mol/m3", "amount of substance per volume"),
        ("count", "1", "number of things"),
        ("density", "kg/m3", "mass per volume"),
        ("diffusivity", "m2/s", "Fick's or Fourier's coefficient"),
        ("displacement", "m", "change of position"),
        ("dynamic_viscosity", "Pa s", "shear stress per shear rate"),
        ("electric_charge", "C", "electric charge"),
        ("electric_current", "A", "charge per time"),
        ("electric_potential", "V", "energy per charge"),
        ("energy", "J", "energy"),
        ("energy_density", "J/m3", "energy per volume"),
        ("force", "N", "force"),
        ("fraction", "1", "part of a whole"),
        ("frequency", "1/s", "events or cycles per time"),
        ("heat_flux", "W/m2", "heat per area and time"),
        ("heat_capacity", "J/(kg K)", "specific heat capacity"),
        ("identity", "1", "number that names a member"),
        ("length", "m", "length or position"),
        ("mass", "kg", "mass"),
        ("mass_flux", "kg/(m2 s)", "mass per area and time"),
        ("mass_transfer_coefficient", "m/s", "molar flux per concentration difference"),
        ("molar_flux", "mol/(m2 s)", "amount per area and time"),
        ("number", "1", "a pure number"),
        ("number_density", "1/m3", "things per volume"),
        ("power", "W", "energy per time"),
        ("pressure", "Pa", "force per area"),
        ("rate", "1/s", "rate of a first-order process"),
        ("strain", "1", "relative deformation"),
        ("stress", "Pa", "force per area, a tensor"),
        ("surface_energy", "J/m2", "energy per area"),
        ("temperature", "K", "absolute temperature"),
        ("temperature_difference", "K", "difference of two temperatures"),
        ("thermal_conductivity", "W/(m K)", "heat flux per temperature gradient"),
        ("time", "s", "time or duration"),
        ("velocity", "m/s", "change of position per time"),
        ("volume", "m3", "volume"),
    )
)
"""Quantities every plugin may use; a plugin adds its own with `manyscale_quantities`."""
