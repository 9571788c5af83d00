"""Growth rates of ion and electron drift modes in a tokamak, from their dispersion relation."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.gyrokinetic_dispersion.kernel import Plasma, Scan

STEEPEST = 20.0  # a/L_T and a/L_n


class _Dispersion(ms.ScaleModel):
    """Settings and spectra of the dispersion relation, at one radius or at many."""

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "kadomtsev1970",
            "B. B. Kadomtsev and O. P. Pogutse, Turbulence in toroidal systems, Reviews of Plasma"
            " Physics 5 (1970) 249",
        ),
        ms.Citation(
            "weideman1994",
            "J. A. C. Weideman, Computation of the complex error function, SIAM Journal on"
            " Numerical Analysis 31 (1994) 1497",
            "10.1137/0731077",
        ),
    )

    mass_ratio: Annotated[float, "1", "m_i/m_e", Gt(1)] = 3670.48
    ion_mass: Annotated[float, "kg", "m_i", Gt(0)] = 3.3435837768e-27
    ky_min: Annotated[float, "1", "smallest k_y rho_s", Gt(0)] = 0.05
    ky_max: Annotated[float, "1", "largest k_y rho_s", Gt(0)] = 60.0
    nk: Annotated[int, "1", "wave numbers k_y, log spaced", Ge(2), Le(4096)] = 64
    n_kpar: Annotated[int, "1", "samples in k_par for each of them", Ge(4), Le(4096)] = 32
    drift: Annotated[
        Literal["none", "toroidal"], "1", "slab, or with the magnetic drift on the outer side"
    ] = "none"
    electrons_from: Annotated[
        float, "1", "k_y rho_i from which electron modes count: there the ions are adiabatic", Ge(0)
    ] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ky_max <= self.ky_min:
            raise ms.Refused(
                f"{self.name}.ky_max is {self.ky_max:g} and ky_min {self.ky_min:g};"
                " ky_max must be the larger one."
            )

    def scan(self) -> "Scan":
        """Return what is looked at, as the kernel takes it."""
        from manyscale_plugins.gyrokinetic_dispersion.kernel import Scan, wave_numbers

        return Scan(
            ky_rhos=wave_numbers(self.ky_min, self.ky_max, self.nk),
            n_kpar=self.n_kpar,
            mass_ratio=self.mass_ratio,
            ion_mass=self.ion_mass,
            curvature=self.drift == "toroidal",
            electrons_from=self.electrons_from,
        )

    def _scales(self, plasma: "Plasma") -> ms.Scales:
        """Return growth times and lengths from electrons at ky_max to ions at ky_min."""
        rho_s = float(plasma.rho_s(self.ion_mass)[0])
        slow = float(plasma.minor_radius[0] * plasma.b_field[0] * rho_s / plasma.t_e[0])  # a/c_s
        return ms.Scales(
            time=ms.Scale(10.0 * slow / self.mass_ratio**0.5, 10.0 * slow / min(1.0, self.ky_min)),
            length=ms.Scale(rho_s / self.mass_ratio**0.5, 2.0 * np.pi * rho_s / self.ky_min),
        )


def _local(plasma: "Plasma", radius: int, scan: "Scan") -> dict[str, float]:
    """Return what a spectrum says of the plasma it belongs to."""
    minor = plasma.minor_radius[radius]
    found = {
        "rho_s": plasma.rho_s(scan.ion_mass)[radius],
        "mass_ratio": scan.mass_ratio,
        "t_i": plasma.t_i[radius],
        "t_e": plasma.t_e[radius],
        "density": plasma.density[radius],
        "b_field": plasma.b_field[radius],
        "grad_n": plasma.a_over_ln[radius] / minor,
        "grad_ti": plasma.a_over_lti[radius] / minor,
        "grad_te": plasma.a_over_lte[radius] / minor,
    }
    return {name: float(value) for name, value in found.items()}


class GyrokineticDispersion(_Dispersion):
    """Fastest ion and electron modes over k_par at every k_y, at one radius.

    D(zeta) = 1 + theta + G0 (zeta - z*) Z - z* eta [(zeta + (zeta**2 - 1/2) Z) G0 + b (G1 - G0) Z]
    = 0, electrostatic, local, one kinetic species and the other adiabatic, in a slab or with the
    magnetic drift on the outer side of a torus. Newton's method, to 1e-12; the argument principle
    says how many roots there are.
    """

    profile_in = ms.F_INIT(
        optional=True,
        a_over_lt=Field("number", "1"),
        a_over_ln=Field("number", "1"),
        theta=Field("number", "1"),
        a_over_lte=Field("number", "1", optional=True),
        t_e=Field("energy", "eV", optional=True),
        density=Field("number_density", "1/m3", optional=True),
        b_field=Field("magnetic_flux_density", "T", optional=True),
        minor_radius=Field("length", "m", optional=True),
        major_radius=Field("length", "m", optional=True),
    )
    spectrum_out = ms.O_F(
        ky_rhos=Field("normalised_wavenumber", "1", "ky_rhos=nk"),
        gamma=Field("growth_rate", "1/s", "ky_rhos=nk"),
        omega=Field("angular_frequency", "1/s", "ky_rhos=nk"),
        branch=Field("identity", "1", "ky_rhos=nk", "int32"),
        rho_s=Field("length", "m"),
        mass_ratio=Field("number", "1"),
        t_i=Field("energy", "eV"),
        t_e=Field("energy", "eV"),
        density=Field("number_density", "1/m3"),
        b_field=Field("magnetic_flux_density", "T"),
        grad_n=Field("inverse_length", "1/m"),
        grad_ti=Field("inverse_length", "1/m"),
        grad_te=Field("inverse_length", "1/m"),
    )
    branches_out = ms.O_F(
        ky_rhos=Field("normalised_wavenumber", "1", "ky_rhos=nk"),
        gamma=Field("growth_rate", "1/s", "species=2 ky_rhos=nk"),
        omega=Field("angular_frequency", "1/s", "species=2 ky_rhos=nk"),
        k_par=Field("wavenumber", "1/m", "species=2 ky_rhos=nk"),
    )

    t_i: Annotated[float, "eV", "ion temperature, unless profile_in brings it", Gt(0)] = 2000.0
    t_e: Annotated[float, "eV", "electron temperature, unless profile_in does", Gt(0)] = 2000.0
    density: Annotated[float, "1/m3", "of the electrons, unless profile_in does", Gt(0)] = 1e20
    b_field: Annotated[float, "T", "field, unless profile_in brings it", Gt(0)] = 5.4
    major_radius: Annotated[float, "m", "R, unless profile_in brings it", Gt(0)] = 0.67
    minor_radius: Annotated[float, "m", "a, unless profile_in brings it", Gt(0)] = 0.21
    a_over_lt: Annotated[
        float, "1", "-(a/T) dT/dr of both, unless profile_in brings it", Ge(0), Le(STEEPEST)
    ] = 3.0
    a_over_ln: Annotated[
        float, "1", "-(a/n) dn/dr, unless profile_in brings it", Ge(0), Le(STEEPEST)
    ] = 1.0

    class State(ms.State):
        """The spectrum; of both species side by side (species, k_y)."""

        time: float  # s
        plasma: Array  # (quantity,), columns of the kernel's Plasma
        gamma: Array  # 1/s
        omega: Array  # 1/s
        branch: Array
        gamma_of: Array  # (species, k_y) 1/s
        omega_of: Array  # (species, k_y) 1/s
        k_par_of: Array  # (species, k_y) 1/m

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Find the fastest modes."""
        from manyscale_plugins.gyrokinetic_dispersion import kernel

        plasma, scan = self._plasma(received.profile_in), self.scan()
        both = [kernel.branch(plasma, scan, one) for one in (kernel.ION, kernel.ELECTRON)]
        spectrum = kernel.merged(plasma, scan, *both)
        return self.State(
            time=start.time,
            plasma=np.concatenate(plasma),
            gamma=spectrum.gamma[0],
            omega=spectrum.omega[0],
            branch=spectrum.branch[0],
            gamma_of=np.stack([one.gamma[0] for one in both]),
            omega_of=np.stack([one.omega[0] for one in both]),
            k_par_of=np.stack([one.k_par[0] for one in both]),
        )

    def clock(self, state: State) -> Clock:
        """Return the time of the profile: the model is algebraic."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Give the spectrum, and both branches for the record."""
        from manyscale_plugins.gyrokinetic_dispersion.kernel import Plasma

        scan, plasma = self.scan(), Plasma(*state.plasma[:, None])
        spectrum = {
            "ky_rhos": scan.ky_rhos,
            "gamma": state.gamma,
            "omega": state.omega,
            "branch": state.branch,
            **_local(plasma, 0, scan),
        }
        branches = {
            "ky_rhos": scan.ky_rhos,
            "gamma": state.gamma_of,
            "omega": state.omega_of,
            "k_par": state.k_par_of,
        }
        return {"spectrum_out": spectrum, "branches_out": branches}

    def scales(self) -> ms.Scales:
        """Return growth times and gyroradii of electrons and ions."""
        return self._scales(self._plasma(None))

    def _plasma(self, profile: ms.Contact | None) -> "Plasma":
        """Return the local plasma: what came, and the settings for what did not."""
        from manyscale_plugins.gyrokinetic_dispersion.kernel import Plasma

        given = {
            "t_e": self.t_e,
            "density": self.density,
            "b_field": self.b_field,
            "minor_radius": self.minor_radius,
            "major_radius": self.major_radius,
            "a_over_lt": self.a_over_lt,
            "a_over_ln": self.a_over_ln,
            "theta": self.t_i / self.t_e,
        }
        given |= {} if profile is None else profile.fields
        given["t_i"] = given["theta"] * given["t_e"]
        given["a_over_lti"] = given["a_over_lt"]
        given.setdefault("a_over_lte", given["a_over_lt"])
        plasma = Plasma(*(np.array([given[name]], dtype=float) for name in Plasma._fields))
        _refuse_unfit(f"{self.name}.profile_in", plasma)
        return plasma


