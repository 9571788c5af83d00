"""Fast diffusion along a line (a dislocation pipe) that exchanges with the bulk around it."""

import warnings
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.line_diffusion.kernel import Pipe


class LineDiffusion(ms.ScaleModel):
    """pi a2 dc_p/dt = pi a2 D_p d2c_p/ds2 - q', with q' = G (c_p - c_cell) by the well law.

    G = 2 pi D / ln(r_e/a), r_e = 0.1985 h for a line along a grid axis through the centres of
    square cells of side h (Peaceman 1978). Finite volumes in s, solved per axial mode with the
    bulk's response eliminated; first (implicit_euler) or second order (crank_nicolson) in the
    sub-step. Valid for r_e > a, and for bulk steps well above a2/D.
    """

    properties_in = ms.F_INIT(
        optional=True,
        diffusivity=Field("diffusivity", "m2/s"),
        diffusivity_pipe=Field("diffusivity", "m2/s"),
    )
    bulk_in = ms.F_INIT(
        c_now=Field("concentration", "mol/m3", "z=nz"),
        c_pred=Field("concentration", "mol/m3", "z=nz"),
        response=Field("exchange_response", "s/m2", "mode=nz"),
        dt=Field("time", "s"),
        cell_size=Field("length", "m"),
        ends=Field("identity", "1", dtype="str"),
        c_left=Field("concentration", "mol/m3"),
    )
    line_out = ms.O_F(
        q_line=Field("line_source", "mol/(m s)", "s=nz"),
        c_line=Field("concentration", "mol/m3", "s=nz"),
        s=Field("length", "m", "s=nz"),
        influx=Field("amount_of_substance", "mol"),
    )

    nz: Annotated[int, "1", "points along the line, as cells of the bulk in z", Ge(4), Le(512)] = 64
    lz: Annotated[float, "m", "length of the line, as lz of the bulk", Gt(0)] = 1e-6
    radius: Annotated[float, "m", "a, radius of the line", Ge(1e-10), Le(1e-8)] = 5e-10
    diffusivity_pipe: Annotated[float, "m2/s", "D_p, unless properties_in brings it", Gt(0)] = 1e-14
    diffusivity_bulk: Annotated[float, "m2/s", "D, unless properties_in brings it", Gt(0)] = 1e-18
    cell_size: Annotated[float, "m", "h, side of the bulk cell that holds the line", Gt(0)] = (
        3.125e-9
    )
    n_sub: Annotated[int, "1", "sub-steps per bulk step; 0: from D_p dt/h2, 1 to 8", Ge(0)] = 0
    scheme: Annotated[
        Literal["implicit_euler", "crank_nicolson"], "1", "time integration of the sub-steps"
    ] = "implicit_euler"
    exchange: Annotated[
        Literal["response", "explicit"], "1", "source eliminated implicitly, or from old values"
    ] = "response"
    bc_z: Annotated[
        Literal["periodic", "no_flux", "fixed_left", "fixed_both"], "1", "ends, as bc_z of the bulk"
    ] = "fixed_left"
    c_left: Annotated[float, "mol/m3", "value at fixed ends", Ge(0)] = 1.0
    c_initial: Annotated[float, "mol/m3", "start value", Ge(0)] = 0.0
    initial: Annotated[
        Literal["uniform", "cosine"], "1", "c_initial, or c_initial (1 + cos(pi z/lz))"
    ] = "uniform"

    version: ClassVar[str] = "1"
    keeps_state: ClassVar[bool] = True
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "leclaire1981",
            "A. D. Le Claire and A. Rabinovitch, A mathematical analysis of diffusion in "
            "dislocations: I. Application to concentration 'tails', Journal of Physics C 14 (1981) "
            "3863",
        ),
        ms.Citation(
            "peaceman1978",
            "D. W. Peaceman, Interpretation of well-block pressures in numerical reservoir "
            "simulation, Society of Petroleum Engineers Journal 18 (1978) 183",
            "10.2118/6893-PA",
        ),
    )

    class State(ms.State):
        """Coefficients in the axial eigenbasis and what was given to the bulk."""

        time: float  # s
        amounts: Array  # (nz,) mol/m3, coefficients
        q_line: Array  # (nz,) mol/(m s), mean of the last bulk step
        influx: float  # mol, cumulated through the ends

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Advance over the bulk step that `bulk_in` describes, from the kept state."""
        from manyscale_plugins.line_diffusion import kernel

        pipe, bulk, kept = self._pipe(received), received.bulk_in, start.kept
        self._refuse_other(bulk)
        dt = float(bulk.dt)
        count = kernel.substeps(self.n_sub, pipe, dt)
        theta = 0.5 if self.scheme == "crank_nicolson" else 1.0
        passed = kernel.advance(
            pipe,
            kernel.start(pipe.axis, self.initial, self.c_initial, self.c_left)
            if kept is None
            else kept.amounts,
            kernel.Surroundings(bulk.c_now, bulk.c_pred, bulk.response),
            kernel.offset(pipe.axis, self.c_left),
            kernel.March(dt / count, count, theta),
            self.exchange,
        )
        return self.State(
            time=start.time + dt,
            amounts=passed.amounts,
            q_line=passed.q_line,
            influx=passed.influx + (0.0 if kept is None else kept.influx),
        )

    def clock(self, state: State) -> Clock:
        """End the pass with the bulk step."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Give the bulk the mean source; the concentration and the influx are for the record."""
        from manyscale_plugins.line_diffusion import kernel
        from manyscale_plugins.mass_diffusion import modes

        axis = modes.Axis(self.bc_z, self.nz, self.lz)
        c_line = modes.backward(state.amounts, self.bc_z) + kernel.offset(axis, self.c_left)
        line = {"q_line": state.q_line, "c_line": c_line, "s": axis.centres, "influx": state.influx}
        return {"line_out": line}

    def scales(self) -> ms.Scales:
        """Return radial to axial equilibration of a cell in time, radius to length in space."""
        radial = self.radius**2 / self.diffusivity_pipe
        axial = (self.lz / self.nz) ** 2 / self.diffusivity_pipe
        return ms.Scales(
            time=ms.Scale(min(radial, axial), max(radial, axial)),
            length=ms.Scale(min(self.radius, self.lz / self.nz), self.lz),
        )

    def _refuse_other(self, bulk: ms.Contact) -> None:
        """Refuse a bulk with other cells or ends: nothing else would show that they differ."""
        if abs(bulk.cell_size - self.cell_size) > 1e-6 * self.cell_size:
            raise ms.Refused(
                f"line_diffusion.cell_size is {self.cell_size:g} m, but the cells of the bulk are "
                f"{bulk.cell_size:g} m wide: give both the same"
            )
        if (bulk.ends, bulk.c_left) != (self.bc_z, self.c_left):
            raise ms.Refused(
                f"line_diffusion has bc_z = {self.bc_z} and c_left = {self.c_left:g} mol/m3, the "
                f"bulk {bulk.ends} and {bulk.c_left:g} mol/m3: give both the same, best without "
                "a component"
            )

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a bulk whose cells are those of the settings."""
        from manyscale import testing

        ones = np.ones(8)
        ends = {"cell_size": 3.125e-9, "ends": "fixed_left", "c_left": 1.0}
        bulk = {"c_now": ones, "c_pred": ones, "response": 1e15 * ones, "dt": 1.0}
        return testing.Example({"nz": 8}, {"bulk_in": bulk | ends})

    def _pipe(self, received: ms.Received) -> "Pipe":
        from manyscale_plugins.line_diffusion import kernel
        from manyscale_plugins.mass_diffusion.modes import Axis

        along, bulk = self.diffusivity_pipe, self.diffusivity_bulk
        if received.properties_in is not None:
            along = float(received.properties_in.diffusivity_pipe)
            bulk = float(received.properties_in.diffusivity)
        if not (along > 0.0 and bulk > 0.0):
            raise ms.Refused(
                f"line_diffusion.properties_in brings diffusivity = {bulk:.6g} m2/s and "
                f"diffusivity_pipe = {along:.6g} m2/s; both must be positive: look at their sender"
            )
        if along < bulk:
            warnings.warn(
                f"diffusivity_pipe = {along:.6g} m2/s is smaller than that of the bulk, "
                f"{bulk:.6g} m2/s: the line slows the transport along it",
                stacklevel=2,
            )
        axis = Axis(self.bc_z, self.nz, self.lz)
        conductance = kernel.conductance(self.radius, bulk, self.cell_size)
        return kernel.Pipe(axis, self.radius, along, conductance)


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [LineDiffusion]
