"""Drift-wave turbulence of ions or of electrons, or of both in one box."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le, Lt

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.drift_turbulence.kernel import Flow, Grid, Plasma, Sample
    from manyscale_plugins.drift_turbulence.spectrum import Units


class DriftTurbulence(ms.ScaleModel):
    """d[(sigma + k2) phi]/dt + {phi, q} = [gamma - damping] q - v_* dphi/dy, q = (sigma + k2) phi.

    Modified Hasegawa-Mima equation driven by a spectrum of growth rates, in units of rho_s and c_s
    (`ion`), rho_e and v_te (`electron`) or with both ranges in one box (`both`). Pseudo-spectral,
    dealiased by the 2/3 rule, on a shearing box; Runge-Kutta of fourth order with the linear terms
    in an integrating factor. Two-dimensional: what a third dimension saturates is a damping in
    turnovers of each mode's own size. Valid for k rho < 1 and gradient lengths above the box.
    """

    spectrum_in = ms.F_INIT(
        optional=True,
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
    decision_in = ms.F_INIT(
        optional=True,
        active=Field("number", "1", dtype="bool"),
        wE=Field("shear_rate", "1/s"),
        index=Field("number", "1", "index=4", finite=False),
    )
    shear_out = ms.O_I(
        wE_rms=Field("shear_rate", "1/s"),
        k_i=Field("wavenumber", "1/m"),
        nu_turb=Field("kinematic_viscosity", "m2/s"),
    )
    map_out = ms.O_I(
        phi=Field("electric_potential", "V", "x=n y=n"),
        x=Field("length", "m", "x=n"),
        y=Field("length", "m", "y=n"),
    )
    eddy_in = ms.S(
        optional=True,
        nu_turb=Field("kinematic_viscosity", "m2/s"),
        q_e=Field("heat_flux", "W/m2"),
    )
    flux_out = ms.O_F(
        q_i=Field("heat_flux", "W/m2", "exchange"),
        q_e=Field("heat_flux", "W/m2", "exchange"),
    )
    eddy_out = ms.O_F(
        nu_turb=Field("kinematic_viscosity", "m2/s"),
        q_e=Field("heat_flux", "W/m2"),
    )
    history_out = ms.O_F(
        t=Field("time", "s", "sample"),
        q_i=Field("heat_flux", "W/m2", "sample"),
        q_e=Field("heat_flux", "W/m2", "sample"),
        wE=Field("shear_rate", "1/s", "sample"),
        nu=Field("kinematic_viscosity", "m2/s", "sample"),
    )

    scale: Annotated[Literal["ion", "electron", "both"], "1", "whose eddies the box holds"] = "ion"
    n: Annotated[int, "1", "points per side, a power of 2", Ge(32), Le(1024)] = 128
    box: Annotated[float, "1", "side in rho_s, of `electron` in rho_e", Ge(16), Le(1024)] = 128.0
    dt: Annotated[float, "s", "step", Gt(0)] = 2e-8
    run_length: Annotated[float, "s", "simulated per exchange or call, whole steps", Gt(0)] = 1e-4
    exchanges: Annotated[int, "1", "exchanges of a pass", Ge(1)] = 1
    zonal: Annotated[
        Literal["on", "off"], "1", "sigma = 0 for k_y = 0: the other species cannot respond"
    ] = "on"
    polarisation: Annotated[
        Literal["long_wave", "pade"], "1", "k2, or k2/(1 + k2) as of large orbits; `both`: pade"
    ] = "long_wave"
    hyper_nu: Annotated[float, "1", "hyperviscosity: hyper_nu (k rho)8 v/a", Ge(0)] = 1e-3
    scattering: Annotated[float, "1", "damping in turnovers of a mode's own size", Ge(0)] = 0.3
    returned: Annotated[
        float, "1", "part of the scattered energy that comes back at random", Ge(0), Lt(1)
    ] = 0.5
    zonal_friction: Annotated[float, "1/s", "damping of zonal flows by collisions", Ge(0)] = 3e3
    noise: Annotated[float, "1", "rms of the first potential in (T/e) (rho/a)", Gt(0)] = 0.1
    idle: Annotated[
        Literal["last", "none"], "1", "nu_turb answered if not wanted: the last one, or none"
    ] = "last"
    seed: Annotated[int, "1", "of the first noise and of what comes back", Ge(0)] = 1
    settle: Annotated[float, "1", "part of an exchange before means begin", Ge(0), Lt(1)] = 0.0
    samples: Annotated[int, "1", "samples per exchange", Ge(1)] = 100
    threads: Annotated[int, "1", "threads of the transforms", Ge(1), Le(64)] = 1
    t_e: Annotated[float, "eV", "electron temperature, unless spectrum_in brings it", Gt(0)] = 2e3
    b_field: Annotated[float, "T", "field, unless spectrum_in brings it", Gt(0)] = 5.4
    minor_radius: Annotated[float, "m", "a in the units of the State", Gt(0)] = 0.21
    a_over_ln: Annotated[float, "1", "a/L_n, unless spectrum_in brings it", Ge(0), Le(20)] = 1.0
    mass_ratio: Annotated[float, "1", "m_i/m_e, unless spectrum_in brings it", Gt(1)] = 3670.48
    ion_mass: Annotated[float, "kg", "m_i, unless spectrum_in brings rho_s", Gt(0)] = (
        3.3435837768e-27
    )

    version: ClassVar[str] = "1"
    keeps_state: ClassVar[bool] = True
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    capabilities: ClassVar[ms.Capabilities] = ms.Capabilities(parallel="threads")
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "hasegawa1978",
            "A. Hasegawa and K. Mima, Pseudo-three-dimensional turbulence in magnetized nonuniform"
            " plasma, Physics of Fluids 21 (1978) 87",
            "10.1063/1.862083",
        ),
        ms.Citation(
            "hatch2011",
            "D. R. Hatch, P. W. Terry, F. Jenko, F. Merz and W. M. Nevins, Saturation of"
            " gyrokinetic turbulence through damped eigenmodes, Physical Review Letters 106 (2011)"
            " 115003",
            "10.1103/PhysRevLett.106.115003",
        ),
        ms.Citation(
            "maeyama2015",
            "S. Maeyama, Y. Idomura, T.-H. Watanabe, M. Nakata, M. Yagi, N. Miyato, A. Ishizawa and"
            " M. Nunami, Cross-scale interactions between electron and ion scale turbulence in a"
            " tokamak plasma, Physical Review Letters 114 (2015) 255002",
            "10.1103/PhysRevLett.114.255002",
        ),
    )

    class State(ms.State):
        """The potential, what drives it, and what the pass has measured."""

        start: float  # s
        turn: int
        turns: int  # of this pass; none if it is not wanted
        key: int  # of the random numbers
        step: int  # of all passes
        phi: Array  # (kx, ky >= 0) in (T/e) (rho/a), modes that are kept
        tilt: float  # of the wave numbers, by shear
        columns: Array  # (3, ky): growth rate, correlation time of ions and of electrons, in v/a
        units: Array  # (4,): rho m, v/a 1/s, T_e/e V, a m
        mass_ratio: float
        drift: float  # v_* in units of rho v/a
        gradients: Array  # (2,) n T/L_T of ions and electrons, J/m4
        shear: float  # 1/s, imposed
        nu_turb: float  # m2/s, received
        q_e: float  # W/m2, received
        own_shear: float  # 1/s, of the last exchange
        k: float  # 1/m
        own_nu: float  # m2/s
        own_q_e: float  # W/m2
        fluxes: Array  # (exchange, 2) W/m2 of ions and electrons
        history: Array  # (sample, 5): s, W/m2, W/m2, 1/s, m2/s

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n & (self.n - 1):
            above = 1 << self.n.bit_length()
            raise ms.Refused(
                f"drift_turbulence.n is {self.n}, which is no power of 2; the nearest are"
                f" {above // 2} and {above}."
            )

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Take the spectrum and go on from the flow that was kept, or from noise."""
        decision = received.decision_in
        wanted = decision is None or decision.active
        state = self._begun(start, received.spectrum_in)
        if decision is not None:
            state = state.but(shear=decision.wE)
        return state.but(turns=self.exchanges if wanted else 0)

    def clock(self, state: State) -> Clock:
        """Count exchanges from the start of the pass."""
        return Clock.steps(state.turn, state.turns, self.run_length, state.start)

    def o_i(self, state: State) -> ms.Messages:
        """Tell how the eddies shear, how large they are, and the viscosity they have felt."""
        from manyscale_plugins.drift_turbulence import kernel

        grid, units = self._grid(), self._units(state)
        phi = units.potential * kernel.potential(grid, self._plasma(state), self._flow(state))
        x = units.rho * grid.box / grid.n * np.arange(grid.n)
        return {
            "shear_out": {"wE_rms": state.own_shear, "k_i": state.k, "nu_turb": state.nu_turb},
            "map_out": {"phi": phi, "x": x, "y": x},
        }

    def s(self, state: State, received: ms.Received) -> State:
        """Simulate one exchange under the eddies that were received."""
        from manyscale_plugins.drift_turbulence import measures

        if received.eddy_in is not None:
            eddy = received.eddy_in
            state = state.but(nu_turb=eddy.nu_turb, q_e=eddy.q_e)
        steps, units = round(self.run_length / self.dt), self._units(state)
        every = max(1, steps // self.samples)
        flow, samples = self._advanced(state, steps, every)
        begun = state.start + state.turn * self.run_length
        times = begun + self.dt * every * np.arange(1, len(samples) + 1)
        seen = measures.seen(samples, units, state.columns, state.gradients)
        mean = measures.means(seen, self.settle, units)
        history = np.column_stack([times, seen.q_i, seen.q_e, seen.shear, seen.nu])
        q_e = mean.q_e if self.scale != "ion" else state.q_e
        return self._moved(state, flow).but(
            turn=state.turn + 1,
            own_shear=mean.shear,
            k=mean.k,
            own_nu=mean.nu,
            own_q_e=mean.q_e,
            fluxes=np.vstack([state.fluxes, [mean.q_i, q_e]]),
            history=np.vstack([state.history, history]),
        )

    def o_f(self, state: State) -> ms.Messages:
        """Give the fluxes of every exchange, and what these eddies do to larger ones."""
        t, q_i, q_e, wE, nu = np.ascontiguousarray(state.history.T)
        fluxes = np.ascontiguousarray(state.fluxes.T)
        felt = state.turns > 0 or self.idle == "last"
        return {
            "flux_out": {"q_i": fluxes[0], "q_e": fluxes[1]},
            "eddy_out": {"nu_turb": state.own_nu if felt else 0.0, "q_e": state.own_q_e},
            "history_out": {"t": t, "q_i": q_i, "q_e": q_e, "wE": wE, "nu": nu},
        }

    def scales(self) -> ms.Scales:
        """Return step to all exchanges in time, smallest wave to the box in length."""
        rho = self._default_units().rho
        return ms.Scales(
            time=ms.Scale(self.dt, max(self.dt, self.run_length * self.exchanges)),
            length=ms.Scale(3.0 * self.box * rho / self.n, self.box * rho),
        )

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a plasma with two growing modes, as a small box holds them."""
        from manyscale import testing

        spectrum = {
            "ky_rhos": np.array([0.1, 0.4, 1.0, 4.0]),
            "gamma": np.array([5e4, 3e5, 1e5, 2e6]),
            "omega": np.array([-5e4, -3e5, -1e5, 2e6]),
            "branch": np.array([0, 0, 0, 1], dtype=np.int32),
            "rho_s": 1.2e-3, "mass_ratio": 3670.48, "t_i": 2e3, "t_e": 2e3, "density": 1e20,
            "b_field": 5.4, "grad_n": 5.0, "grad_ti": 15.0, "grad_te": 15.0,
        }  # fmt: skip
        decision = {"active": True, "wE": 1e4, "index": np.ones(4)}
        eddy = {"nu_turb": 0.1, "q_e": 1e3}
        return testing.Example(
            {
                "scale": "both",
                "n": 32,
                "box": 32.0,
                "run_length": 2e-6,
                "exchanges": 2,
                "samples": 10,
            },
            {"spectrum_in": spectrum, "decision_in": decision, "eddy_in": eddy},
        )

    def _begun(self, start: ms.Start, spectrum: ms.Contact | None) -> State:
        """Return the State before anything is simulated, with the drive of the spectrum."""
        grid, units, ratio = self._grid(), self._default_units(), self.mass_ratio
        columns, gradients = np.zeros((3, grid.kept + 1)), np.zeros(2)
        drift = self.a_over_ln
        if spectrum is not None:
            units, ratio = self._units_of(spectrum), float(spectrum.mass_ratio)
            columns, gradients = self._driven(spectrum, units)
            drift = units.length * spectrum.grad_n
        state = self.State(
            start=start.time, turn=0, turns=0, key=(start.seed + self.seed) % 2**64, step=0,
            phi=np.zeros((grid.n, grid.kept + 1), complex), tilt=0.0, columns=columns,
            units=np.array([units.rho, units.rate, units.volts, units.length]), mass_ratio=ratio,
            drift=drift, gradients=gradients, shear=0.0, nu_turb=0.0, q_e=0.0, own_shear=0.0, k=0.0,
            own_nu=0.0, own_q_e=0.0, fluxes=np.zeros((0, 2)), history=np.zeros((0, 5)),
        )  # fmt: skip
        return self._from_noise(state) if start.kept is None else _from_kept(state, start.kept)

    def _from_noise(self, state: State) -> State:
        from manyscale_plugins.drift_turbulence import kernel

        grid, plasma = self._grid(), self._plasma(state)
        random = ms.random_numbers(state.key, 0)
        flow = kernel.Flow(kernel.noise(grid, plasma, random, self.noise), 0.0, 0)
        # nothing is measured yet: noise shears nobody, eddies will be as large as the fastest mode
        k = float(grid.ky[np.argmax(plasma.drive)]) / self._units(state).rho
        return self._moved(state, flow).but(k=k)

    def _moved(self, state: State, flow: "Flow") -> State:
        """Return the State with another flow in it."""
        from manyscale_plugins.drift_turbulence import kernel

        M = kernel.response(self._grid(), self._plasma(state), flow.tilt)
        return state.but(phi=flow.q / M, tilt=flow.tilt, step=flow.step)

    def _flow(self, state: State) -> "Flow":
        from manyscale_plugins.drift_turbulence import kernel

        M = kernel.response(self._grid(), self._plasma(state), state.tilt)
        return kernel.Flow(np.asarray(state.phi * M), state.tilt, state.step)

    def _advanced(self, state: State, steps: int, every: int) -> "tuple[Flow, list[Sample]]":
        from manyscale_plugins.drift_turbulence import kernel
        from manyscale_plugins.drift_turbulence import steps as steps_taken

        rate = self._units(state).rate
        fastest = max(rate * float(state.columns[0].max()), abs(state.shear))
        steps_taken.refuse(self.dt, self.run_length, fastest)
        stepper = kernel.Stepper(
            self._grid(), self._plasma(state), rate * self.dt,
            lambda step: ms.random_numbers(state.key, step), self.threads,
        )  # fmt: skip
        try:
            return stepper.advance(self._flow(state), steps, every, self._cut(state))
        except kernel.UnstableError as exc:
            raise ms.Refused(steps_taken.advective(self.dt, exc.limit / rate)) from None

    def _grid(self) -> "Grid":
        from manyscale_plugins.drift_turbulence.kernel import Grid

        return Grid(self.n, self.box)

    def _plasma(self, state: State) -> "Plasma":
        """Return the equation of the modes, in gyro-Bohm units."""
        from manyscale_plugins.drift_turbulence.kernel import Plasma

        units, both = self._units(state), self.scale == "both"
        # the smallest eddies are those of the electrons: (k rho_e)8 v_te/a
        smaller = state.mass_ratio**-3.5 if both else 1.0
        return Plasma(
            drive=state.columns[0],
            drift=state.drift,
            hyper=self.hyper_nu * smaller,
            nu=state.nu_turb / units.diffusivity,
            friction=self.zonal_friction / units.rate,
            scattering=self.scattering,
            returned=self.returned,
            shear=state.shear / units.rate,
            zonal=self.zonal == "on",
            pade=both or self.polarisation == "pade",
            electrons=2.0 / state.mass_ratio if both else 0.0,
        )

    def _cut(self, state: State) -> float:
        """Return the wave number at which the range of the electrons begins, in 1/rho_s."""
        begins = np.flatnonzero(state.columns[2] > 0.0)
        both = self.scale == "both" and begins.size
        return float(self._grid().ky[begins[0]]) if both else np.inf

    def _units(self, state: State) -> "Units":
        from manyscale_plugins.drift_turbulence.spectrum import Units

        return Units(*map(float, state.units))

    def _default_units(self) -> "Units":
        from manyscale_plugins.drift_turbulence import spectrum

        rho_s = (self.ion_mass * self.t_e / spectrum.ELEMENTARY_CHARGE) ** 0.5 / self.b_field
        ratio = self.mass_ratio if self.scale == "electron" else 1.0
        return spectrum.units(rho_s, self.t_e, self.b_field, self.minor_radius, ratio)

    def _units_of(self, received: ms.Contact) -> "Units":
        from manyscale_plugins.drift_turbulence import spectrum

        ratio = received.mass_ratio if self.scale == "electron" else 1.0
        plasma = received.rho_s, received.t_e, received.b_field
        return spectrum.units(*plasma, self.minor_radius, ratio)

    def _driven(self, received: ms.Contact, units: "Units") -> tuple[Array, Array]:
        """Return columns (3, ky) and gradients (2,) of a State with this spectrum."""
        from manyscale_plugins.drift_turbulence import spectrum

        ky = self._grid().ky
        to_rho_s = received.rho_s / units.rho
        spectrum.refuse_outside(received, ky[1] * to_rho_s, ky[-1] * to_rho_s, self.scale)
        found = spectrum.columns(received, ky, units, received.rho_s, spectrum.BRANCHES[self.scale])
        density = spectrum.ELEMENTARY_CHARGE * received.density
        pressures = received.t_i * received.grad_ti, received.t_e * received.grad_te
        return np.stack(found), density * np.array(pressures)


def _from_kept(state: DriftTurbulence.State, kept: DriftTurbulence.State) -> DriftTurbulence.State:
    """Return a State that goes on where the pass before ended."""
    return state.but(
        key=kept.key, step=kept.step, phi=kept.phi, tilt=kept.tilt, nu_turb=kept.nu_turb,
        q_e=kept.q_e, own_shear=kept.own_shear, k=kept.k, own_nu=kept.own_nu, own_q_e=kept.own_q_e,
    )  # fmt: skip


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [DriftTurbulence]


@ms.hookimpl
def manyscale_checks() -> list[ms.Check]:
    """Offer what can be checked of its place in a coupling."""
    from manyscale_plugins.drift_turbulence import checks

    return [checks.place_and_scale]
