"""A plate on a rectilinear grid that shows its fields and hears them on another grid."""

from typing import Annotated, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Field

SHAPE, SIDES = (12, 10), (0.6, 0.4)  # m
EDGES = [np.linspace(0.0, side, n + 1) for n, side in zip(SHAPE, SIDES, strict=True)]
MEETS = {"axes": "x y", "mesh": "seen", "location": "cell"}


def heard(**changes):
    """Fields a plate hears."""
    fields = {
        "T": Field("temperature", "K", "x y"),
        "heat": Field("energy", "J", "x y", extensive=True),
        "T_mask": Field("identity", "1", "x y", dtype="bool", optional=True),
        "x": Field("length", "m", "x"),
        "y": Field("length", "m", "y"),
        "label": Field("identity", dtype="str"),
    }
    return fields | changes


def shown(**changes):
    """Fields a plate shows."""
    fields = {
        "T": Field("temperature", "degC", "x y"),
        "heat": Field("energy", "kJ", "x y", extensive=True),
        "T_mask": Field("identity", "1", "x y", dtype="bool", optional=True),
        "x": Field("length", "mm", "x"),
        "y": Field("length", "mm", "y"),
        "label": Field("identity", dtype="str"),
    }
    return fields | changes


class Plate(ms.ScaleModel):
    """Shows temperature and heat on its cells and hears them on others."""

    out = ms.O_I(**shown())
    back = ms.S(**heard())

    steps: Annotated[int, "1", "turns"] = 3
    wrong: Annotated[Literal["", "nan", "masked", "uneven", "shape"], "1", "what is odd"] = ""

    class State(ms.State):
        step: int
        T: Array
        told: float
        seen: Array
        seen_heat: Array
        seen_x: Array
        seen_mask: Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        x, y = (0.5 * (e[1:] + e[:-1]) for e in EDGES)
        none = np.zeros(0)
        T = np.add.outer(30.0 * x, np.sin(9.0 * y))
        return self.State(
            step=0, T=T, told=0.0, seen=none, seen_heat=none, seen_x=none, seen_mask=none
        )

    def clock(self, state: State) -> ms.Clock:
        return ms.Clock.steps(state.step, self.steps, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        T, mask = state.T.copy(), np.zeros(SHAPE, dtype=bool)
        mask[3, 4] = True
        if self.wrong in ("nan", "masked"):
            T[3, 4] = np.nan
        x, y = (0.5e3 * (e[1:] + e[:-1]) for e in EDGES)
        if self.wrong == "uneven":
            x = x**2
        if self.wrong == "shape":
            x = np.linspace(0.0, 1.0, 7)
        message = {"T": T, "heat": 2.0 * state.T, "x": x, "y": y, "label": "plate"}
        message |= {"T_mask": mask} if self.wrong == "masked" else {}
        return {"out": {n: v for n, v in message.items() if n in self.ports["out"].fields}}

    def s(self, state: State, received: ms.Received) -> State:
        back = received.back
        return state.but(
            step=state.step + 1,
            T=state.T + 1e-3 * (float(back.T.mean()) - 273.15),
            told=float(back.heat.sum()),
            seen=back.T,
            seen_heat=back.heat,
            seen_x=self._x(back),
            seen_mask=back.fields.get("T_mask", np.zeros(0)),
        )

    def _x(self, back: ms.Contact) -> Array:
        return back.x

    def scales(self) -> ms.Scales:
        return ms.Scales(length=ms.Scale(0.04, 0.6))


class Holed(Plate):
    """Lets fields pass that are not finite where a mask says so."""

    out = ms.O_I(**shown(T=Field("temperature", "degC", "x y", finite=False)))
    back = ms.S(**heard(T=Field("temperature", "K", "x y", finite=False)))


class Loose(Plate):
    """Does not call the axes of its fields like its coordinates."""

    _uv = {
        "T": Field("temperature", "K", "u v"),
        "heat": Field("energy", "J", "u v", extensive=True),
        "T_mask": Field("identity", "1", "u v", dtype="bool", optional=True),
    }
    out = ms.O_I(**shown(**_uv))
    back = ms.S(**heard(**_uv))


class Timed(Plate):
    """Gives its coordinate in seconds."""

    out = ms.O_I(**shown(x=Field("time", "s", "x")))
    back = ms.S(**heard(x=Field("time", "s", "x")))


class Bare(Plate):
    """Shows no coordinates."""

    out = ms.O_I(**{n: f for n, f in shown().items() if n not in ("x", "y")})
    back = ms.S(**{n: f for n, f in heard().items() if n not in ("x", "y")})

    def _x(self, back: ms.Contact) -> Array:
        return np.zeros(0)


class Pressed(Plate):
    """Hears a pressure under the name of the temperature."""

    back = ms.S(**heard(T=Field("pressure", "Pa", "x y")))


class Cubed(Plate):
    """Hears its temperature with a third axis."""

    back = ms.S(**heard(T=Field("temperature", "K", "x y z")))


class Mean(Plate):
    """Hears the total as a mean."""

    back = ms.S(**heard(heat=Field("energy", "J", "x y")))


class Meshed(Plate):
    """Shows and hears its fields on declared meshes."""

    own = ms.Mesh("rectilinear", "x y")
    seen = ms.Mesh("rectilinear", "x y")
    out = ms.O_I(
        T=Field("temperature", "degC", "x y", mesh="own", location="cell"),
        heat=Field("energy", "kJ", "x y", extensive=True, mesh="own", location="cell"),
        label=Field("identity", dtype="str"),
    )
    back = ms.S(
        T=Field("temperature", "K", "x y", mesh="seen", location="cell"),
        heat=Field("energy", "J", "x y", extensive=True, mesh="seen", location="cell"),
        label=Field("identity", dtype="str"),
    )

    def geometries(self, state: Plate.State) -> dict[str, ms.Geometry]:
        grid = ms.grid(x=EDGES[0], y=EDGES[1])
        return {"own": grid, "seen": grid}

    def _x(self, back: ms.Contact) -> Array:
        return back.meshes["own"].arrays["edges_x"]


class Forces(ms.ScaleModel):
    """Sends forces and displacements at points."""

    out = ms.O_F(
        force=Field("force", "N", "point xyz=2", extensive=True),
        points=Field("length", "mm", "point xyz=2"),
    )

    class State(ms.State):
        pass

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State()

    def clock(self, state: State) -> ms.Clock:
        return ms.Clock(0.0)

    def o_f(self, state: State) -> ms.Messages:
        points = np.random.default_rng(2).random((30, 2)) * 1e3
        return {"out": {"force": 1e-3 * points, "points": points}}

    def scales(self) -> ms.Scales:
        return ms.Scales(length=ms.Scale(1e-3, 1.0))
