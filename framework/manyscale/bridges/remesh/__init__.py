"""Cell fields from one unstructured mesh of the plane to another, conserving integrals."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field

if TYPE_CHECKING:
    from manyscale import testing


class Remesh(ms.ScaleModel):
    """g_i = sum_j W_ij f_j/|T_i| for means, sum_j W_ij f_j/|S_j| for totals; W_ij = |T_i and S_j|.

    First order, conservative where the target is covered; convex cells of the plane with straight
    sides. Whether a field is a mean or a total is what its declaration says.
    """

    target_mesh = ms.Mesh("unstructured")
    field_in = ms.F_INIT(like="*")
    field_out = ms.O_F(like="field_in", axes={"*": ""}, mesh="target_mesh", finite=True)

    target: Annotated[str, "1", "full path of an .npz with `points` (p, 2) in m and `cells` (c, v)"]
    normalise: Annotated[
        Literal["fracarea", "dstarea"], "1", "divide means by the covered or by the whole area"
    ] = "fracarea"
    outside: Annotated[
        Literal["error", "fill"], "1", "what target cells outside the source get"
    ] = "error"
    fill_value: Annotated[
        float, "1", "value of cells that get nothing, in the unit of the field"
    ] = 0.0

    version: ClassVar[str] = "1"
    keeps_state: ClassVar[bool] = True
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "jones1999",
            "P. W. Jones, First- and second-order conservative remapping schemes for grids in "
            "spherical coordinates, Monthly Weather Review 127 (1999) 2204",
        ),
        ms.Citation(
            "sutherland1974",
            "I. E. Sutherland and G. W. Hodgman, Reentrant polygon clipping, Communications of "
            "the ACM 17 (1974) 32",
            "10.1145/360767.360802",
        ),
    )

    class Member(ms.State):
        """One value of a message."""

        value: Any

    class State(ms.State):
        """The mapped fields, and the weights with the meshes they belong to."""

        time: float  # s
        fields: Mapping[str, Any]
        points: Array  # (p, 2) m
        cells: Array  # (c, v)
        common: Array  # (overlaps,) m2
        columns: Array  # (overlaps,)
        ends: Array  # (c + 1,)
        source_areas: Array  # m2
        target_areas: Array  # m2
        meshes: str

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Find the overlaps, unless the pass before had the same meshes, and map the fields."""
        from manyscale.bridges.remesh import fields, kernel

        came, kept = received.field_in, start.kept
        shape = _the_mesh(came)
        points, cells = kernel.read_mesh(self.target)
        meshes = f"{shape.hash} {_geometry(points, cells).hash}"
        if kept is not None and kept.meshes == meshes:
            weights = kernel.unpacked(vars(kept))
        else:
            source = shape.arrays["points"], shape.arrays["cells"]
            weights = kernel.weigh(source, (points, cells))
        rule = fields.Rule(self.normalise, self.outside, self.fill_value)
        mapped = fields.carried(weights, came.fields, came.extensive, rule)
        return self.State(
            time=start.time,
            fields={name: self.Member(value=value) for name, value in mapped.items()},
            points=points,
            cells=cells,
            meshes=meshes,
            **kernel.packed(weights),
        )

    def clock(self, state: State) -> Clock:
        """Stamp the fields with the time they came with."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Give the fields on the target mesh."""
        return {"field_out": {name: member.value for name, member in state.fields.items()}}

    def geometries(self, state: State) -> Mapping[str, ms.Geometry]:
        """Return the target mesh."""
        return {"target_mesh": _geometry(state.points, state.cells)}

    def scales(self) -> ms.Scales:
        """Return a time of zero: algebraic; lengths are those of the file."""
        return ms.Scales(time=ms.Scale(0.0, 0.0))

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a temperature, an energy and a name on two triangles, and four for the target."""
        from manyscale import testing

        on_cells = {"mesh": "source", "location": "cell"}
        fields = {
            "temperature": Field("temperature", "K", "cell=2", **on_cells),  # type: ignore[arg-type]
            "heat": Field("energy", "kJ", "cell=2", extensive=True, **on_cells),  # type: ignore[arg-type]
            "label": Field("identity", dtype="str"),
        }
        corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        source = _geometry(corners, np.array([[0, 1, 2], [0, 2, 3]]))
        return testing.Example(
            {"target": str(Path(__file__).with_name("example.npz"))},
            fields={"field_in": fields},
            geometries={"source": source},
        )


def _geometry(points: Array, cells: Array) -> ms.Geometry:
    kinds = {3: "triangle", 4: "quad"}
    kind = kinds.get(cells.shape[1], "polygon")
    return ms.Geometry("unstructured", {"points": points, "cells": cells}, kind)


def _the_mesh(came: ms.Contact) -> ms.Geometry:
    """Return the one unstructured mesh of a message."""
    if len(came.meshes) != 1:
        found = ", ".join(sorted(came.meshes)) or "none"
        raise ms.Refused(
            f"remesh.field_in: fields on one mesh are expected, found {found}; their sender must"
            " declare the mesh its fields live on, one for each message"
        )
    ((name, shape),) = came.meshes.items()
    if shape.kind != "unstructured":
        raise ms.Refused(
            f"remesh.field_in: the mesh {name} is {shape.kind}, expected unstructured; regrid maps"
            " between rectilinear grids"
        )
    return shape


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the bridge."""
    return [Remesh]
