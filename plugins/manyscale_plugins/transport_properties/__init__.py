"""Diffusivities of crystal and dislocation pipe at a temperature."""

from typing import Annotated, ClassVar, Literal

import manyscale as ms
from manyscale import Clock, Field, Ge, Gt, Le


class TransportProperties(ms.ScaleModel):
    """D = D0 exp(-Q/(R T)) for the crystal and for the pipe; algebraic, quasi-steady.

    Valid where one mechanism carries each path. The defaults resemble self-diffusion in
    aluminium and are illustrative: take measured values for a real material.
    """

    bulk_out = ms.O_F(diffusivity=Field("diffusivity", "m2/s"))
    lines_out = ms.O_F(
        slots=True,
        diffusivity=Field("diffusivity", "m2/s"),
        diffusivity_pipe=Field("diffusivity", "m2/s"),
    )

    temperature: Annotated[float, "K", "T", Ge(200), Le(2000)] = 600.0
    D0_bulk: Annotated[float, "m2/s", "prefactor of the crystal", Gt(0)] = 1.7e-4
    Q_bulk: Annotated[float, "J/mol", "activation energy of the crystal", Ge(0)] = 142e3
    D0_pipe: Annotated[float, "m2/s", "prefactor of the pipe", Gt(0)] = 2.8e-6
    Q_pipe: Annotated[float, "J/mol", "activation energy of the pipe", Ge(0)] = 82e3

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = ()

    class State(ms.State):
        """The two diffusivities and how many lines want them."""

        time: float  # s
        lines: int
        diffusivity: float  # m2/s
        diffusivity_pipe: float  # m2/s

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Evaluate both laws."""
        from manyscale_plugins.transport_properties import kernel

        return self.State(
            time=start.time,
            lines=start.slots.get("lines_out", 0),
            diffusivity=kernel.arrhenius(self.D0_bulk, self.Q_bulk, self.temperature),
            diffusivity_pipe=kernel.arrhenius(self.D0_pipe, self.Q_pipe, self.temperature),
        )

    def clock(self, state: State) -> Clock:
        """Return the time of the inputs: the model is algebraic."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Give the crystal its diffusivity and every line both."""
        crystal = {"diffusivity": state.diffusivity}
        line = crystal | {"diffusivity_pipe": state.diffusivity_pipe}
        return {"bulk_out": crystal, "lines_out": [line] * state.lines}

    def scales(self) -> ms.Scales:
        """Return a time of zero: algebraic, and a property of a point."""
        return ms.Scales(time=ms.Scale(0.0, 0.0))


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [TransportProperties]
