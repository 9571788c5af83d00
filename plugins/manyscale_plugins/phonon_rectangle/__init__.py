"""Phonons in a rectangle between walls of several kinds, heated or not, steady or in time."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.phonon_bte.acceleration import Options
    from manyscale_plugins.phonon_bte.share import Share
    from manyscale_plugins.phonon_rectangle.kernel import Solved
    from manyscale_plugins.phonon_rectangle.rectangle import Rectangle

_every = partial(Field, held=ms.REPLICATED)
Kind = Literal["isothermal", "diffuse", "specular", "periodic", "interface"]
SIDES = ("left", "right", "bottom", "top")


class _Rectangle(ms.ScaleModel):
    """Declares what steady and transient rectangles share."""

    modes_in = ms.F_INIT(
        heat_capacity=_every("volumetric_heat_capacity", "J/(m3 K)", "mode"),
        velocity=_every("velocity", "m/s", "mode"),
        lifetime=_every("time", "s", "mode"),
        t_ref=_every("temperature", "K"),
    )
    interface_in = ms.F_INIT(optional=True, t_interface=_every("temperature", "K"))
    interface_out = ms.O_F(q_interface=Field("heat_flux", "W/m2"))
    field_out = ms.O_F(
        temperature=Field("temperature", "K", "y=ny x=nx"),
        flux_x=Field("heat_flux", "W/m2", "y=ny face_x"),
        flux_y=Field("heat_flux", "W/m2", "face_y x=nx"),
        x=Field("length", "m", "x=nx"),
        y=Field("length", "m", "y=ny"),
        energy=Field("energy_per_length", "J/m"),
        heating=Field("power_per_length", "W/m"),
        leaving=Field("power_per_length", "W/m"),
        residual=Field("number", "1"),
        sweeps=Field("count", "1", dtype="int64"),
    )

    lx: Annotated[float, "m", "length in x", Ge(1e-9), Le(1e-3)] = 1e-6
    ly: Annotated[float, "m", "length in y", Ge(1e-9), Le(1e-3)] = 1e-6
    nx: Annotated[int, "1", "cells in x", Ge(1), Le(4096)] = 40
    ny: Annotated[int, "1", "cells in y; 1 between mirrors: nothing depends on y",
                  Ge(1), Le(4096)] = 40  # fmt: skip
    n_polar: Annotated[int, "1", "polar angles of a quadrant of directions", Ge(2), Le(64)] = 8
    n_azimuth: Annotated[int, "1", "azimuths of a quadrant of directions", Ge(2), Le(64)] = 8
    wall_left: Annotated[Kind, "1", "at x = 0"] = "isothermal"
    wall_right: Annotated[Kind, "1", "at x = lx"] = "isothermal"
    wall_bottom: Annotated[Kind, "1", "at y = 0"] = "specular"
    wall_top: Annotated[Kind, "1", "at y = ly"] = "specular"
    t_left: Annotated[float, "K", "of an isothermal wall, or an interface left alone", Gt(0)] = (
        300.5
    )
    t_right: Annotated[float, "K", "the same on the right", Gt(0)] = 299.5
    t_bottom: Annotated[float, "K", "the same at the bottom", Gt(0)] = 300.0
    t_top: Annotated[float, "K", "the same at the top", Gt(0)] = 300.0
    period_drop: Annotated[float, "K", "fall of the temperature over a period"] = 0.0
    source: Annotated[float, "W/m3", "heat put into source_box", Ge(0)] = 0.0
    source_box: Annotated[list[float], "m", "x0, x1, y0, y1"] = [0.0, 1.0, 0.0, 1.0]
    solver: Annotated[
        Literal["dsa_gmres", "gmres", "source_iteration"], "1", "of the pseudo-temperature"
    ] = "dsa_gmres"
    tol: Annotated[
        float, "1", "heat missed by cells and walls, in all, over what is exchanged",
        Ge(1e-14), Le(1e-2),
    ] = 1e-8  # fmt: skip
    max_iter: Annotated[int, "1", "sweeps, then an error", Ge(1)] = 500
    gray_lambda: Annotated[
        float, "m", "0: the modes received; else one mode of this mean free path", Ge(0)
    ] = 0.0  # fmt: skip

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    capabilities: ClassVar[ms.Capabilities] = ms.Capabilities(parallel="mpi")
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "adams2002",
            "M. L. Adams and E. W. Larsen, Fast iterative methods for discrete-ordinates particle "
            "transport calculations, Progress in Nuclear Energy 40 (2002) 3",
            "10.1016/S0149-1970(01)00023-3",
        ),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        box = self.source_box
        if len(box) != 4 or not (box[0] < box[1] and box[2] < box[3]):
            raise ms.Refused(
                f"Setting {self.name}.source_box is {box}, expected four numbers x0 < x1, y0 < y1."
            )
        interfaces = [side for side in SIDES if getattr(self, f"wall_{side}") == "interface"]
        if len(interfaces) > 1:
            raise ms.Refused(
                f"Setting {self.name}.wall_{interfaces[1]} is 'interface' and so is wall_"
                f"{interfaces[0]}, expected one: there is one t_interface."
            )

    def scales(self) -> ms.Scales:
        """Return lifetimes in time; the smallest cell to the longest side in length."""
        cells = [self.lx / self.nx, self.ly / self.ny]
        length = ms.Scale(min(cells), max(self.lx, self.ly, *cells))
        return ms.Scales(time=ms.Scale(1e-12, 1e-8), length=length)

    def _rectangle(
        self, came: Any, interface: ms.Contact | None, heated: float = 1.0
    ) -> "Rectangle":
        """Return what the kernel solves; `came` has the modes and their temperature.

        `heated` is the part of a step with heat put in.
        """
        from manyscale_plugins.phonon_bte import spectrum
        from manyscale_plugins.phonon_rectangle import kernel, rectangle, walls

        modes = spectrum.spectrum(came.heat_capacity, came.velocity, came.lifetime)
        if self.gray_lambda:
            modes = spectrum.gray(modes, self.gray_lambda)
        temperatures = self._temperatures(interface)
        four = [
            walls.Wall(getattr(self, f"wall_{side}"), temperatures[side] - float(came.t_ref))
            for side in SIDES
        ]
        lengths, box = (self.lx, self.ly), np.array(self.source_box)
        heating = kernel.heating((self.ny, self.nx), lengths, box, self.source * heated)
        directions = (self.n_polar, self.n_azimuth)
        four_walls = (four[0], four[1], four[2], four[3])
        return rectangle.Rectangle(
            modes, lengths, heating, four_walls, directions, self.period_drop
        )

    def _temperatures(self, interface: ms.Contact | None) -> dict[str, float]:
        """Return the temperature of every side [K]; that of the interface as it came."""
        found = {side: float(getattr(self, f"t_{side}")) for side in SIDES}
        if interface is not None:
            found[self._interface()] = float(interface.t_interface)
        return found

    def _interface(self) -> str:
        for side in SIDES:
            if getattr(self, f"wall_{side}") == "interface":
                return side
        raise ms.Refused(
            f"{self.name}.interface_in brings a temperature, but no wall is an interface: set one"
            " of wall_left, wall_right, wall_bottom, wall_top to interface"
        )

    def _share(self) -> "Share":
        from manyscale_plugins.phonon_bte import share

        return share.among(self.ranks)

    def _options(self) -> "Options":
        from manyscale_plugins.phonon_bte.acceleration import Options

        return Options(self.solver, self.tol, self.max_iter)

    def _told(self, rectangle: "Rectangle", found: "Solved", t_ref: float) -> dict[str, Any]:
        """Return what is kept of a solution: temperatures, fluxes, and heat per depth."""
        area = (self.lx / self.nx) * (self.ly / self.ny)
        flux_x, flux_y = (np.ascontiguousarray(one) for one in (found.flux_x, found.flux_y))
        return {
            "T": np.ascontiguousarray(found.theta + t_ref),
            "flux_x": flux_x,
            "flux_y": flux_y,
            "energy": float(found.energy.sum()) * area,
            "heating": float(rectangle.heating.sum()) * area,
            "leaving": self._gone(flux_x, flux_y),
            "residual": found.residual,
            "sweeps": found.sweeps,
        }

    def _shown(self, state: Any) -> dict[str, Any]:
        """Return the fields of field_out."""
        places = {
            axis: (np.arange(n) + 0.5) * (length / n)
            for axis, n, length in (("x", self.nx, self.lx), ("y", self.ny, self.ly))
        }
        names = ("flux_x", "flux_y", "energy", "heating", "leaving", "residual", "sweeps")
        told = {name: getattr(state, name) for name in names}
        return {"temperature": state.T, **told, **places}

    def _leaving(self, flux_x: Array, flux_y: Array) -> dict[str, Array]:
        """Return what leaves through every side [W/m2], one value per cell along it."""
        sides = (-flux_x[:, 0], flux_x[:, -1], -flux_y[0], flux_y[-1])
        return dict(zip(SIDES, sides, strict=True))

    def _gone(self, flux_x: Array, flux_y: Array) -> float:
        """Return the heat that leaves through all sides, per depth [W/m]."""
        leaving = self._leaving(flux_x, flux_y)
        steps = (self.ly / self.ny, self.ly / self.ny, self.lx / self.nx, self.lx / self.nx)
        return sum(
            float(leaving[side].sum()) * step for side, step in zip(SIDES, steps, strict=True)
        )

    def _answer(self, state: Any) -> ms.Messages:
        """Return the messages of o_f."""
        leaving = self._leaving(state.flux_x, state.flux_y)
        kinds = [side for side in SIDES if getattr(self, f"wall_{side}") == "interface"]
        q = float(leaving[kinds[0]].mean()) if kinds else 0.0
        return {"interface_out": {"q_interface": q}, "field_out": self._shown(state)}


def _message() -> dict[str, Any]:
    """Return a crystal of two modes."""
    modes = {"heat_capacity": np.array([1e5, 2e5]), "velocity": np.array([6e3, 4e3])}
    return {**modes, "lifetime": np.array([1e-10, 3e-11]), "t_ref": 300.0}


class PhononRectangle(_Rectangle):
    """Lambda_m mu.grad(e_m) + e_m = C_m (T_L - T_ref), sum_m (C_m/tau_m) T_L - <e_m>/tau_m = Q.

    Steady, in two dimensions; walls are isothermal, diffuse, specular, periodic, or an interface
    to a diffusion model. Discrete ordinates by quadrants, diamond differences (second order),
    GMRES on T_L with synthetic acceleration; the distribution is never stored. Valid as
    `phonon_bte`. On MPI ranks each holds some modes and directions, with the bits of one.
    """

    class State(ms.State):
        """What the rectangle answers; nothing of it is needed for the next call."""

        time: float  # s
        T: Array  # (ny, nx) K
        flux_x: Array  # (ny, nx + 1) W/m2
        flux_y: Array  # (ny + 1, nx) W/m2
        energy: float  # J/m, not known when steady: 0
        heating: float  # W/m, per depth
        leaving: float  # W/m, through all sides
        residual: float
        sweeps: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Solve the rectangle for the modes and the interface that came."""
        from manyscale_plugins.phonon_rectangle import kernel

        rectangle = self._rectangle(received.modes_in, received.interface_in)
        found = kernel.solve(rectangle, self._options(), self._share())
        told = self._told(rectangle, found, float(received.modes_in.t_ref))
        return self.State(time=start.time, **told)

    def clock(self, state: State) -> Clock:
        """Stamp the answer with the time of the question."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Give temperatures and fluxes."""
        return self._answer(state)

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a heated square with an interface."""
        from manyscale import testing

        sizes: dict[str, Any] = {"nx": 6, "ny": 5, "n_polar": 2, "n_azimuth": 4}
        sizes |= {"wall_left": "diffuse", "wall_bottom": "interface", "source": 1e15}
        messages = {"modes_in": _message(), "interface_in": {"t_interface": 301.0}}
        return testing.Example(sizes, messages)


class PhononRectangleTransient(_Rectangle):
    """tau_m de_m/dt + Lambda_m mu.grad(e_m) + e_m = C_m (T_L - T_ref), heated, in steps of dt.

    Implicit Euler, first order in dt, otherwise as `phonon_rectangle`. Each call is some steps,
    from where the call before ended; the distribution is kept.
    """

    dt: Annotated[float, "s", "step", Gt(0)] = 1e-9
    steps: Annotated[int, "1", "steps of a call, in all as long as a window", Ge(1)] = 1
    t_initial: Annotated[float, "K", "temperature at the start", Gt(0)] = 300.0
    heated_for: Annotated[float, "s", "the source is on from 0 to this time", Ge(0)] = 1e9

    keeps_state: ClassVar[bool] = True

    class State(ms.State):
        """The distribution of this rank, and what the last step told."""

        step: int
        distribution: Array  # (beam, 4, y, x, lane) K above t_ref, of this rank
        unknown: Array  # (n,) K above t_ref, of cells and walls
        t_ref: float  # K
        T: Array  # (ny, nx) K
        flux_x: Array  # (ny, nx + 1) W/m2
        flux_y: Array  # (ny + 1, nx) W/m2
        energy: float  # J/m, per depth, above t_ref
        heating: float  # W/m, in the last step
        leaving: float  # W/m, through all sides at its end
        residual: float
        sweeps: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Take the steps of a call, from rest or from where the last call ended."""
        came, interface = received.modes_in, received.interface_in
        kept = start.kept is not None
        state: PhononRectangleTransient.State = start.kept if kept else self._begun(came, interface)
        self._refuse_other_window(start, state)
        for _ in range(self.steps):
            state = self._stepped(state, came, interface)
        return state

    def clock(self, state: State) -> Clock:
        """End the pass with its last step."""
        return Clock(state.step * self.dt)

    def o_f(self, state: State) -> ms.Messages:
        """Give temperatures, fluxes and the account of the heat."""
        return self._answer(state)

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a heated square that is called one step a second."""
        from manyscale import testing

        sizes: dict[str, Any] = {"nx": 6, "ny": 5, "n_polar": 2, "n_azimuth": 4}
        sizes |= {"wall_left": "diffuse", "wall_bottom": "interface", "source": 1e15}
        messages = {"modes_in": _message(), "interface_in": {"t_interface": 301.0}}
        return testing.Example({**sizes, "dt": 0.5, "steps": 2, "heated_for": 1.25}, messages)

    def _begun(self, came: ms.Contact, interface: ms.Contact | None) -> State:
        """Return the State of rest at t_initial."""
        from manyscale_plugins.phonon_rectangle import kernel

        rectangle = self._rectangle(came, interface)
        above = self.t_initial - float(came.t_ref)
        rest = kernel.at_rest(rectangle, self.dt, above, self._share())
        return self.State(
            step=0,
            distribution=rest.distribution,
            unknown=rest.unknown,
            t_ref=float(came.t_ref),
            T=np.full((self.ny, self.nx), self.t_initial),
            flux_x=np.zeros((self.ny, self.nx + 1)),
            flux_y=np.zeros((self.ny + 1, self.nx)),
            energy=rectangle.modes.capacity * above * self.lx * self.ly,
            heating=0.0,
            leaving=0.0,
            residual=0.0,
            sweeps=0,
        )

    def _stepped(self, state: State, came: ms.Contact, interface: ms.Contact | None) -> State:
        """Return the State one step on."""
        from manyscale_plugins.phonon_rectangle import balance, kernel

        rectangle = self._rectangle(came, interface, self._heated(state.step))
        self._refuse_other_modes(rectangle, state, float(came.t_ref))
        # a copy: kernels compile once more for arrays that are read-only
        past = balance.Past(self.dt, state.distribution.copy(), state.unknown)
        found = kernel.solve(rectangle, self._options(), self._share(), past)
        told = self._told(rectangle, found, state.t_ref)
        kept = {"distribution": found.distribution, "unknown": found.unknown}
        return state.but(step=state.step + 1, **kept, **told)

    def _heated(self, step: int) -> float:
        """Return the part of a step in which the source is on."""
        return float(min(max(self.heated_for / self.dt - step, 0.0), 1.0))

    def _refuse_other_window(self, start: ms.Start, state: State) -> None:
        """Refuse a call that does not begin, or end, where these steps do."""
        now, window = state.step * self.dt, self.steps * self.dt
        if min(abs(start.time - now), abs(start.time - (now + window))) > 1e-6 * window:
            raise ms.Refused(
                f"{self.name} goes from t = {now:g} s to {now + window:g} s, but was asked at t ="
                f" {start.time:g} s: let steps times dt be as long as the windows"
            )

    def _refuse_other_modes(self, rectangle: "Rectangle", state: State, t_ref: float) -> None:
        """Refuse modes that are not those the distribution was made of."""
        from manyscale_plugins.phonon_rectangle import kernel

        shape, _ = kernel.shapes(rectangle, self._share())
        if shape != state.distribution.shape or t_ref != state.t_ref:
            raise ms.Refused(
                f"{self.name}.modes_in changed after {state.step} steps, to others or to t_ref ="
                f" {t_ref:g} K from {state.t_ref:g} K, expected the same modes for the whole run:"
                " send them once, with the filter repeat"
            )


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the models."""
    return [PhononRectangle, PhononRectangleTransient]


@ms.hookimpl
def manyscale_quantities() -> list[ms.Quantity]:
    """Name heat of a slice of unit depth."""
    return [
        ms.Quantity("energy_per_length", "J/m", "energy of a slice of unit depth"),
        ms.Quantity("power_per_length", "W/m", "power of a slice of unit depth"),
    ]
