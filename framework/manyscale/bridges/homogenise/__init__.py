"""Averaged stress and apparent stiffness of a heterogeneous cell under a macro strain."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Lt

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale.bridges.homogenise.kernel import Cell


class Homogenise(ms.ScaleModel):
    """<sigma> = C <eps> with <sigma:eps> = <sigma>:<eps>, for a cell of two or more phases.

    Small strains, linear isotropic phases, plane strain; bilinear finite elements on a
    rectilinear grid, solved directly. Hill (1963). C is an apparent stiffness: that of the material
    only if the cell is large against the grains of its phases, or periodic as the material is.
    """

    cell_in = ms.F_INIT(
        strain=Field("strain", "1", "voigt=3", tensor="voigt", shear_factor=2.0),
        phases=Field("identity", "1", "x y", dtype="int64", optional=True),
    )
    cell_out = ms.O_F(
        stress=Field("stress", "Pa", "voigt=3", tensor="voigt"),
        stiffness=Field("stress", "Pa", "voigt=3 column=3"),
        work=Field("energy_density", "J/m3"),
    )

    condition: Annotated[
        Literal["linear_displacement", "periodic", "uniform_traction"],
        "1",
        "what the boundary of the cell does under the macro strain",
    ] = "periodic"
    young: Annotated[list[float], "Pa", "Young's modulus of each phase", Gt(0)] = [1e9, 1e10]
    poisson: Annotated[
        list[float], "1", "Poisson's ratio of each phase, or one for all", Gt(-1), Lt(0.5)
    ] = [0.3]
    layout: Annotated[
        list[list[float]], "1", "phase by x (rows) and y, unless cell_in brings phases", Ge(0)
    ] = [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    edges_x: Annotated[
        list[float], "m", "edges of the grid along x; two: equal cells between them"
    ] = [0.0, 1e-3]
    edges_y: Annotated[list[float], "m", "edges along y, as edges_x"] = [0.0, 1e-3]
    refine: Annotated[int, "1", "elements per grid cell and direction", Ge(1)] = 4

    version: ClassVar[str] = "1"
    keeps_state: ClassVar[bool] = True
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "hill1963",
            "R. Hill, Elastic properties of reinforced solids: some theoretical principles, Journal"
            " of the Mechanics and Physics of Solids 11 (1963) 357",
            "10.1016/0022-5096(63)90036-X",
        ),
    )

    class State(ms.State):
        """The answer, and the stiffness with what it was found for."""

        time: float  # s
        strain: Array  # (3,)
        stiffness: Array  # (3, 3) Pa
        energy: Array  # (3, 3) J/m3, of unit strains
        found_for: bytes

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Find the stiffness, unless the pass before had the same cell, and apply the strain."""
        from manyscale.bridges.homogenise import kernel

        came, kept = received.cell_in, start.kept
        cell = self._cell(getattr(came, "phases", None) if "phases" in came.fields else None)
        found_for = kernel.fingerprint(cell, self.condition)
        if kept is not None and kept.found_for == found_for:
            return self.State(
                time=start.time,
                strain=came.strain,
                stiffness=kept.stiffness,
                energy=kept.energy,
                found_for=found_for,
            )
        found = kernel.homogenise(cell, self.condition)
        return self.State(
            time=start.time,
            strain=came.strain,
            stiffness=found.stiffness,
            energy=found.energy,
            found_for=found_for,
        )

    def clock(self, state: State) -> Clock:
        """Stamp the answer with the time of the strain: the cell is in equilibrium."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Give the mean stress, the stiffness and the mean of stress times strain."""
        strain = state.strain
        answer = {
            "stress": state.stiffness @ strain,
            "stiffness": state.stiffness,
            "work": float(strain @ state.energy @ strain),
        }
        return {"cell_out": answer}

    def scales(self) -> ms.Scales:
        """Return no time, and lengths from the smallest element to the larger side."""
        x, y = self.edges_x, self.edges_y
        counts = len(self.layout), len(self.layout[0])
        sides = [
            min(np.diff(e)) / self.refine / (n if len(e) == 2 else 1)
            for e, n in zip((x, y), counts, strict=True)
        ]
        extent = max(x[-1] - x[0], y[-1] - y[0])
        return ms.Scales(time=ms.Scale(0.0, 0.0), length=ms.Scale(float(min(sides)), extent))

    def _cell(self, came: Array | None) -> "Cell":
        from manyscale.bridges.homogenise import kernel

        phases = self._phases(came)
        poisson = self.poisson * len(self.young) if len(self.poisson) == 1 else self.poisson
        if len(poisson) != len(self.young):
            raise ms.Refused(
                f"homogenise.poisson has {len(poisson)} values for {len(self.young)} phases of"
                " homogenise.young: give one for each phase, or one for all"
            )
        local = kernel.plane_strain(np.array(self.young), np.array(poisson))
        edges = [
            kernel.edges(np.array(given), count, self.refine, f"homogenise.edges_{axis}")
            for axis, given, count in zip(
                "xy", (self.edges_x, self.edges_y), phases.shape, strict=True
            )
        ]
        fine = phases.repeat(self.refine, axis=0).repeat(self.refine, axis=1)
        return kernel.Cell(edges[0], edges[1], local[fine])

    def _phases(self, came: Array | None) -> Array:
        """Return the phase (nx, ny) of every grid cell, numbered as in `young`."""
        where = "homogenise.layout" if came is None else "homogenise.cell_in.phases"
        if came is None and len({len(row) for row in self.layout}) != 1:
            raise ms.Refused("homogenise.layout has rows of different lengths: give a rectangle")
        phases = np.array(self.layout) if came is None else came
        if not phases.size:
            raise ms.Refused(f"{where} has no cells: give at least one")
        last = len(self.young) - 1
        bad = (phases < 0) | (phases > last) | (phases != np.floor(phases))
        if bad.any():
            raise ms.Refused(
                f"{where} has a phase {phases[bad][0]:g}, expected whole numbers from 0 to {last}:"
                " homogenise.young has one value for each"
            )
        return phases.astype(np.int64)

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a laminate under a general strain."""
        from manyscale import testing

        phases = np.array([[0, 1, 1], [0, 1, 1]])
        strain = {"strain": np.array([1e-3, -5e-4, 2e-3]), "phases": phases}
        return testing.Example({"refine": 2}, {"cell_in": strain})


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the bridge."""
    return [Homogenise]
