"""A first guess and a solver for vectors: what the relaxation bridge is tried on."""

from typing import Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge


class Guess(ms.ScaleModel):
    """Sends zeros, a label, and a mask that hides the last number."""

    out = ms.O_F(
        x=Field("length", "m", "cell", finite=False),
        x_mask=Field("number", "1", "cell", dtype="bool"),
        label=Field("identity", dtype="str"),
    )

    cells: Annotated[int, "1", "numbers", Ge(2)] = 30
    fault: Annotated[Literal["", "nan", "masked_nan"], "1", "what is wrong"] = ""

    class State(ms.State):
        pass

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State()

    def clock(self, state: State) -> Clock:
        return Clock(0.0)

    def o_f(self, state: State) -> ms.Messages:
        x, mask = np.zeros(self.cells), np.zeros(self.cells, np.bool_)
        if self.fault:
            x[-1] = np.nan
        mask[-1] = self.fault == "masked_nan"
        return {"out": {"x": x, "x_mask": mask, "label": "slab"}}


class Linear(ms.ScaleModel):
    """A x + b of the window, A symmetric with a few strong directions; counts its calls."""

    wall = ms.F_INIT(
        x=Field("length", "m", "cell", finite=False),
        x_mask=Field("number", "1", "cell", dtype="bool"),
        label=Field("identity", dtype="str"),
    )
    answer = ms.O_F(x=Field("length", "mm", "cell", finite=False))
    keeps_state: ClassVar[bool] = True

    answers: Annotated[Literal["", "nan", "short"], "1", "what is wrong"] = ""

    class State(ms.State):
        time: float
        calls: int
        x: Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        x, calls = received.wall.x, 0 if start.kept is None else start.kept.calls
        seen = np.where(received.wall.x_mask, 0.0, x)
        return self.State(
            time=start.time + 1.0, calls=calls + 1, x=linear(seen, calls) + (x - seen)
        )

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        x = 1e3 * state.x
        if self.answers == "nan":
            x[1] = np.nan
        return {"answer": {"x": x[:-1] if self.answers == "short" else x}}


def linear(x: Array, window: int) -> Array:
    """Return A x + b of the window, the same A for one length of x."""
    random = np.random.default_rng(5)
    Q = np.linalg.qr(random.normal(size=(len(x), len(x))))[0]
    strong = np.concatenate((random.uniform(-3, 0.5, 2), random.uniform(-0.3, 0.3, len(x) - 2)))
    return (Q * strong) @ (Q.T @ x) + np.random.default_rng([7, window]).normal(size=len(x))


class Flux(ms.ScaleModel):
    """Sends the first guess of a flux."""

    wall_out = ms.O_F(q_wall=Field("heat_flux", "W/m2"))

    class State(ms.State):
        pass

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State()

    def clock(self, state: State) -> Clock:
        return Clock(0.0)

    def o_f(self, state: State) -> ms.Messages:
        return {"wall_out": {"q_wall": 10.0}}


class Celsius(ms.ScaleModel):
    """Gives a wall temperature in degC under a name of its own."""

    wall_in = ms.F_INIT(q_wall=Field("heat_flux", "W/m2"))
    wall_out = ms.O_F(surface=Field("temperature", "degC"))

    class State(ms.State):
        time: float

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(time=start.time)

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        return {"wall_out": {"surface": 20.0}}


class Kilogram(Celsius):
    """Answers something that is no temperature."""

    wall_out = ms.O_F(T_wall=Field("mass", "kg"))

    def o_f(self, state: Celsius.State) -> ms.Messages:
        return {"wall_out": {"T_wall": 20.0}}
