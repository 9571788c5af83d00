"""What a device shows of the conductivity of its material."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt

if TYPE_CHECKING:
    from manyscale import testing


class Device(ms.ScaleModel):
    """One number y from a conductivity k; algebraic, quasi-steady.

    linear: y = c k + s_m e; identity: y = k, both in W/(m K); slab: y = q L/k + s_m e, the
    temperature difference [K] across a slab that carries the flux q; battery: the rise [K] of a
    cell that loses I**2 R + I T dU/dT through such a slab, + s_m e. e is standard normal, the error
    of a measurement. One-dimensional, constant k; Bernardi et al. (1985) for the battery.
    """

    k_in = ms.F_INIT(k_eff=Field("thermal_conductivity", "W/(m K)"))
    qoi_out = ms.O_F(y=Field("number", "1"))

    mode: Annotated[
        Literal["linear", "identity", "slab", "battery"], "1", "what the device shows"
    ] = "linear"
    c: Annotated[float, "1", "factor (linear)"] = 2.0
    s_m: Annotated[float, "1", "standard deviation of a measurement, in the unit of y", Ge(0)] = (
        0.25
    )
    length: Annotated[float, "m", "L, thickness of the slab", Gt(0)] = 0.01
    flux: Annotated[float, "W/m2", "q, heat flux (slab)", Gt(0)] = 1e4
    area: Annotated[float, "m2", "A, of the cell's face (battery)", Gt(0)] = 0.02
    current: Annotated[float, "A", "I (battery)"] = 50.0
    resistance: Annotated[float, "ohm", "R, of the cell (battery)", Ge(0)] = 2e-3
    entropy: Annotated[float, "V/K", "dU/dT, of the open circuit (battery)"] = 1e-4
    ambient: Annotated[float, "K", "temperature around (battery)", Gt(0)] = 298.15

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    batched: ClassVar[bool] = True
    autonomous: ClassVar[bool] = True
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "bernardi1985",
            "D. Bernardi, E. Pawlikowski and J. Newman, A general energy balance for battery"
            " systems, Journal of the Electrochemical Society 132 (1985) 5-12",
            "10.1149/1.2113792",
        ),
    )

    class State(ms.State):
        """The result; in a batch of every member."""

        time: float  # s
        y: Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Look at the device."""
        k = np.asarray(received.k_in.k_eff)
        shown = self._shown(k)
        if self.s_m > 0.0 and self.mode != "identity":
            shown = shown + self.s_m * self._errors(start.seed, k.shape)
        return self.State(time=start.time, y=shown)

    def clock(self, state: State) -> Clock:
        """Return the time of the question: the device is quasi-steady."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Give what is seen."""
        return {"qoi_out": {"y": state.y}}

    def scales(self) -> ms.Scales:
        """Return no time, and lengths from a hundredth of the slab to all of it."""
        return ms.Scales(time=ms.Scale(0.0, 0.0), length=ms.Scale(0.01 * self.length, self.length))

    def _shown(self, k: Array) -> Array:
        from manyscale_plugins.device import kernel

        if self.mode == "linear":
            return kernel.linear(k, self.c)
        if self.mode == "identity":
            return k
        if self.mode == "slab":
            return kernel.slab(k, self.flux, self.length)
        cell = kernel.Cell(self.current, self.resistance, self.entropy, self.ambient)
        return kernel.battery(k, cell, self.length / self.area)

    def _errors(self, seeds: Array | int, shape: tuple[int, ...]) -> Array:
        drawn = [ms.random_numbers(int(seed)).standard_normal() for seed in np.ravel(seeds)]
        return np.reshape(drawn, shape)

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a conductivity."""
        from manyscale import testing

        return testing.Example({}, {"k_in": {"k_eff": 1.3}})


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [Device]
