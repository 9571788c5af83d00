"""Triangulations of the unit square, and a plate whose fields live on one."""

from typing import Annotated, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Field

CELL = {"mesh": "plate", "location": "cell"}
SEEN = {"mesh": "other", "location": "cell"}


def random_triangles(inside, seed):
    """Return points and cells of a random triangulation of the unit square."""
    from scipy.spatial import Delaunay

    rng = np.random.default_rng(seed)
    ends = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    between = rng.random((4, 3)) * 0.9 + 0.05
    x, y, zero, one = *between[:2], np.zeros(3), np.ones(3)
    u, v = between[2:]
    sides = np.concatenate([np.c_[x, zero], np.c_[y, one], np.c_[zero, u], np.c_[one, v]])
    points = np.concatenate([ends, sides, rng.random((inside, 2))])
    cells = Delaunay(points).simplices.astype(np.int64)
    corners = points[cells]
    one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = abs(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])
    return points, cells[area > 1e-12]


class Plate(ms.ScaleModel):
    """Shows its temperature and heat on triangles and hears them on others."""

    plate = ms.Mesh("unstructured")
    other = ms.Mesh("unstructured")
    out = ms.O_I(
        T=Field("temperature", "degC", "cell", **CELL),
        heat=Field("energy", "kJ", "cell", extensive=True, **CELL),
        T_mask=Field("identity", "1", "cell", dtype="bool", optional=True, **CELL),
        label=Field("identity", dtype="str"),
    )
    back = ms.S(
        T=Field("temperature", "K", "piece", **SEEN),
        heat=Field("energy", "J", "piece", extensive=True, **SEEN),
        T_mask=Field("identity", "1", "piece", dtype="bool", optional=True, **SEEN),
        label=Field("identity", dtype="str"),
    )

    steps: Annotated[int, "1", "turns"] = 3
    wrong: Annotated[Literal["", "nan", "masked", "grid"], "1", "what is odd"] = ""

    class State(ms.State):
        step: int
        T: Array
        heard: float
        seen: Array
        seen_heat: Array
        seen_mask: Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        points, cells = random_triangles(40, 1)
        T = points[cells].mean(axis=1) @ np.array([30.0, 10.0])
        none = np.zeros(0)
        return self.State(step=0, T=T, heard=0.0, seen=none, seen_heat=none, seen_mask=none)

    def clock(self, state: State) -> ms.Clock:
        return ms.Clock.steps(state.step, self.steps, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        T = state.T.copy()
        mask = np.zeros(len(T), dtype=bool)
        mask[3] = True
        if self.wrong in ("nan", "masked"):
            T[3] = np.nan if self.wrong == "masked" else np.inf
        message = {"T": T, "heat": 2.0 * state.T, "label": "plate"}
        return {"out": message | ({"T_mask": mask} if self.wrong == "masked" else {})}

    def s(self, state: State, received: ms.Received) -> State:
        back = received.back
        return state.but(
            step=state.step + 1,
            T=state.T + 1e-3 * float(back.T.mean()),
            heard=state.heard + float(back.heat.sum()),
            seen=back.T,
            seen_heat=back.heat,
            seen_mask=back.fields.get("T_mask", np.zeros(0)),
        )

    def geometries(self, state: State) -> dict[str, ms.Geometry]:
        points, cells = random_triangles(40, 1)
        if self.wrong == "grid":
            return {"plate": ms.grid(x=np.linspace(0.0, 1.0, len(cells) + 1))}
        arrays = {"points": points, "cells": cells}
        return {"plate": ms.Geometry("unstructured", arrays, "triangle")}

    def scales(self) -> ms.Scales:
        return ms.Scales(length=ms.Scale(0.01, 1.0))


class Holed(Plate):
    """Lets fields pass that are not finite where a mask says so."""

    out = ms.O_I(
        T=Field("temperature", "degC", "cell", finite=False, **CELL),
        heat=Field("energy", "kJ", "cell", extensive=True, **CELL),
        T_mask=Field("identity", "1", "cell", dtype="bool", optional=True, **CELL),
        label=Field("identity", dtype="str"),
    )
    back = ms.S(
        T=Field("temperature", "K", "piece", finite=False, **SEEN),
        heat=Field("energy", "J", "piece", extensive=True, **SEEN),
        T_mask=Field("identity", "1", "piece", dtype="bool", optional=True, **SEEN),
        label=Field("identity", dtype="str"),
    )


class Pressed(Plate):
    """Hears a pressure under the name of the temperature."""

    back = ms.S(
        T=Field("pressure", "Pa", "piece", **SEEN),
        heat=Field("energy", "J", "piece", extensive=True, **SEEN),
        label=Field("identity", dtype="str"),
    )


class Square(Plate):
    """Hears its fields with two axes."""

    back = ms.S(
        T=Field("temperature", "K", "x y"),
        heat=Field("energy", "J", "x y", extensive=True),
        label=Field("identity", dtype="str"),
    )


class Gridded(Plate):
    """Hears its fields on a grid."""

    other = ms.Mesh("rectilinear", "x")


class Mean(Plate):
    """Hears the total as a mean."""

    back = ms.S(
        T=Field("temperature", "K", "piece", **SEEN),
        heat=Field("energy", "J", "piece", **SEEN),
        label=Field("identity", dtype="str"),
    )


class Meshless(Plate):
    """Says nothing of the mesh of its fields."""

    out = ms.O_I(
        T=Field("temperature", "degC", "cell"),
        heat=Field("energy", "kJ", "cell", extensive=True),
        label=Field("identity", dtype="str"),
    )
