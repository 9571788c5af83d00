"""Effective diffusivity of a crystal threaded by fast lines."""

from typing import Annotated, ClassVar, Literal

import manyscale as ms
from manyscale import Clock, Field, Ge, Gt, Le


class EffectiveMedium(ms.ScaleModel):
    """D_eff = (1 - f) D + f D_p with f = rho pi a2; algebraic, quasi-steady. Hart (1957).

    Valid along parallel lines when diffusion across reaches the next line while the profile along
    them changes little: wavelength and time large against spacing and spacing squared over D.
    """

    properties_in = ms.F_INIT(
        optional=True,
        diffusivity=Field("diffusivity", "m2/s"),
        diffusivity_pipe=Field("diffusivity", "m2/s"),
    )
    effective = ms.O_F(diffusivity=Field("diffusivity", "m2/s"))

    dislocation_density: Annotated[float, "1/m2", "rho, lines per area", Ge(0)] = 1e14
    radius: Annotated[float, "m", "a, radius of a line", Ge(1e-10), Le(1e-8)] = 5e-10
    diffusivity: Annotated[float, "m2/s", "D, unless properties_in brings it", Gt(0)] = 1e-18
    diffusivity_pipe: Annotated[float, "m2/s", "D_p, unless properties_in brings it", Gt(0)] = 1e-14

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "hart1957",
            "E. W. Hart, On the role of dislocations in bulk diffusion, Acta Metallurgica 5 (1957) "
            "597",
        ),
    )

    class State(ms.State):
        """The result."""

        time: float  # s
        diffusivity: float  # m2/s

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Mix the two diffusivities by volume."""
        from manyscale_plugins.effective_medium import kernel

        crystal, pipe = self.diffusivity, self.diffusivity_pipe
        if received.properties_in is not None:
            crystal = float(received.properties_in.diffusivity)
            pipe = float(received.properties_in.diffusivity_pipe)
        fraction = kernel.line_fraction(self.dislocation_density, self.radius)
        return self.State(time=start.time, diffusivity=kernel.hart(fraction, crystal, pipe))

    def clock(self, state: State) -> Clock:
        """Return the time of the inputs: the model is algebraic."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Give the effective diffusivity."""
        return {"effective": {"diffusivity": state.diffusivity}}

    def scales(self) -> ms.Scales:
        """Return a time of zero: algebraic, and a property of a point."""
        return ms.Scales(time=ms.Scale(0.0, 0.0))


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [EffectiveMedium]
