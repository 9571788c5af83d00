"""Conduction of heat through a slab that is coupled at its wall."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.heat_slab.kernel import Slab


class _HeatSlab(ms.ScaleModel):
    """rho c dT/dt = k d2T/ds2 on 0..length from the wall inwards; one step per call.

    Finite volumes of second order in s, first (implicit_euler) or second (crank_nicolson, its
    first step implicit Euler) in time.
    """

    keeps_state: ClassVar[bool] = True
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"

    conductivity: Annotated[float, "W/(m K)", "k", Gt(0)] = 14.9
    density: Annotated[float, "kg/m3", "rho", Gt(0)] = 7900.0
    heat_capacity: Annotated[float, "J/(kg K)", "c, specific heat capacity", Gt(0)] = 477.0
    length: Annotated[float, "m", "thickness of the slab", Gt(0)] = 0.05
    cells: Annotated[int, "1", "finite volumes", Ge(2), Le(1_000_000)] = 100
    initial_temperature: Annotated[float, "K", "at t = 0 everywhere", Ge(0)] = 400.0
    outer: Annotated[
        Literal["temperature", "insulated"], "1", "what the side away from the wall is"
    ] = "temperature"
    outer_temperature: Annotated[float, "K", "of that side, if held", Ge(0)] = 400.0
    dt: Annotated[float, "s", "length of a step", Gt(0)] = 5.0
    scheme: Annotated[Literal["implicit_euler", "crank_nicolson"], "1", "integration in time"] = (
        "implicit_euler"
    )

    class State(ms.State):
        """Temperatures, and both sides of the wall's answer."""

        time: float  # s
        T: Array  # (cell,) K
        T_wall: float  # K
        q_wall: float  # W/m2, from the wall into the neighbour or from it into the slab
        steps: int

    def clock(self, state: State) -> Clock:
        """End the pass with the step."""
        return Clock(state.time)

    def scales(self) -> ms.Scales:
        """Return a step to equilibration across the slab in time, a cell to the slab in length."""
        slab = self.slab()
        whole = slab.length**2 * slab.capacity / slab.conductivity
        return ms.Scales(
            time=ms.Scale(min(self.dt, whole), max(self.dt, whole)),
            length=ms.Scale(slab.width, slab.length),
        )

    @classmethod
    def example(cls) -> "testing.Example":
        """Return steps as long as those of a caller that calls once a second."""
        from manyscale import testing

        return testing.Example({"dt": 1.0, "cells": 8})

    def slab(self) -> "Slab":
        """Return the slab as the kernel takes it."""
        from manyscale_plugins.heat_slab.kernel import Slab

        capacity = self.density * self.heat_capacity
        return Slab(
            self.conductivity, capacity, self.length, self.cells, self.outer, self.outer_temperature
        )

    def _stepped(self, kept: State | None, held: bool, wall: float) -> Array:
        """Return T (cell,) one step on; `wall` is a temperature if held, else a flux into it."""
        from manyscale_plugins.heat_slab import kernel

        if kept is None:  # nothing is known of the wall before: implicit Euler
            T = np.full(self.cells, self.initial_temperature)
            return kernel.advanced(self.slab(), T, self.dt, 1.0, held, (wall, wall))
        theta = 0.5 if self.scheme == "crank_nicolson" else 1.0
        before = kept.T_wall if held else kept.q_wall
        return kernel.advanced(self.slab(), kept.T, self.dt, theta, held, (before, wall))

    def _after(self, start: ms.Start, T: Array, T_wall: float, q_wall: float) -> State:
        """Return the State after a step; time is counted in steps, whoever is called first."""
        steps = 1 if start.kept is None else start.kept.steps + 1
        time = steps * self.dt
        off = min(abs(start.time - time), abs(start.time - (steps - 1) * self.dt))
        if off > 1e-6 * self.dt:
            raise ms.Refused(
                f"{self.name} takes its step to t = {time:g} s, but was asked at t ="
                f" {start.time:g} s: give dt the same value here and where the windows are"
            )
        return self.State(time=time, T=T, T_wall=T_wall, q_wall=q_wall, steps=steps)


