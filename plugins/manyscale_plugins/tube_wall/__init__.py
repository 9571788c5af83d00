"""The wall of an elastic tube: the cross-section that belongs to a pressure, without inertia."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt

if TYPE_CHECKING:
    from manyscale import testing


class TubeWall(ms.ScaleModel):
    """a = a0 (2 rho c2/(2 rho c2 - p))2 with a0 = pi r0^2 and c2 = E h/(2 rho r0).

    Each ring of the wall answers for itself and at once: no bending, no tension along the tube,
    no mass. Small waves travel with the speed c of Moens and Korteweg. Valid for p < 2 rho c2,
    where the tube would burst. Without a partner on `pressure_in` it gives the tube at rest.
    """

    pressure_in = ms.F_INIT(optional=True, pressure=Field("pressure", "Pa", "x=nodes"))
    section_out = ms.O_F(cross_section=Field("area", "m2", "x=nodes"))
    loaded_out = ms.O_F(
        cross_section=Field("area", "m2", "x=nodes"),
        pressure=Field("pressure", "Pa", "x=nodes"),
    )

    nodes: Annotated[int, "1", "nodes along the tube, as of the flow", Ge(4)] = 101
    young_modulus: Annotated[float, "Pa", "E, of the wall", Gt(0)] = 1e4
    thickness: Annotated[float, "m", "h, of the wall", Gt(0)] = 1.0
    radius: Annotated[float, "m", "r0, of the tube at rest", Gt(0)] = 0.5641895835477563
    density: Annotated[float, "kg/m3", "rho, of the fluid", Gt(0)] = 1.0

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "degroote2008",
            "J. Degroote, P. Bruggeman, R. Haelterman and J. Vierendeels, Stability of a coupling "
            "technique for partitioned solvers in FSI applications, Computers and Structures 86 "
            "(2008) 2224",
            "10.1016/j.compstruc.2008.05.005",
        ),
    )

    class State(ms.State):
        """The pressure and the answer to it."""

        time: float  # s
        pressure: Array  # (nodes,) Pa
        area: Array  # (nodes,) m2

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Find the cross-section for the pressure that came."""
        from manyscale_plugins.tube_wall import kernel

        came = received.pressure_in
        pressure = np.zeros(self.nodes) if came is None else came.pressure
        speed = kernel.wave_speed(self.young_modulus, self.thickness, self.radius, self.density)
        area = kernel.cross_section(pressure, self.radius, speed, self.density)
        return self.State(time=start.time, pressure=pressure, area=area)

    def clock(self, state: State) -> Clock:
        """Return the time of the question."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Give the cross-section, alone and with the pressure it belongs to."""
        section = {"cross_section": state.area}
        return {"section_out": section, "loaded_out": section | {"pressure": state.pressure}}

    def scales(self) -> ms.Scales:
        """Return the radius; the wall answers at once."""
        return ms.Scales(length=ms.Scale(self.radius, self.radius))

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a short tube under pressure."""
        from manyscale import testing

        return testing.Example({"nodes": 6}, {"pressure_in": {"pressure": 100.0 * np.ones(6)}})


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [TubeWall]
