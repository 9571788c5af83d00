"""Workers that report what their items cost and hear where they belong."""

from typing import Annotated

import numpy as np

import manyscale as ms
from manyscale import Clock, Field, Ge


class Worker(ms.ScaleModel):
    """Holds a quarter of a sheet of cells; a hot spot travels over them."""

    loads = ms.O_I(
        ids=Field("identity", "1", "item", dtype="int64"),
        cost=Field("time", "ms", "item", finite=False),
        position=Field("length", "um", "item dimension"),
    )
    belongs = ms.S(
        ids=Field("identity", "1", "item", dtype="int64"),
        part=Field("identity", "1", "item", dtype="int32"),
    )
    leaves = ms.S(
        ids=Field("identity", "1", "item", dtype="int64"),
        from_part=Field("identity", "1", "item", dtype="int32"),
        to_part=Field("identity", "1", "item", dtype="int32"),
    )
    final = ms.O_F(part=Field("identity", "1", "turn item", dtype="int32"))

    rank: Annotated[int, "1", "which quarter", Ge(0)] = 0
    side: Annotated[int, "1", "cells along a side of the sheet", Ge(2)] = 20
    steps: Annotated[int, "1", "number of steps", Ge(1)] = 8
    bad: Annotated[
        float,
        "ms",
        "cost of the first item",
    ] = 1.0
    pause: Annotated[float, "s", "of the wall clock per step", Ge(0)] = 0.0

    class State(ms.State):
        step: int
        part: ms.Array
        left: int

    @property
    def ids(self):
        return np.arange(self.rank, self.side**2, 4)

    def f_init(self, start, received):
        return self.State(step=0, part=np.empty((0, len(self.ids)), np.int32), left=0)

    def clock(self, state):
        return Clock.steps(state.step, self.steps, 1.0)

    def o_i(self, state):
        places = np.stack(np.divmod(self.ids, self.side), axis=1).astype(float)
        centre = self.side * np.array([0.5, (state.step + 0.5) / self.steps])
        cost = 0.05 + 10 * np.exp(-((places - centre) ** 2).sum(axis=1) / self.side)
        cost[0] = self.bad if self.bad != 1.0 else cost[0]
        return {"loads": {"ids": self.ids, "cost": cost, "position": places}}

    def s(self, state, received):
        import time

        time.sleep(self.pause)
        assert np.array_equal(received.belongs.ids, self.ids)
        part = np.vstack([state.part, received.belongs.part])
        return self.State(
            step=state.step + 1, part=part, left=state.left + len(received.leaves.ids)
        )

    def o_f(self, state):
        return {"final": {"part": state.part}}

    def scales(self):
        return ms.Scales(length=ms.Scale(1e-6, 1e-4))


class InMetres(Worker):
    """The cost is a length."""

    loads = ms.O_I(
        ids=Field("identity", "1", "item", dtype="int64"),
        cost=Field("length", "m", "item"),
        position=Field("length", "um", "item dimension"),
    )


class Longer(Worker):
    """A cost too many."""

    loads = ms.O_I(
        ids=Field("identity", "1", "item", dtype="int64"),
        cost=Field("time", "ms", "other"),
        position=Field("length", "um", "item dimension"),
    )

    def o_i(self, state):
        loads = super().o_i(state)["loads"]
        return {"loads": {**loads, "cost": np.append(loads["cost"], 1.0)}}