class HeatSlabDirichlet(_HeatSlab):
    """Conduction rho c dT/dt = k d2T/ds2 with a given wall temperature; answers the flux out.

    s runs from the wall inwards. Finite volumes of second order in s, first (implicit_euler) or
    second (crank_nicolson, its first step implicit Euler) in time; one step per call.
    """

    wall_in = ms.F_INIT(T_wall=Field("temperature", "K"))
    wall_out = ms.O_F(q_wall=Field("heat_flux", "W/m2"))
    profile_out = ms.O_F(
        T=Field("temperature", "K", "s=cells"),
        s=Field("length", "m", "s=cells"),
        T_wall=Field("temperature", "K"),
        q_wall=Field("heat_flux", "W/m2"),
    )

    def f_init(self, start: ms.Start, received: ms.Received) -> _HeatSlab.State:
        """Take one step under the wall temperature at its end."""
        from manyscale_plugins.heat_slab import kernel

        wall = received.wall_in.T_wall
        T = self._stepped(start.kept, True, wall)
        return self._after(start, T, wall, kernel.flux_out(self.slab(), T, wall))

    def o_f(self, state: _HeatSlab.State) -> ms.Messages:
        """Give the flux out of the slab at the end of the step."""
        return {"wall_out": {"q_wall": state.q_wall}, "profile_out": _profile(self, state)}


class HeatSlabNeumann(_HeatSlab):
    """Conduction rho c dT/dt = k d2T/ds2 with a given flux into the wall; answers its temperature.

    s runs from the wall inwards. Finite volumes of second order in s, first (implicit_euler) or
    second (crank_nicolson, its first step implicit Euler) in time; one step per call.
    """

    wall_in = ms.F_INIT(q_wall=Field("heat_flux", "W/m2"))
    wall_out = ms.O_F(T_wall=Field("temperature", "K"))
    profile_out = ms.O_F(
        T=Field("temperature", "K", "s=cells"),
        s=Field("length", "m", "s=cells"),
        T_wall=Field("temperature", "K"),
        q_wall=Field("heat_flux", "W/m2"),
    )

    def f_init(self, start: ms.Start, received: ms.Received) -> _HeatSlab.State:
        """Take one step under the flux at its end."""
        from manyscale_plugins.heat_slab import kernel

        flux = received.wall_in.q_wall
        T = self._stepped(start.kept, False, flux)
        return self._after(start, T, kernel.wall_temperature(self.slab(), T, flux), flux)

    def o_f(self, state: _HeatSlab.State) -> ms.Messages:
        """Give the temperature of the wall at the end of the step."""
        return {"wall_out": {"T_wall": state.T_wall}, "profile_out": _profile(self, state)}


class WallTemperature(ms.ScaleModel):
    """Sends one temperature of a wall at t = 0: the first guess of a coupling."""

    wall_out = ms.O_F(T_wall=Field("temperature", "K"))

    temperature: Annotated[float, "K", "what is sent", Ge(0)] = 350.0

    class State(ms.State):
        """Nothing changes."""

        time: float  # s

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Begin and end at t = 0."""
        return self.State(time=start.time)

    def clock(self, state: State) -> Clock:
        """Have no turns."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Send it."""
        return {"wall_out": {"T_wall": self.temperature}}

    def scales(self) -> ms.Scales:
        """Return a wall: as thin as can be."""
        return ms.Scales(length=ms.Scale(0.0, 0.0))


def _profile(model: _HeatSlab, state: _HeatSlab.State) -> dict[str, Array | float]:
    where = model.slab().centres
    return {"T": state.T, "s": where, "T_wall": state.T_wall, "q_wall": state.q_wall}


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the models."""
    return [HeatSlabDirichlet, HeatSlabNeumann, WallTemperature]
