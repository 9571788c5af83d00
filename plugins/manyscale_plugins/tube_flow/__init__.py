"""Flow of an incompressible, frictionless fluid along a tube whose cross-section is given."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.tube_flow.kernel import Flow, Tube


class TubeFlow(ms.ScaleModel):
    """da/dt + d(a u)/dx = 0 and d(a u)/dt + d(a u2)/dx + (a/rho) dp/dx = 0, a given.

    One implicit Euler step per pass. Mass and pressure are central in space, momentum is upwind
    (for flow from left to right): first order in dt, first (p) and second (u) in dx. The
    velocity at the inlet is u_mean + u_amplitude sin(2 pi f t); waves of a tube of the wave
    speed c2 = E h/(2 rho r0) leave at the outlet. Valid for p < 2 rho c2.
    """

    section_in = ms.F_INIT(cross_section=Field("area", "m2", "x=nodes"))
    pressure_out = ms.O_F(pressure=Field("pressure", "Pa", "x=nodes"))
    flow_out = ms.O_F(
        x=Field("length", "m", "x=nodes"),
        velocity=Field("velocity", "m/s", "x=nodes"),
        pressure=Field("pressure", "Pa", "x=nodes"),
        cross_section=Field("area", "m2", "x=nodes"),
    )

    nodes: Annotated[int, "1", "nodes along the tube, one more than cells", Ge(4)] = 101
    length: Annotated[float, "m", "length of the tube", Gt(0)] = 10.0
    dt: Annotated[float, "s", "step, as long as a window of the iteration", Gt(0)] = 0.01
    density: Annotated[float, "kg/m3", "rho, of the fluid", Gt(0)] = 1.0
    young_modulus: Annotated[float, "Pa", "E, of the wall; for the outlet", Gt(0)] = 1e4
    thickness: Annotated[float, "m", "h, of the wall; for the outlet", Gt(0)] = 1.0
    radius: Annotated[float, "m", "r0, of the tube at rest", Gt(0)] = 0.5641895835477563
    u_mean: Annotated[float, "m/s", "mean velocity at the inlet"] = 10.0
    u_amplitude: Annotated[float, "m/s", "amplitude of the velocity at the inlet"] = 3.0
    frequency: Annotated[float, "1/s", "f, of the velocity at the inlet", Ge(0)] = 5.0
    stabilisation: Annotated[
        float, "m3/(Pa s)", "alpha, smoothing of the pressure in the mass balance", Ge(0)
    ] = 0.0

    version: ClassVar[str] = "1"
    keeps_state: ClassVar[bool] = True
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "degroote2008",
            "J. Degroote, P. Bruggeman, R. Haelterman and J. Vierendeels, Stability of a coupling "
            "technique for partitioned solvers in FSI applications, Computers and Structures 86 "
            "(2008) 2224",
            "10.1016/j.compstruc.2008.05.005",
        ),
        ms.Citation(
            "degroote2010",
            "J. Degroote, S. Annerel and J. Vierendeels, Stability analysis of Gauss-Seidel "
            "iterations in a partitioned simulation of fluid-structure interaction, Computers and "
            "Structures 88 (2010) 263",
        ),
    )

    class State(ms.State):
        """The flow at the end of the last step."""

        time: float  # s
        velocity: Array  # (nodes,) m/s
        pressure: Array  # (nodes,) Pa
        area: Array  # (nodes,) m2

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Take one step from the kept state to the cross-section that came."""
        from manyscale_plugins.tube_flow import kernel

        area = received.section_in.cross_section
        if not (area > 0.0).all():
            raise ms.Refused(
                f"{self.name}.section_in has a cross-section of {area.min():.6g} m2, all must be"
                " positive: the iteration went too far, relax it more"
            )
        self._refuse_other_window(start)
        now = start.time + self.dt
        flow = kernel.advance(self._tube(), self._old(start), area, self._inlet(now))
        return self.State(time=now, velocity=flow.velocity, pressure=flow.pressure, area=flow.area)

    def _refuse_other_window(self, start: ms.Start) -> None:
        """Refuse a window that does not begin where the last step ended."""
        if start.kept is not None and abs(start.kept.time - start.time) > 1e-6 * self.dt:
            raise ms.Refused(
                f"{self.name} stands at t = {start.kept.time:.9g} s, but was asked for a step from"
                f" t = {start.time:.9g} s: give dt the same value here and where the windows are"
            )

    def _old(self, start: ms.Start) -> "Flow":
        from manyscale_plugins.tube_flow import kernel

        if start.kept is not None:
            return kernel.Flow(start.kept.velocity, start.kept.pressure, start.kept.area)
        ones = np.ones(self.nodes)
        area = np.pi * self.radius**2 * ones
        return kernel.Flow(self._inlet(start.time) * ones, 0.0 * ones, area)

    def _inlet(self, time: float) -> float:
        wave = np.sin(2.0 * np.pi * self.frequency * time)
        return float(self.u_mean + self.u_amplitude * wave)

    def _tube(self) -> "Tube":
        from manyscale_plugins.tube_flow import kernel
        from manyscale_plugins.tube_wall.kernel import wave_speed

        speed = wave_speed(self.young_modulus, self.thickness, self.radius, self.density)
        cell = self.length / (self.nodes - 1)
        return kernel.Tube(cell, self.dt, self.density, speed, self.stabilisation)

    def clock(self, state: State) -> Clock:
        """End the pass with the step."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Give the wall its pressure; all of the flow is for the record."""
        flow = {
            "x": np.linspace(0.0, self.length, self.nodes),
            "velocity": state.velocity,
            "pressure": state.pressure,
            "cross_section": state.area,
        }
        return {"pressure_out": {"pressure": state.pressure}, "flow_out": flow}

    def scales(self) -> ms.Scales:
        """Return the step; a cell and the tube."""
        return ms.Scales(
            time=ms.Scale(self.dt, self.dt),
            length=ms.Scale(self.length / (self.nodes - 1), self.length),
        )

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a short tube that is a little wider than at rest."""
        from manyscale import testing

        wider = {"cross_section": 1.01 * np.ones(6)}
        return testing.Example({"nodes": 6, "dt": 1.0}, {"section_in": wider})


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [TubeFlow]
