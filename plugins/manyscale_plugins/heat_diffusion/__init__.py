"""Conduction of heat in a box: alone, over a micro model in every cell, or behind an interface."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.heat_diffusion.kernel import Box, Conductivity

_TABLE = {"conductivity": np.array([150.0, 100.0]), "temperature": np.array([250.0, 400.0])}
Boundary = Literal["periodic", "no_flux", "fixed_left", "fixed_right", "fixed_both"]


class _HeatDiffusion(ms.ScaleModel):
    """Declares what conduction alone and behind an interface share."""

    kappa_in = ms.F_INIT(
        optional=True,
        conductivity=Field("thermal_conductivity", "W/(m K)", "n"),
        temperature=Field("temperature", "K", "n"),
    )
    field_out = ms.O_F(
        T=Field("temperature", "K", "x=nx y=ny z=nz"),
        x=Field("length", "m", "x=nx"),
        y=Field("length", "m", "y=ny"),
        z=Field("length", "m", "z=nz"),
        q=Field("heat_flux", "W/m2", "face"),
        heat=Field("energy", "J"),
        influx=Field("energy", "J"),
    )

    nx: Annotated[int, "1", "cells in x", Ge(1), Le(4096)] = 1
    ny: Annotated[int, "1", "cells in y", Ge(1), Le(4096)] = 1
    nz: Annotated[int, "1", "cells in z", Ge(2), Le(1_000_000)] = 200
    lx: Annotated[float, "m", "length in x", Gt(0)] = 1e-6
    ly: Annotated[float, "m", "length in y", Gt(0)] = 1e-6
    lz: Annotated[float, "m", "length in z", Gt(0)] = 1e-3
    bc_x: Annotated[Boundary, "1", "faces in x"] = "periodic"
    bc_y: Annotated[Boundary, "1", "faces in y"] = "periodic"
    bc_z: Annotated[Boundary, "1", "faces in z"] = "fixed_both"
    t_left: Annotated[float, "K", "held on fixed low faces", Gt(0)] = 300.0
    t_right: Annotated[float, "K", "held on fixed high faces", Gt(0)] = 300.0
    t_initial: Annotated[float, "K", "temperature at the start", Gt(0)] = 300.0
    conductivity: Annotated[float, "W/(m K)", "k, unless kappa_in or flux_in bring it", Gt(0)] = (
        148.0
    )
    density: Annotated[float, "kg/m3", "rho", Gt(0)] = 2329.0
    heat_capacity: Annotated[float, "J/(kg K)", "c, specific heat capacity", Gt(0)] = 712.0
    source: Annotated[float, "W/m3", "Q, heat put in everywhere"] = 0.0
    scheme: Annotated[
        Literal["implicit_euler", "crank_nicolson", "bdf2"], "1", "integration in time"
    ] = "implicit_euler"
    dt: Annotated[float, "s", "step", Gt(0)] = 1e-6

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "carslaw1959",
            "H. S. Carslaw and J. C. Jaeger, Conduction of Heat in Solids, 2nd edition, Oxford "
            "University Press (1959)",
        ),
    )

    class State(ms.State):
        """Temperatures, and what a step needs of the one before."""

        start: float  # s
        step: int
        T: Array  # (nx, ny, nz) K
        before: Array  # (nx, ny, nz) K, one step earlier
        flux: float  # W/m2 that enters at z = 0
        k: Array  # (nx, ny, nz) W/(m K), last used
        known_T: Array  # (n,) K of a table k(T), empty without
        known_k: Array  # (n,) W/(m K)
        influx: float  # J, put in or through faces, since the start
        last_influx: float  # J, of the last step

    def scales(self) -> ms.Scales:
        """Return a step to equilibration in time, smallest cell to longest side in space."""
        sides = [self.lz, *(s for s, n in ((self.lx, self.nx), (self.ly, self.ny)) if n > 1)]
        counts = [self.nz, *(n for n in (self.nx, self.ny) if n > 1)]
        cells = [side / count for side, count in zip(sides, counts, strict=True)]
        whole = max(sides) ** 2 * self.density * self.heat_capacity / self.conductivity
        return ms.Scales(
            time=ms.Scale(min(self.dt, whole), max(self.dt, whole)),
            length=ms.Scale(min(cells), max(sides)),
        )

    def _begun(self, time: float, table: ms.Contact | None) -> State:
        shape = (self.nx, self.ny, self.nz)
        T = np.full(shape, self.t_initial)
        known_T, known_k = (np.empty(0), np.empty(0)) if table is None else self._table(table)
        return self.State(
            start=time,
            step=0,
            T=T,
            before=T,
            flux=0.0,
            k=np.full(shape, self.conductivity),
            known_T=known_T,
            known_k=known_k,
            influx=0.0,
            last_influx=0.0,
        )

    def _table(self, table: ms.Contact) -> tuple[Array, Array]:
        """Return temperatures and conductivities of kappa_in, or refuse what is no table."""
        T, k = table.temperature, table.conductivity
        if not T.size or not (k > 0.0).all() or np.unique(T).size != T.size:
            raise ms.Refused(
                f"{self.name}.kappa_in brings {T.size} values, k = {k.min(initial=0.0):.6g}"
                f"..{k.max(initial=0.0):.6g} W/(m K), expected a positive conductivity for each of"
                " one or more different temperatures"
            )
        return T, k

    def _box(self) -> "Box":
        from manyscale_plugins.heat_diffusion import kernel

        held = (self.t_left, self.t_right)
        return (
            kernel.side(self.bc_x, self.nx, self.lx, held),
            kernel.side(self.bc_y, self.ny, self.ly, held),
            kernel.side(self.bc_z, self.nz, self.lz, held),
        )

    def _conductivity(self, state: State, told: bool) -> "Conductivity":
        from manyscale_plugins.heat_diffusion import kernel

        if not told and state.known_T.size:
            return kernel.of_table(state.known_T, state.known_k)
        k = state.k
        return lambda T: k

    def _stepped(self, state: State, flux: float, told: bool = False) -> State:
        """Return the State one step on, with a flux that enters at z = 0 at its end."""
        from manyscale_plugins.heat_diffusion import kernel
        from manyscale_plugins.mass_diffusion.kernel import influx_of_step, weights

        box, conductivity = self._box(), self._conductivity(state, told)
        weight = weights(self.scheme, state.step)
        before = state.flux if state.step else flux
        entering = (weight.rate - weight.implicit) * before + weight.implicit * flux
        capacity = self.density * self.heat_capacity
        step = kernel.Step(capacity, self.dt, weight, self._source(entering))
        T, _ = kernel.advanced(state.T, state.before, step, conductivity, box)
        rates = tuple(
            self._rate(at, conductivity(at), q) for at, q in ((state.T, before), (T, flux))
        )
        added = influx_of_step(weight, self.dt, (rates[0], rates[1]), state.last_influx)
        return state.but(
            step=state.step + 1,
            T=T,
            before=state.T,
            flux=flux,
            k=conductivity(T),
            influx=state.influx + added,
            last_influx=added,
        )

    def _field(self, state: State) -> dict[str, Any]:
        """Return what field_out carries."""
        from manyscale_plugins.heat_diffusion import kernel

        box = self._box()
        x, y, z = (kernel.centres(one) for one in box)
        q = kernel.fluxes(state.T, state.k, box, 2).mean(axis=(0, 1))
        if not box[2].fixed[0]:
            q[0] += state.flux
        capacity = self.density * self.heat_capacity
        heat = capacity * float((state.T - self.t_initial).sum()) * kernel.cell_volume(box)
        shown = {"T": state.T, "x": x, "y": y, "z": z, "q": q}
        return {**shown, "heat": heat, "influx": state.influx}

    def _source(self, flux: float) -> Array:
        """Return heat put into the cells [W/m3]: everywhere, and through the interface."""
        found = np.full((self.nx, self.ny, self.nz), self.source)
        found[..., 0] += flux * self.nz / self.lz
        return found

    def _rate(self, T: Array, k: Array, flux: float) -> float:
        """Return the heat that enters, is put in, or comes through the interface [W]."""
        from manyscale_plugins.heat_diffusion import kernel

        box = self._box()
        volume = kernel.cell_volume(box)
        return kernel.influx(T, k, box) + float(self._source(flux).sum()) * volume


class HeatDiffusion(_HeatDiffusion):
    """rho c dT/dt = div(k grad T) + Q on finite volumes, second order in space, implicit in time.

    First order in dt (implicit_euler) or second (crank_nicolson, bdf2). The twin of
    `mass_diffusion` over its eigenbases, with a conductivity for every cell: constant, from a
    table k(T), or what a micro model in every cell answers.
    """

    gradient_out = ms.O_I(
        member=Field("identity", "1", "member", "int64"),
        thickness=Field("length", "m", "member"),
        temperature=Field("temperature", "K", "member"),
        dT=Field("temperature_difference", "K", "member"),
    )
    flux_in = ms.S(
        optional=True,
        member=Field("identity", "1", "member", "int64"),
        q=Field("heat_flux", "W/m2", "member face"),
        temperature=Field("temperature", "K", "member depth"),
        kappa_eff=Field("thermal_conductivity", "W/(m K)", "member"),
        residual=Field("number", "1", "member"),
        sweeps=Field("count", "1", "member", "int64"),
        provenance=Field("identity", "1", "member", "int32", optional=True),
        err=Field("number", "1", "member", optional=True),
    )

    t_end: Annotated[float, "s", "time simulated, whole steps", Gt(0)] = 1e-3

    def f_init(self, start: ms.Start, received: ms.Received) -> _HeatDiffusion.State:
        """Begin at t_initial."""
        from manyscale_plugins.mass_diffusion.kernel import whole_steps

        whole_steps(self.dt, self.t_end)
        return self._begun(start.time, received.kappa_in)

    def clock(self, state: _HeatDiffusion.State) -> Clock:
        """Count whole steps."""
        return Clock.steps(state.step, round(self.t_end / self.dt), self.dt, state.start)

    def o_i(self, state: _HeatDiffusion.State) -> ms.Messages:
        """Tell the micro model of every cell its temperature and what drops across it."""
        faces = self._face_temperatures(state)
        count = faces.size - 1
        return {
            "gradient_out": {
                "member": np.arange(count, dtype=np.int64),
                "thickness": np.full(count, self.lz / self.nz),
                "temperature": state.T.reshape(-1, self.nz)[0],
                "dT": faces[:-1] - faces[1:],
            }
        }

    def s(self, state: _HeatDiffusion.State, received: ms.Received) -> _HeatDiffusion.State:
        """Take a step, with what the micro models answered."""
        if received.flux_in is None:
            return self._stepped(state, 0.0)
        return self._stepped(state.but(k=self._answered(received.flux_in)), 0.0, told=True)

    def o_f(self, state: _HeatDiffusion.State) -> ms.Messages:
        """Give temperatures, the flux along z, and the account of the heat."""
        return {"field_out": self._field(state)}

    @classmethod
    def example(cls) -> "testing.Example":
        """Return four cells over micro models that all answer the same."""
        from manyscale import testing

        answers: dict[str, Any] = {name: np.ones(4) for name in ("kappa_eff", "residual", "err")}
        answers |= {"member": np.arange(4), "sweeps": np.ones(4, np.int64)}
        answers |= {"q": np.ones((4, 3)), "temperature": np.full((4, 2), 300.0)}
        answers |= {"provenance": np.zeros(4, np.int32)}
        messages = {"flux_in": answers, "kappa_in": _TABLE}
        return testing.Example({"nz": 4, "dt": 0.25, "t_end": 1.0}, messages)

    def _face_temperatures(self, state: _HeatDiffusion.State) -> Array:
        """Return temperatures between the cells in z and at its ends, (nz + 1,) K."""
        line, fixed = state.T.reshape(-1, self.nz)[0], self._box()[2].fixed
        low = self.t_left if fixed[0] else line[0]
        high = self.t_right if fixed[1] else line[-1]
        return np.concatenate([[low], 0.5 * (line[1:] + line[:-1]), [high]])

    def _answered(self, contact: ms.Contact) -> Array:
        """Return the conductivity of every cell as the micro models found it."""
        k, member = contact.kappa_eff, contact.member
        if self.nx * self.ny != 1:
            raise ms.Refused(
                f"heat_diffusion.flux_in serves one line of cells, but nx = {self.nx} and ny ="
                f" {self.ny}: set both to 1"
            )
        if not np.array_equal(member, np.arange(self.nz)):
            raise ms.Refused(
                f"heat_diffusion.flux_in answers {member.size} members, expected 0..{self.nz - 1}"
                " in order, as gradient_out named them"
            )
        if not (k > 0.0).all():
            bad = int(np.flatnonzero(~(k > 0.0))[0])
            raise ms.Refused(
                f"heat_diffusion.flux_in: kappa_eff of member {bad} is {k[bad]:.6g} W/(m K),"
                " expected a positive conductivity: see the micro model of that cell"
            )
        return np.asarray(k.reshape(1, 1, self.nz))


class HeatDiffusionInterface(_HeatDiffusion):
    """rho c dT/dt = div(k grad T) + Q behind an interface at z = 0, one step per call.

    The flux that enters there comes with the call, the temperature of the face is the answer.
    Finite volumes of second order in space, otherwise as `heat_diffusion`.
    """

    interface_in = ms.F_INIT(q_interface=Field("heat_flux", "W/m2"))
    interface_out = ms.O_F(t_interface=Field("temperature", "K"))

    keeps_state: ClassVar[bool] = True

    def f_init(self, start: ms.Start, received: ms.Received) -> _HeatDiffusion.State:
        """Take the step that the interface asks for."""
        self._refuse_held_interface()
        # time is counted in steps, whoever of the pair is called first
        kept = start.kept is not None
        state = start.kept if kept else self._begun(0.0, received.kappa_in)
        self._refuse_other_window(start, state)
        return self._stepped(state, float(received.interface_in.q_interface))

    def clock(self, state: _HeatDiffusion.State) -> Clock:
        """End the pass with the step."""
        return Clock(state.step * self.dt)

    def o_f(self, state: _HeatDiffusion.State) -> ms.Messages:
        """Give the temperature of the face, and the field behind it."""
        from manyscale_plugins.heat_diffusion import kernel

        first, k = float(state.T[..., 0].mean()), float(state.k[..., 0].mean())
        face = kernel.face_temperature(first, k, self.lz / self.nz, state.flux)
        return {"interface_out": {"t_interface": face}, "field_out": self._field(state)}

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a bar that is called one step a second."""
        from manyscale import testing

        sizes = {"nz": 4, "dt": 1.0, "bc_z": "fixed_right"}
        return testing.Example(sizes, {"kappa_in": _TABLE})

    def _refuse_held_interface(self) -> None:
        if self.bc_z not in ("no_flux", "fixed_right"):
            raise ms.Refused(
                f"{self.name}.bc_z is {self.bc_z}, but interface_in brings the flux at z = 0,"
                " which must be free: choose fixed_right or no_flux"
            )

    def _refuse_other_window(self, start: ms.Start, state: _HeatDiffusion.State) -> None:
        """Refuse a call that does not begin, or end, where this step does."""
        now = state.start + state.step * self.dt
        off = min(abs(start.time - now), abs(start.time - (now + self.dt)))
        if off > 1e-6 * self.dt:
            raise ms.Refused(
                f"{self.name} takes its step from t = {now:g} s to {now + self.dt:g} s, but was"
                f" asked at t = {start.time:g} s: give dt the same value here and where the"
                " windows are"
            )


class InterfaceTemperature(ms.ScaleModel):
    """Sends one temperature of an interface: the first guess of a coupling."""

    interface_out = ms.O_F(t_interface=Field("temperature", "K"))

    temperature: Annotated[float, "K", "what is sent", Gt(0)] = 300.0

    class State(ms.State):
        """Nothing changes."""

        time: float  # s

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Begin and end at once."""
        return self.State(time=start.time)

    def clock(self, state: State) -> Clock:
        """Have no turns."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Send it."""
        return {"interface_out": {"t_interface": self.temperature}}

    def scales(self) -> ms.Scales:
        """Return an interface: as thin as can be."""
        return ms.Scales(length=ms.Scale(0.0, 0.0))


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the models."""
    return [HeatDiffusion, HeatDiffusionInterface, InterfaceTemperature]