class RadialDispersion(_Dispersion):
    """Fastest ion and electron modes over k_par at every k_y, at many radii at once.

    The equation of `gyrokinetic_dispersion`; one spectrum for each slot of spectrum_out. On MPI
    ranks each solves some of the radii; any number of ranks gives the same bits.
    """

    profiles_in = ms.F_INIT(
        radius=Field("number", "1", "radius", held=ms.REPLICATED),
        t_i=Field("energy", "eV", "radius", held=ms.REPLICATED),
        t_e=Field("energy", "eV", "radius", held=ms.REPLICATED),
        density=Field("number_density", "1/m3", "radius", held=ms.REPLICATED),
        b_field=Field("magnetic_flux_density", "T", "radius", held=ms.REPLICATED),
        a_over_ln=Field("number", "1", "radius", held=ms.REPLICATED),
        a_over_lti=Field("number", "1", "radius", held=ms.REPLICATED),
        a_over_lte=Field("number", "1", "radius", held=ms.REPLICATED),
        minor_radius=Field("length", "m", held=ms.REPLICATED),
        major_radius=Field("length", "m", held=ms.REPLICATED),
    )
    spectrum_out = ms.O_F(
        slots=True,
        ky_rhos=Field("normalised_wavenumber", "1", "ky_rhos=nk"),
        gamma=Field("growth_rate", "1/s", "ky_rhos=nk"),
        omega=Field("angular_frequency", "1/s", "ky_rhos=nk"),
        branch=Field("identity", "1", "ky_rhos=nk", "int32"),
        rho_s=Field("length", "m"),
        mass_ratio=Field("number", "1"),
        t_i=Field("energy", "eV"),
        t_e=Field("energy", "eV"),
        density=Field("number_density", "1/m3"),
        b_field=Field("magnetic_flux_density", "T"),
        grad_n=Field("inverse_length", "1/m"),
        grad_ti=Field("inverse_length", "1/m"),
        grad_te=Field("inverse_length", "1/m"),
    )

    capabilities: ClassVar[ms.Capabilities] = ms.Capabilities(parallel="mpi")

    class State(ms.State):
        """The spectra (radius, k_y) on the root, zeros on other ranks."""

        time: float  # s
        plasma: Array  # (quantity, radius)
        gamma: Array  # 1/s
        omega: Array  # 1/s
        branch: Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Find the fastest modes of this rank's radii, and join those of all ranks."""
        from manyscale_plugins.gyrokinetic_dispersion import kernel

        scan, plasma = self.scan(), _profiles(received.profiles_in)
        radii = plasma.t_i.size
        slots = start.slots.get("spectrum_out", radii)
        if slots != radii:
            raise ms.Refused(
                f"{self.name}.profiles_in brings {radii} radii, but spectrum_out feeds {slots}:"
                " make the multiplicity of the receivers equal to the number of radii"
            )
        own = plasma.part(self.ranks.block(radii))
        both = [kernel.branch(own, scan, one) for one in (kernel.ION, kernel.ELECTRON)]
        spectrum = kernel.merged(own, scan, *both)
        joined = [self.ranks.gathered(values) for values in spectrum]
        shape = (radii, self.nk)
        gamma, omega, branch = (np.zeros(shape) if whole is None else whole for whole in joined)
        return self.State(
            time=start.time,
            plasma=kernel.table(plasma),
            gamma=gamma,
            omega=omega,
            branch=branch.astype(np.int32),
        )

    def clock(self, state: State) -> Clock:
        """Return the time of the profiles: the model is algebraic."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Give every radius its spectrum."""
        from manyscale_plugins.gyrokinetic_dispersion.kernel import Plasma

        scan, plasma = self.scan(), Plasma(*state.plasma)
        spectra = [
            {
                "ky_rhos": scan.ky_rhos,
                "gamma": state.gamma[radius],
                "omega": state.omega[radius],
                "branch": state.branch[radius],
                **_local(plasma, radius, scan),
            }
            for radius in range(state.gamma.shape[0])
        ]
        return {"spectrum_out": spectra}

    def scales(self) -> ms.Scales:
        """Return growth times and gyroradii at 2 keV and 5.4 T, a = 0.21 m; profiles come later."""
        return self._scales(GyrokineticDispersion()._plasma(None))

    @classmethod
    def example(cls) -> "testing.Example":
        """Return three radii of a compact high-field tokamak."""
        from manyscale import testing

        profiles = {
            "radius": np.array([0.3, 0.5, 0.7]),
            "t_i": np.array([2000.0, 1200.0, 600.0]),
            "t_e": np.array([2400.0, 1300.0, 600.0]),
            "density": np.array([1.4e20, 1.2e20, 1.0e20]),
            "b_field": np.array([4.9, 4.6, 4.4]),
            "a_over_ln": np.array([0.3, 0.6, 1.0]),
            "a_over_lti": np.array([1.5, 2.5, 3.5]),
            "a_over_lte": np.array([2.0, 2.8, 3.2]),
            "minor_radius": 0.21,
            "major_radius": 0.67,
        }
        return testing.Example({"nk": 12, "n_kpar": 8}, {"profiles_in": profiles}, slots=3)


