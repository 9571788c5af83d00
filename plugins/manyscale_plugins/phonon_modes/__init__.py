"""Phonons of a crystal: modes with heat capacities, velocities and lifetimes."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale_plugins.phonon_modes.kernel import Modes


class PhononModes(ms.ScaleModel):
    """w(q) = v q + c q2 in isotropic branches, 1/tau = B w2 T exp(-C/T) + A w4 + |v|/L_b.

    Heat capacities contain the weights of the quadrature, so k = sum C v2 tau/3. With
    `table_file` the modes come from first principles, as phono3py writes them, each with its
    |v|. Valid where phonons are particles: mean free paths longer than wavelengths.
    """

    case_in = ms.F_INIT(
        optional=True,
        thickness=Field("length", "m"),
        temperature=Field("temperature", "K"),
        dT=Field("temperature_difference", "K"),
    )
    modes_out = ms.O_F(
        heat_capacity=Field("volumetric_heat_capacity", "J/(m3 K)", "mode"),
        velocity=Field("velocity", "m/s", "mode"),
        lifetime=Field("time", "s", "mode"),
        t_ref=Field("temperature", "K"),
    )

    a0: Annotated[float, "m", "lattice constant, of silicon", Ge(1e-10), Le(1e-9)] = 5.43e-10
    v_LA: Annotated[float, "m/s", "velocity of the longitudinal branch", Gt(0)] = 9.01e3
    c_LA: Annotated[float, "m2/s", "its curvature"] = -2.0e-7
    g_LA: Annotated[float, "1", "number of such branches", Gt(0)] = 1.0
    v_TA: Annotated[float, "m/s", "velocity of the transverse branches", Gt(0)] = 5.23e3
    c_TA: Annotated[float, "m2/s", "their curvature"] = -2.26e-7
    g_TA: Annotated[float, "1", "number of such branches", Gt(0)] = 2.0
    debye_LA: Annotated[float, "K", "where the branch ends; 0: at 2 pi/a0", Ge(0)] = 0.0
    debye_TA: Annotated[float, "K", "where the branches end; 0: at 2 pi/a0", Ge(0)] = 0.0
    A: Annotated[float, "s3", "scattering by impurities", Ge(0)] = 1.32e-45
    B: Annotated[float, "s/K", "anharmonic scattering, so that k(300 K) = 148", Ge(0)] = 1.43067e-19
    C: Annotated[float, "K", "its activation", Ge(0)] = 140.0
    L_b: Annotated[float, "m", "length between boundaries of the crystal", Gt(0)] = 5e-3
    temperature: Annotated[
        float, "K", "T, unless case_in brings it", Ge(0.5), Le(2000)
    ] = 300.0  # fmt: skip
    n_modes: Annotated[int, "1", "modes, half of them in each branch", Ge(8), Le(4096)] = 128
    rule: Annotated[
        Literal["gauss", "midpoint"], "1", "points in q: Gauss in its root, or equal steps"
    ] = "gauss"
    table_file: Annotated[
        str, "1", "'': the branches; silicon_pbesol; or full path of a kappa-m*.hdf5 of phono3py"
    ] = ""

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "pop2004",
            "E. Pop, R. W. Dutton and K. E. Goodson, Analytic band Monte Carlo model for electron "
            "transport in Si including acoustic and optical phonon dispersion, Journal of Applied "
            "Physics 96 (2004) 4998",
            "10.1063/1.1788838",
        ),
        ms.Citation(
            "holland1963",
            "M. G. Holland, Analysis of lattice thermal conductivity, Physical Review 132 (1963) "
            "2461",
            "10.1103/PhysRev.132.2461",
        ),
        ms.Citation(
            "togo2015",
            "A. Togo, L. Chaput and I. Tanaka, Distributions of phonon lifetimes in Brillouin "
            "zones, Physical Review B 91 (2015) 094306",
            "10.1103/PhysRevB.91.094306",
        ),
    )

    class State(ms.State):
        """The modes at the temperature asked for."""

        time: float  # s
        temperature: float  # K
        heat_capacity: Array  # (mode,) J/(m3 K)
        velocity: Array  # (mode,) m/s
        lifetime: Array  # (mode,) s

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_modes % 2:
            raise ms.Refused(
                f"Setting {self.name}.n_modes is {self.n_modes}, expected an even number: half of"
                f" the modes go to each branch, so {self.n_modes + 1} would do."
            )

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Find the modes at the temperature of the case."""
        case = received.case_in
        temperature = self.temperature if case is None else float(case.temperature)
        found = self.modes(self._within(temperature))
        return self.State(time=start.time, temperature=temperature, **found._asdict())

    def clock(self, state: State) -> Clock:
        """Stamp the answer with the time of the question."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Send the modes and the temperature they belong to."""
        found = {name: getattr(state, name) for name in ("heat_capacity", "velocity", "lifetime")}
        return {"modes_out": {**found, "t_ref": state.temperature}}

    def scales(self) -> ms.Scales:
        """Return lifetimes, and the lattice."""
        return ms.Scales(time=ms.Scale(1e-13, 1e-8), length=ms.Scale(self.a0, self.a0))

    def modes(self, temperature: float) -> "Modes":
        """Return the modes at a temperature [K], as the kernel has them."""
        from manyscale_plugins.phonon_modes import kernel, table

        if self.table_file:
            return table.at(table.read(table.path_of(self.table_file)), temperature)
        zone = kernel.zone_boundary(self.a0)
        branches = [
            kernel.Branch(v, c, g, kernel.debye_cutoff(debye, v) if debye else zone)
            for v, c, g, debye in (
                (self.v_LA, self.c_LA, self.g_LA, self.debye_LA),
                (self.v_TA, self.c_TA, self.g_TA, self.debye_TA),
            )
        ]
        scattering = kernel.Scattering(self.B, self.C, self.A, self.L_b)
        return kernel.modes(branches, scattering, temperature, self.n_modes // 2, self.rule)

    def _within(self, temperature: float) -> float:
        """Refuse a temperature the declaration does not reach."""
        if not 0.5 <= temperature <= 2000.0:
            raise ms.Refused(
                f"phonon_modes.case_in brings temperature = {temperature:.6g} K, expected 0.5 to"
                " 2000 K: see the cases of its sender"
            )
        return temperature


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [PhononModes]


@ms.hookimpl
def manyscale_quantities() -> list[ms.Quantity]:
    """Name what phonons carry."""
    return [ms.Quantity("volumetric_heat_capacity", "J/(m3 K)", "heat capacity per volume")]


@ms.hookimpl
def manyscale_checks() -> list[ms.Check]:
    """Offer what can be said of a mode table before a run."""
    from manyscale_plugins.phonon_modes import checks

    return [checks.mode_table]
