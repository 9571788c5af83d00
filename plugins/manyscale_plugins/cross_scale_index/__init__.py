"""Whether two scales of plasma turbulence must be simulated together."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Gt

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.cross_scale_index.kernel import Range


class CrossScaleIndex(ms.ScaleModel):
    """I = sqrt(P_ie P_ei) with P_ie = wE/gamma_high, P_ei = nu k_i**2/gamma_low; a switch.

    It goes on where I > i_on and off where I < i_off. Beside it R_gamma = gamma_high/gamma_low and
    P = max(gamma/k)_high/max(gamma/k)_low, maxima above and up to k_y rho_i = split. The product is
    a definition of this project. Algebraic; keeps the switch.
    """

    spectra_in = ms.F_INIT(
        ky_rhos=Field("normalised_wavenumber", "1", "ky_rhos"),
        gamma=Field("growth_rate", "1/s", "ky_rhos"),
        omega=Field("angular_frequency", "1/s", "ky_rhos"),
        branch=Field("identity", "1", "ky_rhos", "int32"),
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
    shear_in = ms.F_INIT(
        wE_rms=Field("shear_rate", "1/s"),
        k_i=Field("wavenumber", "1/m"),
        nu_turb=Field("kinematic_viscosity", "m2/s"),
    )
    decision_out = ms.O_F(
        active=Field("number", "1", dtype="bool"),
        wE=Field("shear_rate", "1/s"),
        index=Field("number", "1", "index=4", finite=False),
    )
    index_out = ms.O_F(
        p_ie=Field("number", "1", finite=False),
        p_ei=Field("number", "1", finite=False),
        r_gamma=Field("number", "1", finite=False),
        p=Field("number", "1", finite=False),
        i=Field("number", "1", finite=False),
        estimated=Field("number", "1", dtype="bool"),
        active=Field("number", "1", dtype="bool"),
        starts=Field("count", "1", dtype="int64"),
    )

    i_on: Annotated[float, "1", "index above which the electron scale is simulated", Gt(0)] = 1.2
    i_off: Annotated[float, "1", "index below which that ends", Gt(0)] = 0.8
    split: Annotated[float, "1", "k_y rho_i between the scales", Gt(0)] = 0.8
    mode: Annotated[
        Literal["switch", "on", "off"], "1", "decide by the index, or always the same"
    ] = "switch"
    first: Annotated[
        Literal["estimate", "run"],
        "1",
        "before nu_turb was measured: estimate it as gamma/k**2, or simulate once",
    ] = "estimate"

    version: ClassVar[str] = "1"
    keeps_state: ClassVar[bool] = True
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "howard2016",
            "N. T. Howard, C. Holland, A. E. White, M. Greenwald, J. Candy and A. J. Creely,"
            " Multi-scale gyrokinetic simulations: comparison with experiment and implications for"
            " predicting turbulence and transport, Physics of Plasmas 23 (2016) 056109",
            "10.1063/1.4946028",
        ),
        ms.Citation(
            "creely2019",
            "A. J. Creely et al., Criteria for the importance of multi-scale interactions in"
            " turbulent transport simulations, Plasma Physics and Controlled Fusion 61 (2019)"
            " 085022",
            "10.1088/1361-6587/ab24ae",
        ),
    )

    class State(ms.State):
        """The switch, and what it was turned by."""

        time: float  # s
        active: bool
        starts: int  # times it went on
        shear: float  # wE, 1/s
        index: Array  # (4,) P_ie, P_ei, R_gamma, P
        i: float
        estimated: bool
        nu: float  # m2/s, the last that was measured, 0 before

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.i_off >= self.i_on:
            raise ms.Refused(
                f"cross_scale_index.i_off is {self.i_off:g} and i_on {self.i_on:g}; i_off must be"
                " the smaller one, or the switch would chatter."
            )

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Compare the rates and turn the switch."""
        from manyscale_plugins.cross_scale_index import kernel

        spectra, shear = received.spectra_in, received.shear_in
        _refuse_unfit(spectra, shear)
        low, high = self._ranges(spectra)
        measured = shear.nu_turb or (0.0 if start.kept is None else start.kept.nu)
        estimated = measured == 0.0
        viscosity = high.mixing if estimated else measured
        found = kernel.index(low, high, shear.wE_rms, viscosity, shear.k_i)
        was_on = start.kept is not None and start.kept.active
        active = kernel.switched(was_on, found.i, self.i_on, self.i_off)
        if self.mode != "switch":
            active = self.mode == "on"
        elif estimated and self.first == "run":
            active = True
        starts = 0 if start.kept is None else start.kept.starts
        return self.State(
            time=start.time,
            active=active,
            starts=starts + (active and not was_on),
            shear=shear.wE_rms,
            index=np.array(found),
            i=found.i,
            estimated=estimated,
            nu=float(measured),
        )

    def clock(self, state: State) -> Clock:
        """Return the time of what is compared: a decision takes none."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Give the decision, and all numbers for the record."""
        p_ie, p_ei, r_gamma, p = (float(value) for value in state.index)
        decision = {"active": state.active, "wE": state.shear, "index": state.index}
        record = {
            "p_ie": p_ie,
            "p_ei": p_ei,
            "r_gamma": r_gamma,
            "p": p,
            "i": state.i,
            "estimated": state.estimated,
            "active": state.active,
            "starts": state.starts,
        }
        return {"decision_out": decision, "index_out": record}

    def scales(self) -> ms.Scales:
        """Return an instant: it takes no simulated time."""
        return ms.Scales(time=ms.Scale(0.0, 0.0))

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a slow large and a fast small mode in a deuterium plasma of 2 keV and 5.4 T."""
        from manyscale import testing

        spectra = {
            "ky_rhos": np.array([0.2, 0.5, 5.0, 40.0]),
            "gamma": np.array([2e4, 1.5e5, 5e5, 1e7]),
            "omega": np.array([-4e4, -1e5, 1e6, 2e7]),
            "branch": np.array([0, 0, 1, 1], dtype=np.int32),
            "rho_s": 1.2e-3,
            "mass_ratio": 3670.48,
            "t_i": 2000.0,
            "t_e": 2000.0,
            "density": 1e20,
            "b_field": 5.4,
            "grad_n": 5.0,
            "grad_ti": 15.0,
            "grad_te": 15.0,
        }
        shear = {"wE_rms": 5e5, "k_i": 200.0, "nu_turb": 0.0}
        return testing.Example(messages={"spectra_in": spectra, "shear_in": shear})

    def _ranges(self, spectra: ms.Contact) -> "tuple[Range, Range]":
        """Return what grows on both sides of the split."""
        from manyscale_plugins.cross_scale_index import kernel

        rho_i = spectra.rho_s * (spectra.t_i / spectra.t_e) ** 0.5
        return kernel.ranges(spectra.ky_rhos / spectra.rho_s, spectra.gamma, self.split / rho_i)


def _refuse_unfit(spectra: ms.Contact, shear: ms.Contact) -> None:
    for name in ("rho_s", "t_i", "t_e"):
        if not spectra.fields[name] > 0.0:
            raise ms.Refused(
                f"cross_scale_index.spectra_in gives {name} = {spectra.fields[name]:g}, expected a"
                " positive number; look at the profile of its sender"
            )
    for name, value in shear.fields.items():
        if value < 0.0:
            raise ms.Refused(
                f"cross_scale_index.shear_in gives {name} = {value:g}, expected none below 0; look"
                " at its sender"
            )


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [CrossScaleIndex]


@ms.hookimpl
def manyscale_checks() -> list[ms.Check]:
    """Offer what can be checked before a run."""
    from manyscale_plugins.cross_scale_index import checks

    return [checks.both_sides_of_the_split]