def _profiles(came: ms.Contact) -> "Plasma":
    """Return the plasma at every radius."""
    from manyscale_plugins.gyrokinetic_dispersion.kernel import Plasma

    same = np.ones(came.t_i.size)
    values = {name: same * came.fields[name] for name in Plasma._fields}
    plasma = Plasma(**values)
    _refuse_unfit("radial_dispersion.profiles_in", plasma)
    return plasma


def _refuse_unfit(where: str, plasma: "Plasma") -> None:
    """Refuse a plasma that is none, naming the field and the radius."""
    for name, values in plasma._asdict().items():
        slope = name.startswith("a_over")
        low = -STEEPEST if name == "a_over_ln" else 0.0
        bad = (values < low) | (values > STEEPEST) if slope else ~(values > 0.0)
        if bad.any():
            number = int(np.flatnonzero(bad)[0])
            at = "" if values.size == 1 else f" at radius {number}"
            expected = f"{low:g} to {STEEPEST:g}" if slope else "> 0"
            raise ms.Refused(
                f"{where} gives {name} = {values[number]:g}{at}, expected {expected}; look at the"
                " profile there, or leave this radius out"
            )


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the models."""
    return [GyrokineticDispersion, RadialDispersion]


@ms.hookimpl
def manyscale_quantities() -> list[ms.Quantity]:
    """Name what spectra, eddies and decisions are made of."""
    return [
        ms.Quantity("angular_frequency", "1/s", "phase per time"),
        ms.Quantity("growth_rate", "1/s", "rate of an exponential growth"),
        ms.Quantity("inverse_length", "1/m", "relative change per length"),
        ms.Quantity("kinematic_viscosity", "m2/s", "dynamic viscosity per density"),
        ms.Quantity("magnetic_flux_density", "T", "magnetic field B"),
        ms.Quantity("normalised_wavenumber", "1", "wave number times a gyroradius"),
        ms.Quantity("shear_rate", "1/s", "change of a velocity across it"),
        ms.Quantity("wavenumber", "1/m", "phase per length"),
    ]
