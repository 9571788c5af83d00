"""Walks through thicknesses and temperatures of films, and keeps their conductivities."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt

if TYPE_CHECKING:
    from manyscale import testing


class Films(ms.ScaleModel):
    """k(L, T) for all pairs of a thickness L and a temperature T, one call for each.

    The micro model, a kinetic solver as a rule, answers with the conductivity of a film under a
    small difference dT; one row of the table, k(T) at one thickness, goes on to a diffusion model.
    """

    case_out = ms.O_I(
        thickness=Field("length", "m"),
        temperature=Field("temperature", "K"),
        dT=Field("temperature_difference", "K"),
    )
    kappa_in = ms.S(
        q=Field("heat_flux", "W/m2", "face"),
        temperature=Field("temperature", "K", "depth"),
        kappa_eff=Field("thermal_conductivity", "W/(m K)"),
        residual=Field("number", "1"),
        sweeps=Field("count", "1", dtype="int64"),
    )
    table_out = ms.O_F(
        conductivity=Field("thermal_conductivity", "W/(m K)", "n"),
        temperature=Field("temperature", "K", "n"),
    )
    all_out = ms.O_F(
        conductivity=Field("thermal_conductivity", "W/(m K)", "thickness case"),
        sweeps=Field("count", "1", "thickness case", "int64"),
        thickness=Field("length", "m", "thickness"),
        temperature=Field("temperature", "K", "case"),
    )

    thicknesses: Annotated[list[float], "m", "L", Gt(0)] = [1e-8, 1e-7, 1e-6, 1e-5]
    temperatures: Annotated[list[float], "K", "T", Gt(0)] = [100.0, 200.0, 300.0]
    dT: Annotated[float, "K", "difference between the walls", Gt(0)] = 1.0
    table_thickness: Annotated[
        float, "m", "thickness whose k(T) goes on; 0: the largest", Ge(0)
    ] = 0.0  # fmt: skip

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"

    class State(ms.State):
        """The position in the list, and what is known so far."""

        start: float  # s
        case: int
        conductivity: Array  # (thickness, temperature) W/(m K), nan where it is still to come
        sweeps: Array  # (thickness, temperature) int64

    def __post_init__(self) -> None:
        super().__post_init__()
        from manyscale_plugins.films import kernel

        try:
            kernel.row_of(self.thicknesses, self.table_thickness)
        except ValueError as exc:
            raise ms.Refused(f"Setting {self.name}: {exc}.") from None
        for name in ("thicknesses", "temperatures"):
            twice = kernel.repeated(getattr(self, name))
            if twice is not None:
                raise ms.Refused(
                    f"Setting {self.name}.{name} has {twice:g} twice, expected different values."
                )

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Begin with the first case."""
        from manyscale_plugins.films import kernel

        shape = len(self.thicknesses), len(self.temperatures)
        known, sweeps = kernel.empty(*shape), np.zeros(shape, np.int64)
        return self.State(start=start.time, case=0, conductivity=known, sweeps=sweeps)

    def clock(self, state: State) -> Clock:
        """Count the cases as seconds: no time goes by, but snapshots can be taken between."""
        return Clock.steps(state.case, state.conductivity.size, 1.0, state.start)

    def o_i(self, state: State) -> ms.Messages:
        """Ask for the next case."""
        from manyscale_plugins.films import kernel

        number = min(state.case, state.conductivity.size - 1)
        thickness, temperature = kernel.case(self.thicknesses, self.temperatures, number)
        asked = {"thickness": thickness, "temperature": temperature, "dT": self.dT}
        return {"case_out": asked}

    def s(self, state: State, received: ms.Received) -> State:
        """Keep the answer."""
        known, sweeps = state.conductivity.copy(), state.sweeps.copy()
        known.flat[state.case] = received.kappa_in.kappa_eff
        sweeps.flat[state.case] = received.kappa_in.sweeps
        return state.but(case=state.case + 1, conductivity=known, sweeps=sweeps)

    def o_f(self, state: State) -> ms.Messages:
        """Give the row that is used further, and the whole table."""
        from manyscale_plugins.films import kernel

        row = kernel.row_of(self.thicknesses, self.table_thickness)
        temperatures = np.array(self.temperatures)
        whole = {"conductivity": state.conductivity, "sweeps": state.sweeps}
        axes = {"thickness": np.array(self.thicknesses), "temperature": temperatures}
        table = {"conductivity": state.conductivity[row], "temperature": temperatures}
        # as sent: a row of a matrix is not its own array
        table["conductivity"] = np.ascontiguousarray(table["conductivity"])
        return {"table_out": table, "all_out": {**whole, **axes}}

    def scales(self) -> ms.Scales:
        """Return the thinnest and the thickest film."""
        return ms.Scales(length=ms.Scale(min(self.thicknesses), max(self.thicknesses)))

    @classmethod
    def example(cls) -> "testing.Example":
        """Return two films at two temperatures."""
        from manyscale import testing

        return testing.Example({"thicknesses": [1e-7, 1e-6], "temperatures": [200.0, 300.0]})


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [Films]
