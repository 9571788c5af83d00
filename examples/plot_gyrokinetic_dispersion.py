"""
Ions and electrons on one axis
==============================

Growth rates of drift waves from ion to electron gyroradii, in a slab and on the outer side of a
torus. The two crests are one curve, shifted by the square root of the mass ratio; whether both
must be simulated together depends on how they compare, which changes along the radius of a tokamak.
"""  # noqa: D205, D400

# %%
# Spectra of a compact high-field tokamak: a/L_T = 3, a/L_n = 1, both species at 2 keV.
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from manyscale import Contact, Received, Start
from manyscale_plugins.gyrokinetic_dispersion import GyrokineticDispersion, RadialDispersion
from manyscale_plugins.tokamak_profiles import TokamakProfiles

figure, (spectra, radii) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
start = Start(0.0)
for drift, style in (("none", "-"), ("toroidal", "--")):
    model = GyrokineticDispersion(drift=drift, ky_max=200.0, nk=48, n_kpar=8)
    both = model.o_f(model.f_init(start, Received({"profile_in": None})))["branches_out"]
    where = "slab" if drift == "none" else "torus"
    for species, colour in ((0, "C0"), (1, "C3")):
        grows = both["gamma"][species] > 0.0
        label = f"{('ions', 'electrons')[species]}, {where}"
        spectra.loglog(
            both["ky_rhos"][grows], both["gamma"][species][grows], style, color=colour, label=label
        )
spectra.axvline(0.8, color="0.6", lw=0.8)
spectra.text(0.84, 4e3, "split", color="0.4", fontsize=8)
spectra.set(xlabel=r"$k_y \rho_s$", ylabel=r"growth rate [1/s]", ylim=(3e3, 1e8))
spectra.legend(fontsize=8)

# %%
# A discharge of DIII-D in L mode: the largest growth of electrons over that of ions. Beyond 40,
# interactions between the scales were reported (Howard et al. 2016).
SHOT = "coupling_specs/plasma_radial_scan/reference/diiid_128913.csv"
HERE = Path.cwd()
table = next(p / SHOT for p in (HERE, *HERE.parents) if (p / SHOT).is_file())
reader = TokamakProfiles(file=str(table), b_field=2.0669, major_radius=1.6945, count=6)
profiles = reader.o_f(reader.f_init(start, Received({})))["profiles_out"]
for drift, style in (("none", "o-"), ("toroidal", "s--")):
    model = RadialDispersion(drift=drift, ky_max=100.0, nk=48, n_kpar=8)
    came = Received({"profiles_in": Contact(0.0, None, profiles)})
    ratios = []
    for one in model.o_f(model.f_init(start, came))["spectrum_out"]:
        low = one["ky_rhos"] * np.sqrt(one["t_i"] / one["t_e"]) <= 0.8
        ratios.append(one["gamma"][~low].max() / one["gamma"][low].max())
    radii.plot(profiles["radius"], ratios, style, label="slab" if drift == "none" else "torus")
radii.axhline(40.0, color="k", ls=":", lw=0.8)
radii.text(0.5, 43.0, "multiscale effects reported above", fontsize=8)
radii.set(
    xlabel="r/a",
    ylabel=r"$\gamma_{high} / \gamma_{low}$",
    ylim=(0, None),
    title="DIII-D 128913, 1.5 s",
)
radii.legend(fontsize=8)
