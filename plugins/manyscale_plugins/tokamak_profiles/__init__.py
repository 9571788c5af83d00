"""Measured radial profiles of a tokamak, as the models of its turbulence take them."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.tokamak_profiles.kernel import Local

_AS_THEY_ARE = ("a_over_ln", "a_over_lte", "t_e", "density", "b_field")


class TokamakProfiles(ms.ScaleModel):
    """Temperatures, density, field and their gradients -a/X dX/dr at some radii.

    From a table in the settings, a CSV file, or IMAS core_profiles in JSON, by cubic splines of
    ln X in r: third order in the spacing of the table for the gradients.
    """

    profile_out = ms.O_F(
        slots=True,
        a_over_lt=Field("number", "1"),
        a_over_ln=Field("number", "1"),
        theta=Field("number", "1"),
        a_over_lte=Field("number", "1"),
        t_e=Field("energy", "eV"),
        density=Field("number_density", "1/m3"),
        b_field=Field("magnetic_flux_density", "T"),
        minor_radius=Field("length", "m"),
        major_radius=Field("length", "m"),
    )
    profiles_out = ms.O_F(
        radius=Field("number", "1", "radius"),
        t_i=Field("energy", "eV", "radius"),
        t_e=Field("energy", "eV", "radius"),
        density=Field("number_density", "1/m3", "radius"),
        b_field=Field("magnetic_flux_density", "T", "radius"),
        a_over_ln=Field("number", "1", "radius"),
        a_over_lti=Field("number", "1", "radius"),
        a_over_lte=Field("number", "1", "radius"),
        minor_radius=Field("length", "m"),
        major_radius=Field("length", "m"),
    )

    table: Annotated[
        list[list[float]], "1", "rows r [m], T_i [eV], T_e [eV], n_e [1/m3], R [m] if known"
    ] = [[]]
    file: Annotated[
        str, "1", "instead of the table: full path of a CSV file, or of IMAS core_profiles in JSON"
    ] = ""
    inner: Annotated[float, "1", "r/a of the first radius", Gt(0), Le(1)] = 0.2
    outer: Annotated[float, "1", "r/a of the last radius", Gt(0), Le(1)] = 0.8
    count: Annotated[int, "1", "radii, evenly spaced", Ge(1), Le(10_000)] = 16
    b_field: Annotated[float, "T", "B_0 at the major radius, unless the file has it", Gt(0)] = 5.4
    major_radius: Annotated[float, "m", "R_0, unless the file has it", Gt(0)] = 0.67
    minor_radius: Annotated[float, "m", "a, for a file with rho instead of r: r = rho a", Gt(0)] = (
        0.21
    )
    factor_lti: Annotated[
        float, "1", "times the measured a/L_Ti, to look across its error bar", Gt(0), Le(10)
    ] = 1.0
    factor_lte: Annotated[float, "1", "times the measured a/L_Te", Gt(0), Le(10)] = 1.0

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"

    class State(ms.State):
        """What is sent."""

        time: float  # s
        profiles: Array  # (quantity, radius)
        minor_radius: float  # m
        major_radius: float  # m

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.outer < self.inner:
            raise ms.Refused(
                f"tokamak_profiles.outer is {self.outer:g} and inner {self.inner:g};"
                " outer must not be the smaller one."
            )
        if bool(self.file) == any(self.table):
            raise ms.Refused(
                "tokamak_profiles needs either a file or a table in its settings, and has"
                f" {'both' if self.file else 'none'}."
            )

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Read the table and interpolate."""
        from manyscale_plugins.tokamak_profiles.kernel import ARRAYS

        slots = start.slots.get("profile_out", self.count)
        if slots != self.count:
            raise ms.Refused(
                f"tokamak_profiles.count is {self.count}, but profile_out feeds {slots} receivers:"
                " make their multiplicity equal to count"
            )
        found = self._local()
        return self.State(
            time=start.time,
            profiles=np.stack([found._asdict()[name] for name in ARRAYS]),
            minor_radius=found.minor_radius,
            major_radius=found.major_radius,
        )

    def clock(self, state: State) -> Clock:
        """Return the beginning: profiles do not change."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Send every radius its plasma, and all radii together."""
        from manyscale_plugins.tokamak_profiles.kernel import ARRAYS

        lengths = {"minor_radius": state.minor_radius, "major_radius": state.major_radius}
        together = dict(zip(ARRAYS, state.profiles, strict=True))
        each = [
            {
                "a_over_lt": float(together["a_over_lti"][radius]),
                "theta": float(together["t_i"][radius] / together["t_e"][radius]),
                **{name: float(together[name][radius]) for name in _AS_THEY_ARE},
                **lengths,
            }
            for radius in range(self.count)
        ]
        return {"profile_out": each, "profiles_out": {**together, **lengths}}

    def scales(self) -> ms.Scales:
        """Return the plasma's cross section; a tenth of it for what profiles resolve."""
        return ms.Scales(length=ms.Scale(0.1 * self.minor_radius, self.minor_radius))

    @classmethod
    def example(cls) -> "testing.Example":
        """Return parabolic profiles of a compact high-field tokamak."""
        from manyscale import testing

        r = np.linspace(0.0, 0.21, 22)
        part = 1.0 - 0.95 * (r / 0.21) ** 2
        rows = np.column_stack((r, 2000.0 * part, 2500.0 * part, 1.5e20 * part**0.5))
        return testing.Example({"table": rows.tolist(), "count": 3}, slots=3)

    def _local(self) -> "Local":
        from manyscale_plugins.tokamak_profiles import kernel

        machine = kernel.Machine(self.b_field, self.major_radius, self.minor_radius)
        read = kernel.read(self.file, machine) if self.file else kernel.of_rows(self.table, machine)
        found = kernel.at_radii(read, np.linspace(self.inner, self.outer, self.count))
        return found._replace(
            a_over_lti=self.factor_lti * found.a_over_lti,
            a_over_lte=self.factor_lte * found.a_over_lte,
        )


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [TokamakProfiles]


@ms.hookimpl
def manyscale_checks() -> list[ms.Check]:
    """Offer what can be checked before a run."""
    from manyscale_plugins.tokamak_profiles import checks

    return [checks.as_many_as_radii]
