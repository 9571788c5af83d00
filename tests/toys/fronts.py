"""A steep front that travels, seen by a cheap model on a coarse grid."""

from typing import Annotated

import numpy as np

import manyscale as ms
from manyscale import Clock, Field, Ge, Gt


class Front(ms.ScaleModel):
    """c = tanh((x - v t)/d) on equal cells; hears which of them need the expensive model."""

    seen = ms.O_I(c=Field("concentration", "mmol/m3", "x"), x=Field("length", "um", "x"))
    which = ms.S(
        fidelity=Field("identity", "1", "x", dtype="int32"),
        tol=Field("number", "1", "x"),
        excess=Field("number", "1", "x"),
        changes=Field("count", "1", dtype="int64"),
        jump=Field("fraction", "1"),
    )
    final = ms.O_F(cells=Field("identity", "1", "turn x", dtype="int32"))

    cells: Annotated[int, "1", "number of cells", Ge(3)] = 100
    speed: Annotated[float, "um/s", "v", Ge(0)] = 1.0
    width: Annotated[float, "um", "d", Gt(0)] = 0.5
    noise: Annotated[float, "1", "size of the noise", Ge(0)] = 0.0
    steps: Annotated[int, "1", "number of steps", Ge(1)] = 10
    pause: Annotated[float, "s", "of the wall clock per step", Ge(0)] = 0.0

    class State(ms.State):
        step: int
        seed: int
        seen: ms.Array

    @property
    def x(self):
        return -5.0 + 10.0 * (np.arange(self.cells) + 0.5) / self.cells

    def f_init(self, start, received):
        return self.State(step=0, seed=start.seed, seen=np.empty((0, self.cells), np.int32))

    def clock(self, state):
        return Clock.steps(state.step, self.steps, 0.1)

    def o_i(self, state):
        ripple = ms.random_numbers(state.seed, state.step).uniform(-1, 1, self.cells)
        front = np.tanh((self.x - self.speed * 0.1 * state.step) / self.width)
        return {"seen": {"c": 1e3 * (front + self.noise * ripple), "x": self.x}}

    def s(self, state, received):
        import time

        time.sleep(self.pause)
        seen = np.vstack([state.seen, received.which.fidelity])
        return state.but(step=state.step + 1, seen=seen)

    def o_f(self, state):
        return {"final": {"cells": state.seen}}

    def scales(self):
        return ms.Scales(length=ms.Scale(1e-7, 1e-5))


class Fine(ms.ScaleModel):
    """Takes the state on the cells that are handed over."""

    came = ms.F_INIT(c=Field("concentration", "mol/m3", "cell"), x=Field("length", "m", "cell"))
    sums = ms.O_F(c=Field("number", "1"))

    class State(ms.State):
        time: float
        total: float
        cells: int

    def f_init(self, start, received):
        x = received.came.x
        edges = np.concatenate([[-5e-6], 0.5 * (x[1:] + x[:-1]), [5e-6]])
        total = float(received.came.c @ np.diff(edges))
        return self.State(time=start.time, total=total, cells=len(x))

    def clock(self, state):
        return Clock(state.time)

    def o_f(self, state):
        return {"sums": {"c": state.total}}

    def scales(self):
        return ms.Scales(length=ms.Scale(1e-8, 1e-5))


class InKelvin(Front):
    """The same front of something else."""

    seen = ms.O_I(c=Field("temperature", "K", "x"), x=Field("length", "um", "x"))


class OnOtherAxis(Front):
    """The places are as many as the edges."""

    seen = ms.O_I(c=Field("concentration", "mmol/m3", "cell"), x=Field("length", "um", "x"))

    def o_i(self, state):
        values = super().o_i(state)["seen"]
        return {"seen": {"c": values["c"], "x": np.append(values["x"], 5.0)}}


class Unfit(Front):
    """A cell is no number, and no mask says so."""

    seen = ms.O_I(
        c=Field("concentration", "mmol/m3", "x", finite=False), x=Field("length", "um", "x")
    )

    def o_i(self, state):
        values = super().o_i(state)["seen"]
        return {"seen": {"c": np.where(values["x"] > 4.9, np.nan, values["c"]), "x": values["x"]}}


class Masked(Unfit):
    """A cell is no number and masked."""

    seen = ms.O_I(
        c=Field("concentration", "mmol/m3", "x", finite=False),
        c_mask=Field("number", "1", "x", dtype="bool"),
        x=Field("length", "um", "x"),
    )

    def o_i(self, state):
        values = super().o_i(state)["seen"]
        return {"seen": {**values, "c_mask": np.isnan(values["c"])}}
