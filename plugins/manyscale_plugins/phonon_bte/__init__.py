"""Phonons in a film between two walls: the Boltzmann transport equation."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.phonon_bte.kernel import Film, Inflow
    from manyscale_plugins.phonon_bte.spectrum import Spectrum

_every = partial(Field, held=ms.REPLICATED)
Faces = Literal["none", "left", "right", "both"]


class PhononBte(ms.ScaleModel):
    """Lambda_m mu de_m/dx + e_m = C_m (T_L - T_ref), sum_m (C_m/tau_m) T_L = sum_m <e_m>/tau_m.

    Steady, across a film with black walls, all modes at once: double-Gauss directions, diamond
    differences (second order), GMRES on the pseudo-temperature T_L with synthetic acceleration.
    In plane: closed form between rough faces. Valid in the relaxation-time approximation, for
    differences small against T, isotropic modes and films thicker than a wavelength.
    On MPI ranks each holds a part of modes and directions; any number of them gives the same bits.
    """

    modes_in = ms.F_INIT(
        heat_capacity=_every("volumetric_heat_capacity", "J/(m3 K)", "mode"),
        velocity=_every("velocity", "m/s", "mode"),
        lifetime=_every("time", "s", "mode"),
        t_ref=_every("temperature", "K"),
    )
    bc_in = ms.F_INIT(
        optional=True,
        thickness=_every("length", "m"),
        temperature=_every("temperature", "K"),
        dT=_every("temperature_difference", "K"),
    )
    incoming_in = ms.F_INIT(
        optional=True,
        left=_every("heat_flux", "W/m2", "mode mu"),
        right=_every("heat_flux", "W/m2", "mode mu"),
    )
    interface_in = ms.F_INIT(optional=True, t_interface=_every("temperature", "K"))
    flux_out = ms.O_F(
        q=Field("heat_flux", "W/m2", "face"),
        temperature=Field("temperature", "K", "depth=ncell"),
        kappa_eff=Field("thermal_conductivity", "W/(m K)"),
        residual=Field("number", "1"),
        sweeps=Field("count", "1", dtype="int64"),
    )
    outgoing_out = ms.O_F(
        left=Field("heat_flux", "W/m2", "mode mu=n_mu"),
        right=Field("heat_flux", "W/m2", "mode mu=n_mu"),
    )
    interface_out = ms.O_F(q_interface=Field("heat_flux", "W/m2"))

    length: Annotated[
        float, "m", "thickness of the film, unless bc_in brings it", Ge(1e-9), Le(1e-3)
    ] = 1e-6  # fmt: skip
    temperature: Annotated[float, "K", "mean of the walls, unless bc_in brings it", Gt(0)] = 300.0
    dT: Annotated[float, "K", "left wall minus right wall, unless bc_in brings it", Gt(0)] = 1.0
    ncell: Annotated[int, "1", "cells across the film", Ge(10), Le(10_000)] = 200
    n_mu: Annotated[int, "1", "directions of each half range", Ge(2), Le(64)] = 16
    solver: Annotated[
        Literal["dsa_gmres", "gmres", "source_iteration"], "1", "of the pseudo-temperature"
    ] = "dsa_gmres"
    tol: Annotated[
        float, "1", "heat the cells miss, in all, over the flux", Ge(1e-14), Le(1e-2)
    ] = 1e-8  # fmt: skip
    max_iter: Annotated[int, "1", "sweeps, then an error", Ge(1)] = 500
    gray_lambda: Annotated[
        float, "m", "0: the modes received; else one mode of this mean free path", Ge(0)
    ] = 0.0  # fmt: skip
    direction: Annotated[
        Literal["cross_plane", "in_plane"], "1", "of the heat: across the film or along it"
    ] = "cross_plane"
    specularity: Annotated[
        float, "1", "in plane: part of the phonons the faces mirror", Ge(0), Le(1)
    ] = 0.0  # fmt: skip
    open_faces: Annotated[
        Faces, "1", "faces without a wall, where incoming_in enters"
    ] = "none"  # fmt: skip

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    capabilities: ClassVar[ms.Capabilities] = ms.Capabilities(parallel="mpi")
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "majumdar1993",
            "A. Majumdar, Microscale heat conduction in dielectric thin films, Journal of Heat "
            "Transfer 115 (1993) 7",
            "10.1115/1.2910673",
        ),
        ms.Citation(
            "adams2002",
            "M. L. Adams and E. W. Larsen, Fast iterative methods for discrete-ordinates particle "
            "transport calculations, Progress in Nuclear Energy 40 (2002) 3",
            "10.1016/S0149-1970(01)00023-3",
        ),
    )

    class State(ms.State):
        """What the film answers; nothing of it is needed for the next call."""

        time: float  # s
        q: Array  # (ncell + 1,) W/m2
        T: Array  # (ncell,) K
        kappa_eff: float  # W/(m K)
        residual: float
        sweeps: int
        left: Array  # (mode, mu) W/m2, leaves going left
        right: Array  # (mode, mu) W/m2, leaves going right

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.direction == "in_plane" and self.open_faces != "none":
            raise ms.Refused(
                f"Setting {self.name}.open_faces is {self.open_faces!r} with direction in_plane,"
                " expected none: along a film nothing enters through its faces."
            )

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Solve the film for the walls and modes that came."""
        thickness, temperature, dT = self._case(received)
        modes = self._modes(received.modes_in)
        if self.direction == "in_plane":
            return self._along(start.time, modes, thickness, temperature, dT)
        return self._across(start.time, modes, received, thickness, temperature, dT)

    def clock(self, state: State) -> Clock:
        """Stamp the answer with the time of the question: relaxation is over at once."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Give fluxes and temperatures, and what leaves the film."""
        numbers = {"kappa_eff": state.kappa_eff, "residual": state.residual, "sweeps": state.sweeps}
        return {
            "flux_out": {"q": state.q, "temperature": state.T, **numbers},
            "outgoing_out": {"left": state.left, "right": state.right},
            "interface_out": {"q_interface": float(state.q[-1])},
        }

    def scales(self) -> ms.Scales:
        """Return lifetimes in time; a cell to the film in length."""
        length = ms.Scale(self.length / self.ncell, self.length)
        return ms.Scales(time=ms.Scale(1e-12, 1e-8), length=length)

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a film with open faces and three modes, one of which stands still."""
        from manyscale import testing

        modes = {"heat_capacity": np.array([1e5, 2e5, 1e5]), "velocity": np.array([6e3, 4e3, 0.0])}
        modes |= {"lifetime": np.array([1e-10, 3e-11, 1e-12])}
        enters = {side: np.full((3, 4), 10.0) for side in ("left", "right")}
        case = {"thickness": 2e-7, "temperature": 300.0, "dT": 2.0}
        return testing.Example(
            {"ncell": 20, "n_mu": 4, "open_faces": "both"},
            {
                "modes_in": {**modes, "t_ref": 300.0},
                "bc_in": case,
                "incoming_in": enters,
                "interface_in": {"t_interface": 299.0},
            },
        )

    def _case(self, received: ms.Received) -> tuple[float, float, float]:
        """Return thickness [m], mean temperature and difference [K], or refuse them."""
        case = received.bc_in
        if case is None:
            return self.length, self.temperature, self.dT
        found = float(case.thickness), float(case.temperature), float(case.dT)
        for name, value, unit in (("thickness", found[0], "m"), ("temperature", found[1], "K")):
            if not value > 0.0:
                raise ms.Refused(
                    f"phonon_bte.bc_in brings {name} = {value:.6g} {unit}, expected a positive one:"
                    " see the cases of its sender"
                )
        return found

    def _modes(self, contact: ms.Contact) -> "Spectrum":
        from manyscale_plugins.phonon_bte import spectrum

        found = spectrum.spectrum(contact.heat_capacity, contact.velocity, contact.lifetime)
        return spectrum.gray(found, self.gray_lambda) if self.gray_lambda else found

    def _along(
        self, time: float, modes: "Spectrum", thickness: float, temperature: float, dT: float
    ) -> State:
        """Return the State of heat along the film, under the gradient -dT/thickness."""
        from manyscale_plugins.phonon_bte import in_plane

        z = np.linspace(0.0, thickness, self.ncell + 1)
        k = in_plane.profile(modes, thickness, z, self.n_mu, self.specularity)
        none = np.zeros((modes.received, self.n_mu))
        return self.State(
            time=time,
            q=k * (dT / thickness),
            T=np.full(self.ncell, temperature),
            kappa_eff=in_plane.conductivity(modes, thickness, self.n_mu, self.specularity),
            residual=0.0,
            sweeps=1,
            left=none,
            right=none,
        )

    def _across(
        self,
        time: float,
        modes: "Spectrum",
        received: ms.Received,
        thickness: float,
        temperature: float,
        dT: float,
    ) -> State:
        """Return the State of heat across the film, between walls or open faces."""
        from manyscale_plugins.phonon_bte import kernel, share
        from manyscale_plugins.phonon_bte.acceleration import Options

        film = kernel.Film(modes, thickness, self.ncell, self.n_mu)
        t_ref = float(received.modes_in.t_ref)
        walls = temperature + 0.5 * dT, temperature - 0.5 * dT
        if received.interface_in is not None:
            walls = walls[0], float(received.interface_in.t_interface)
        plain = self.open_faces == "none" and received.interface_in is None
        # between two walls everything is proportional to dT: solved for 1 K, whatever it is
        above = (0.5, -0.5) if plain else (walls[0] - t_ref, walls[1] - t_ref)
        inflow = self._opened(film, kernel.black(film, *above), received.incoming_in)
        options = Options(self.solver, self.tol, self.max_iter)
        found = kernel.solve(film, inflow, options, share.among(self.ranks))
        unit, middle = (dT, temperature) if plain else (1.0, t_ref)
        drop = 1.0 if plain else walls[0] - walls[1]
        flux = float(found.flux.mean())
        leaving = [self._leaving(film, one * unit, t_ref, middle) for one in found.outflow]
        return self.State(
            time=time,
            q=found.flux * unit,
            T=middle + found.theta * unit,
            kappa_eff=flux * thickness / drop if drop else 0.0,
            residual=found.residual,
            sweeps=found.sweeps,
            left=leaving[1],
            right=leaving[0],
        )

    def _opened(self, film: "Film", inflow: "Inflow", contact: ms.Contact | None) -> "Inflow":
        """Return what enters, with what came in place of a wall where a face is open."""
        if self.open_faces == "none":
            return inflow
        if contact is None:
            raise ms.Refused(
                f"phonon_bte.open_faces is {self.open_faces}, but incoming_in is not connected:"
                " connect it to the relaxation between the films, or set open_faces to none"
            )
        shape = film.modes.received, self.n_mu
        if contact.left.shape != shape:
            raise ms.Refused(
                f"phonon_bte.incoming_in brings {list(contact.left.shape)} modes and directions,"
                f" but this film has {list(shape)}: give all films the same modes and n_mu"
            )
        entering: dict[str, Any] = {}
        if self.open_faces in ("left", "both"):
            entering["right"] = contact.right[film.modes.place] / film.emission
        if self.open_faces in ("right", "both"):
            entering["left"] = contact.left[film.modes.place] / film.emission
        return inflow._replace(**entering)

    def _leaving(self, film: "Film", phi: Array, t_ref: float, middle: float) -> Array:
        """Return phi [K above `middle`] as energy flux above t_ref, for all modes received."""
        found = np.zeros((film.modes.received, self.n_mu))
        found[film.modes.place] = (phi + (middle - t_ref)) * film.emission
        return found


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [PhononBte]
