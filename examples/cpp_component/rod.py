"""Diffusion along a rod whose substance decays: the decay is somebody else's program."""

from typing import Annotated

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt


class Rod(ms.ScaleModel):
    """dc/dt = D d2c/dx2, explicit, second order in dx; the ends are closed."""

    sample = ms.O_I(plain=True, c=Field("concentration", "mol/m3", "x=cells"))
    decayed = ms.S(plain=True, c=Field("concentration", "mol/m3", "x=cells"))
    final = ms.O_F(c=Field("concentration", "mol/m3", "x=cells"))

    length: Annotated[float, "m", "length of the rod", Gt(0)] = 1e-2
    cells: Annotated[int, "1", "cells along the rod", Ge(3)] = 50
    diffusivity: Annotated[float, "m2/s", "of the substance", Gt(0)] = 1e-9
    dt: Annotated[float, "s", "step", Gt(0)] = 10.0
    steps: Annotated[int, "1", "number of steps", Ge(1)] = 100

    class State(ms.State):
        """Concentration along the rod."""

        step: int
        c: Array  # (x,) mol/m3

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Fill one half of the rod."""
        x = (np.arange(self.cells) + 0.5) / self.cells
        return self.State(step=0, c=np.where(x < 0.5, 1.0, 0.0))

    def clock(self, state: State) -> Clock:
        """Count equal steps."""
        return Clock.steps(state.step, self.steps, self.dt)

    def o_i(self, state: State) -> ms.Messages:
        """Show the concentration to the decay."""
        return {"sample": {"c": state.c}}

    def s(self, state: State, received: ms.Received) -> State:
        """Spread what is left after the decay (operator splitting, first order in dt)."""
        c = received.decayed.c
        flux = np.diff(c)
        fourier = self.diffusivity * self.dt * self.cells**2 / self.length**2
        change = np.append(flux, 0.0) - np.append(0.0, flux)
        return self.State(step=state.step + 1, c=c + fourier * change)

    def o_f(self, state: State) -> ms.Messages:
        """Send the last profile."""
        return {"final": {"c": state.c}}

    def scales(self) -> ms.Scales:
        """Return step and run, cell and rod."""
        return ms.Scales(
            time=ms.Scale(self.dt, self.steps * self.dt),
            length=ms.Scale(self.length / self.cells, self.length),
        )
