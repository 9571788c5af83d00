"""Diffusion of one substance in a box, with fast lines that feed it."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.mass_diffusion.kernel import Weights
    from manyscale_plugins.mass_diffusion.modes import Box

Boundary = Literal["periodic", "no_flux", "fixed_left", "fixed_both"]
_every = partial(Field, held=ms.REPLICATED)


class MassDiffusion(ms.ScaleModel):
    """dc/dt = D lap(c) + sum over lines of delta_line q', on 7-point finite volumes.

    Advanced in the eigenbasis of the discrete operator: exact in space for the grid, first order
    in time (implicit_euler, explicit) or second (crank_nicolson, bdf2). Valid for constant D and
    lines along z through cell centres, at least 4 sqrt(D dt) apart. Exchange with a line after
    Peaceman (1978): the line sees the prediction without a source and the response to one.
    On MPI ranks each holds a block of the x modes; any number of them gives the same bits.
    """

    properties_in = ms.F_INIT(optional=True, diffusivity=_every("diffusivity", "m2/s"))
    sample_out = ms.O_I(
        slots=True,
        c_now=Field("concentration", "mol/m3", "z=nz"),
        c_pred=Field("concentration", "mol/m3", "z=nz"),
        response=Field("exchange_response", "s/m2", "mode=nz"),
        dt=Field("time", "s"),
        cell_size=Field("length", "m"),
        ends=Field("identity", "1", dtype="str"),
        c_left=Field("concentration", "mol/m3"),
    )
    line_in = ms.S(
        slots=True,
        optional=True,
        q_line=_every("line_source", "mol/(m s)", "s=nz"),
        c_line=Field("concentration", "mol/m3", "s=nz"),
        s=_every("length", "m", "s=nz"),
        influx=Field("amount_of_substance", "mol"),
    )
    field_out = ms.O_F(
        c=Field("concentration", "mol/m3", "x=nx y=ny z=nz"),
        x=Field("length", "m", "x=nx"),
        y=Field("length", "m", "y=ny"),
        z=Field("length", "m", "z=nz"),
        mass=Field("amount_of_substance", "mol"),
        influx=Field("amount_of_substance", "mol"),
    )

    nx: Annotated[int, "1", "cells in x", Ge(4), Le(512)] = 32
    ny: Annotated[int, "1", "cells in y", Ge(4), Le(512)] = 32
    nz: Annotated[int, "1", "cells in z", Ge(4), Le(512)] = 64
    lx: Annotated[float, "m", "length in x", Gt(0)] = 1e-7
    ly: Annotated[float, "m", "length in y", Gt(0)] = 1e-7
    lz: Annotated[float, "m", "length in z", Gt(0)] = 1e-6
    diffusivity: Annotated[float, "m2/s", "D, unless properties_in brings it", Gt(0)] = 1e-18
    bc_x: Annotated[Boundary, "1", "faces in x"] = "periodic"
    bc_y: Annotated[Boundary, "1", "faces in y"] = "periodic"
    bc_z: Annotated[Boundary, "1", "faces in z"] = "fixed_left"
    c_left: Annotated[float, "mol/m3", "value on all fixed faces", Ge(0)] = 1.0
    c_initial: Annotated[float, "mol/m3", "start value", Ge(0)] = 0.0
    initial: Annotated[
        Literal["uniform", "cosine"], "1", "c_initial, or c_initial (1 + cos(pi z/lz))"
    ] = "uniform"
    scheme: Annotated[
        Literal["implicit_euler", "crank_nicolson", "bdf2", "explicit"], "1", "time integration"
    ] = "implicit_euler"
    dt: Annotated[float, "s", "macro step", Gt(0)] = 1.0
    t_end: Annotated[float, "s", "time simulated, whole steps", Gt(0)] = 100.0
    line_xy: Annotated[
        list[list[float]], "m", "rows x, y of the lines; [[]]: one nearest the box centre"
    ] = [[]]

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    capabilities: ClassVar[ms.Capabilities] = ms.Capabilities(parallel="mpi")
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "peaceman1978",
            "D. W. Peaceman, Interpretation of well-block pressures in numerical reservoir "
            "simulation, Society of Petroleum Engineers Journal 18 (1978) 183",
            "10.2118/6893-PA",
        ),
        ms.Citation(
            "strang1999",
            "G. Strang, The discrete cosine transform, SIAM Review 41 (1999) 135",
        ),
    )

    class State(ms.State):
        """Coefficients in the eigenbasis, and what every line sees of them.

        Rank r holds a block of the x modes. Only the root knows what sums over x: c_now, c_pred,
        response, inflow and influx; they are zero elsewhere.
        """

        start: float  # s
        step: int
        diffusivity: float  # m2/s
        amounts: Array  # (own nx, ny, nz) mol/m3, coefficients
        before: Array | None  # one step earlier, for bdf2
        cells: Array  # (line, 2)
        sources: Array  # (line, nz) mol/(m s), per axial mode, of the last step
        c_now: Array  # (line, nz) mol/m3, per axial mode
        c_pred: Array  # (line, nz) mol/m3, per axial mode
        response: Array  # (line, nz) s/m2, per axial mode
        inflow: float  # mol/s, through the fixed faces
        influx: float  # mol, cumulated
        last_influx: float  # mol, of the last step

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Refuse what cannot work, fill the box, and predict the first step of every line."""
        from manyscale_plugins.mass_diffusion import kernel, lines, modes

        box, diffusivity = self._box(), self._diffusivity(received)
        kernel.whole_steps(self.dt, self.t_end)
        kernel.refuse_unstable(self.scheme, diffusivity, self.dt, box)
        cells = self._cells(start.slots.get("sample_out", 0), box)
        lines.refuse_close(cells, box, diffusivity, self.dt)
        profile = modes.initial_profile(box[2], self.initial, self.c_initial)
        amounts = kernel.start(box, profile - kernel.offset(box, self.c_left), self._held)
        none = np.zeros((len(cells), self.nz))
        first = kernel.weights(self.scheme, 0)
        state = self.State(
            start=start.time,
            step=0,
            diffusivity=diffusivity,
            amounts=amounts,
            before=None,
            cells=cells,
            sources=none,
            c_now=none,
            c_pred=none,
            response=none,
            inflow=0.0,
            influx=0.0,
            last_influx=0.0,
        )
        state = self._advanced(state, none, (kernel.STAY, first))
        return state.but(response=self._response(state, first))

    def clock(self, state: State) -> Clock:
        """Count whole steps from the start of the pass."""
        return Clock.steps(state.step, round(self.t_end / self.dt), self.dt, state.start)

    def o_i(self, state: State) -> ms.Messages:
        """Tell every line what its cells hold, will hold without it, and how they respond."""
        from manyscale_plugins.mass_diffusion import kernel, modes

        shift = kernel.offset(self._box(), self.c_left)
        samples = [
            {
                "c_now": modes.backward(now, self.bc_z) + shift,
                "c_pred": modes.backward(pred, self.bc_z) + shift,
                "response": response,
                "dt": self.dt,
                "cell_size": self.lx / self.nx,
                "ends": self.bc_z,
                "c_left": self.c_left,
            }
            for now, pred, response in zip(state.c_now, state.c_pred, state.response, strict=True)
        ]
        return {"sample_out": samples}

    def s(self, state: State, received: ms.Received) -> State:
        """Take one step with exactly the sources the lines give."""
        from manyscale_plugins.mass_diffusion import kernel

        this, following = (kernel.weights(self.scheme, state.step + n) for n in (0, 1))
        new = self._advanced(state, self._sources(state, received), (this, following))
        response = state.response if following is this else self._response(state, following)
        influx = kernel.influx_of_step(this, self.dt, (state.inflow, new.inflow), state.last_influx)
        return new.but(
            step=state.step + 1,
            before=state.amounts if following.kept else None,
            response=response,
            influx=state.influx + influx,
            last_influx=influx,
        )

    def o_f(self, state: State) -> ms.Messages:
        """Transform back to concentration and count the substance."""
        from manyscale_plugins.mass_diffusion import kernel

        box, amounts = self._box(), self.ranks.gathered(state.amounts)
        if amounts is None:
            return {"field_out": {}}
        c = kernel.concentration(amounts, box, kernel.offset(box, self.c_left))
        x, y, z = (axis.centres for axis in box)
        mass = kernel.amount(c, box)
        return {"field_out": {"c": c, "x": x, "y": y, "z": z, "mass": mass, "influx": state.influx}}

    def scales(self) -> ms.Scales:
        """Return step to end in time, smallest cell to longest side in space."""
        sides = (self.lx, self.ly, self.lz)
        cells = (self.lx / self.nx, self.ly / self.ny, self.lz / self.nz)
        return ms.Scales(
            time=ms.Scale(self.dt, self.t_end), length=ms.Scale(min(cells), max(sides))
        )

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a line whose points are the cells in z, as `line_in` expects."""
        from manyscale import testing

        z = (np.arange(8) + 0.5) * 1e-8
        line = {"q_line": np.full(8, 1e-18), "c_line": np.ones(8), "s": z, "influx": 0.0}
        sizes = {"nx": 6, "ny": 6, "nz": 8, "lz": 8e-8, "scheme": "bdf2", "dt": 0.25, "t_end": 1.0}
        return testing.Example(settings=sizes, messages={"line_in": line})

    def _box(self) -> "Box":
        from manyscale_plugins.mass_diffusion.modes import Axis

        return (
            Axis(self.bc_x, self.nx, self.lx),
            Axis(self.bc_y, self.ny, self.ly),
            Axis(self.bc_z, self.nz, self.lz),
        )

    @property
    def _held(self) -> slice:
        return self.ranks.block(self.nx)

    def _advanced(self, state: State, sources: Array, scheme: "tuple[Weights, Weights]") -> State:
        """Take a step of coefficients, and tell the root what its lines and faces see."""
        from manyscale_plugins.mass_diffusion import kernel, lines

        box, rate = self._box(), state.diffusivity
        amounts, rows = kernel.advance(
            state.amounts,
            state.before,
            (sources, state.sources),
            lines.place(state.cells, box),
            box,
            scheme,
            rate,
            self.dt,
            self._held,
        )
        new = state.but(amounts=amounts, sources=sources)
        every = self.ranks.gathered(rows)
        faces = self.ranks.gathered(kernel.inflow_rows(amounts, box, self._held))
        if every is None or faces is None:
            return new
        c_now, c_pred = kernel.seen(every)
        return new.but(c_now=c_now, c_pred=c_pred, inflow=kernel.inflow(faces, box, rate))

    def _response(self, state: State, weight: "Weights") -> Array:
        from manyscale_plugins.mass_diffusion import kernel, lines

        box, rate = self._box(), state.diffusivity
        threads = lines.place(state.cells, box)
        rows = kernel.response_rows(threads, box, weight, rate, self.dt, self._held)
        every = self.ranks.gathered(rows)
        return state.response if every is None else kernel.response(every, box)

    def _diffusivity(self, received: ms.Received) -> float:
        if received.properties_in is None:
            return self.diffusivity
        value = float(received.properties_in.diffusivity)
        if not value > 0.0:
            raise ms.Refused(
                f"mass_diffusion.properties_in brings diffusivity = {value:.6g} m2/s; it must be "
                "positive: look at the temperature and activation energy of its sender"
            )
        return value

    def _cells(self, connected: int, box: "Box") -> Array:
        from manyscale_plugins.mass_diffusion import lines

        if not connected:
            return np.zeros((0, 2), dtype=np.int64)
        cells = lines.cells_of(self.line_xy, box)
        if len(cells) != connected:
            raise ms.Refused(
                f"mass_diffusion.line_xy places {len(cells)} lines, but {connected} are connected "
                "to sample_out: make the multiplicity of the lines equal to the rows of line_xy"
            )
        return cells

    def _sources(self, state: State, received: ms.Received) -> Array:
        from manyscale_plugins.mass_diffusion import lines, modes

        sources = np.zeros_like(state.sources)
        contacts = received.line_in or []
        if len(contacts) > len(sources):
            raise ms.Refused(
                f"mass_diffusion.line_in hears {len(contacts)} lines, but sample_out feeds "
                f"{len(sources)}: connect both ports to the same component"
            )
        for number, contact in enumerate(contacts):
            if contact is not None:
                lines.refuse_other(contact.s, number, self._box()[2])
                sources[number] = modes.forward(contact.q_line, self.bc_z)
        return sources


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [MassDiffusion]


@ms.hookimpl
def manyscale_quantities() -> list[ms.Quantity]:
    """Name what the bulk and its lines exchange."""
    return [
        ms.Quantity("line_source", "mol/(m s)", "amount per time and length of a line"),
        ms.Quantity("exchange_response", "s/m2", "change of concentration per line source"),
    ]


@ms.hookimpl
def manyscale_checks() -> list[ms.Check]:
    """Offer what can be checked of the lines before a run."""
    from manyscale_plugins.mass_diffusion import checks

    return [checks.lines_and_places]
