"""A well-mixed layer of air over a scene, warmed by its sensible heat, and the sky above."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.mixed_layer.kernel import Above, Sky


class MixedLayer(ms.ScaleModel):
    """rho cp h dTheta/dt = H, rho cp h de/dt = gamma LE: a slab of air over a day.

    Heat is constant in a step: that of its beginning (explicit_euler, first order) or
    extrapolated from the step before (adams_bashforth, second order). The layer keeps its height,
    or grows into a stable atmosphere without a jump (encroachment). Valid for a convective
    boundary layer; a night layer is shallower than this one.
    """

    air_out = ms.O_I(
        air_temperature=Field("temperature", "K"),
        vapour_pressure=Field("pressure", "Pa"),
        shortwave=Field("heat_flux", "W/m2"),
        longwave=Field("heat_flux", "W/m2"),
    )
    heat_in = ms.S(sensible=Field("heat_flux", "W/m2"), latent=Field("heat_flux", "W/m2"))
    layer_out = ms.O_F(
        air_temperature=Field("temperature", "K"),
        vapour_pressure=Field("pressure", "Pa"),
        height=Field("length", "m"),
    )

    height: Annotated[float, "m", "h at the start", Ge(50), Le(4000)] = 1000.0
    theta: Annotated[float, "K", "potential temperature at the start", Ge(220), Le(330)] = 288.15
    vapour_pressure: Annotated[float, "Pa", "e at the start", Ge(0), Le(8000)] = 1000.0
    dt: Annotated[float, "s", "macro step", Gt(0)] = 600.0
    t_end: Annotated[float, "s", "time simulated, whole steps", Gt(0)] = 86400.0
    start: Annotated[float, "s", "local solar time at t = 0", Ge(0), Le(86400)] = 0.0
    latitude: Annotated[float, "rad", "north positive", Ge(-1.5708), Le(1.5708)] = 0.7854
    day_of_year: Annotated[int, "1", "1 is the first of January", Ge(1), Le(366)] = 172
    scheme: Annotated[Literal["adams_bashforth", "explicit_euler"], "1", "integration in time"] = (
        "adams_bashforth"
    )
    growth: Annotated[Literal["none", "encroachment"], "1", "whether heat makes the layer grow"] = (
        "none"
    )
    lapse_rate: Annotated[float, "K/m", "of potential temperature above the layer", Gt(0)] = 5e-3
    vapour_above: Annotated[float, "Pa", "e of the air that is taken in", Ge(0), Le(8000)] = 500.0
    forcing: Annotated[
        str, "1", "CSV file of time, shortwave, longwave; empty: a clear sky", ms.InputFiles()
    ] = ""

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "tennekes1973",
            "H. Tennekes, A model for the dynamics of the inversion above a convective boundary "
            "layer, Journal of the Atmospheric Sciences 30 (1973) 558",
        ),
        ms.Citation(
            "haurwitz1945",
            "B. Haurwitz, Insolation in relation to cloudiness and cloud density, Journal of "
            "Meteorology 2 (1945) 154",
        ),
        ms.Citation(
            "brutsaert1975",
            "W. Brutsaert, On a derivable formula for long-wave radiation from clear skies, Water "
            "Resources Research 11 (1975) 742",
            "10.1029/WR011i005p00742",
        ),
    )

    class State(ms.State):
        """The layer, and the heat of the step before."""

        step: int
        theta: float  # K
        vapour: float  # Pa
        height: float  # m
        sensible: float  # W/m2
        latent: float  # W/m2
        forcing: Array  # (row, 3) s, W/m2, W/m2; no rows: a clear sky

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Begin with the layer of the settings; read the forcing."""
        steps = self.t_end / self.dt
        if abs(steps - round(steps)) > 1e-9 * steps:
            raise ms.Refused(
                f"mixed_layer: t_end = {self.t_end:g} s is {steps:g} steps of {self.dt:g} s,"
                " expected a whole number."
            )
        return self.State(
            step=0,
            theta=self.theta,
            vapour=self.vapour_pressure,
            height=self.height,
            sensible=0.0,
            latent=0.0,
            forcing=self.table(),
        )

    def clock(self, state: State) -> Clock:
        """Count whole steps from t = 0."""
        return Clock.steps(state.step, round(self.t_end / self.dt), self.dt)

    def o_i(self, state: State) -> ms.Messages:
        """Give the air above the surface, and what the sky sends."""
        shortwave, longwave = self._sky(state)
        air = {"air_temperature": state.theta, "vapour_pressure": state.vapour}
        return {"air_out": {**air, "shortwave": shortwave, "longwave": longwave}}

    def s(self, state: State, received: ms.Received) -> State:
        """Warm and moisten the layer for a step."""
        from manyscale_plugins.mixed_layer import kernel

        sensible, latent = received.heat_in.sensible, received.heat_in.latent
        ahead = 0.5 if self.scheme == "adams_bashforth" and state.step else 0.0
        mean = sensible + ahead * (sensible - state.sensible)
        moist = latent + ahead * (latent - state.latent)
        layer = kernel.Layer(state.theta, state.vapour, state.height)
        try:
            theta, vapour, height = kernel.warmed(layer, mean, moist, self.dt, self.above)
        except ValueError as exc:
            raise ms.Refused(f"mixed_layer: {exc}.") from None
        return state.but(
            step=state.step + 1,
            theta=theta,
            vapour=vapour,
            height=height,
            sensible=sensible,
            latent=latent,
        )

    def o_f(self, state: State) -> ms.Messages:
        """Give the layer at the end."""
        air = {"air_temperature": state.theta, "vapour_pressure": state.vapour}
        return {"layer_out": {**air, "height": state.height}}

    def scales(self) -> ms.Scales:
        """Return step to end in time, the height of the layer in length."""
        return ms.Scales(
            time=ms.Scale(self.dt, self.t_end), length=ms.Scale(self.height, self.height)
        )

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a morning of four steps."""
        from manyscale import testing

        heat = {"sensible": 120.0, "latent": 180.0}
        settings = {"t_end": 2400.0, "start": 28800.0, "growth": "encroachment"}
        return testing.Example(settings, {"heat_in": heat})

    def table(self) -> Array:
        """Return the forcing of the settings (row, 3), no rows for a clear sky."""
        from manyscale_plugins.mixed_layer import kernel

        if not self.forcing:
            return np.zeros((0, 3))
        try:
            return kernel.read_forcing(Path(self.forcing), self.start, self.start + self.t_end)
        except ValueError as exc:
            raise ms.Refused(f"mixed_layer: {exc}.") from None

    def sky(self, table: Array) -> "Sky":
        """Return what comes from above under a forcing (row, 3)."""
        from manyscale_plugins.mixed_layer.kernel import Sky

        return Sky(self.start, self.latitude, self.day_of_year, table)

    @property
    def above(self) -> "Above | None":
        """The air that the layer takes in, None if it keeps its height."""
        from manyscale_plugins.mixed_layer.kernel import Above

        return None if self.growth == "none" else Above(self.lapse_rate, self.vapour_above)

    def _sky(self, state: State) -> tuple[float, float]:
        """Return shortwave and longwave in W/m2."""
        return self.sky(state.forcing).at(state.step * self.dt, state.theta, state.vapour)


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [MixedLayer]
