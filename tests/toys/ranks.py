"""A rod in blocks on MPI ranks, and a furnace that heats it."""

import time
from typing import Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, block


class Rod(ms.ScaleModel):
    """dT/dt = D d2T/dx2 + q, explicit, ends insulated; each rank holds a block of cells."""

    begun = ms.F_INIT(
        T=Field("temperature", "K", "x=cells", held=block("x")),
        D=Field("diffusivity", "m2/s", held=ms.REPLICATED),
    )
    profile = ms.O_I(T=Field("temperature", "K", "x=cells", held=block("x")))
    heated = ms.S(
        q=Field("rate", "1/s", "x=cells", held=block("x", halo=1)),
        fault=Field("count", dtype="int64", held=ms.REPLICATED),
    )
    done = ms.O_F(
        T=Field("temperature", "K", "x=cells", held=block("x")),
        ranks=Field("count", dtype="int64"),
        hottest=Field("temperature", "K"),
    )

    cells: Annotated[int, "1", "cells", Ge(8)] = 30
    steps: Annotated[int, "1", "steps", Ge(1)] = 20
    trouble: Annotated[
        Literal["none", "raise", "nan", "shape", "exit", "hang"], "1", "what goes wrong"
    ] = "none"
    trouble_rank: Annotated[int, "1", "on which rank", Ge(0)] = 0

    capabilities: ClassVar[ms.Capabilities] = ms.Capabilities(parallel="mpi")

    class State(ms.State):
        step: int
        T: Array  # (own x,) K
        D: float  # m2/s

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(step=0, T=np.array(received.begun.T), D=received.begun.D)

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, self.steps, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        return {"profile": {"T": state.T}}

    def s(self, state: State, received: ms.Received) -> State:
        if received.heated.fault and self.ranks.rank == self.trouble_rank:
            self._go_wrong()
        T = self.ranks.exchanged(state.T)
        if self.ranks.rank == 0:
            T = np.concatenate([T[:1], T])
        if self.ranks.rank == self.ranks.size - 1:
            T = np.concatenate([T, T[-1:]])
        mine, wide = (self.ranks.block(self.cells, halo) for halo in (0, 1))
        q = received.heated.q[mine.start - wide.start : mine.stop - wide.start]
        new = T[1:-1] + state.D * (T[2:] - 2.0 * T[1:-1] + T[:-2]) + q
        return self.State(step=state.step + 1, T=new, D=state.D)

    def _go_wrong(self):
        import os

        if self.trouble == "raise":
            raise KeyError("the furnace door")
        if self.trouble == "exit":
            os._exit(3)
        if self.trouble == "hang":
            time.sleep(3600)

    def o_f(self, state: State) -> ms.Messages:
        hottest = self.ranks.gathered(state.T)
        found = {"T": state.T, "ranks": self.ranks.size}
        found["hottest"] = float(hottest.max()) if hottest is not None else 0.0
        return {"done": found}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(1.0, float(self.steps)))


class Furnace(ms.ScaleModel):
    """Owns the rod's temperature and heats the hottest cell's neighbours."""

    begin = ms.O_F(T=Field("temperature", "K", "x"), D=Field("diffusivity", "m2/s"))

    cells: Annotated[int, "1", "cells", Ge(8)] = 30

    class State(ms.State):
        pass

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State()

    def clock(self, state: State) -> Clock:
        return Clock(0.0)

    def o_f(self, state: State) -> ms.Messages:
        x = np.arange(self.cells)
        return {"begin": {"T": 300.0 + 40.0 * np.sin(0.37 * x), "D": 0.21}}

    def scales(self) -> ms.Scales:
        return ms.Scales()


class Heater(ms.ScaleModel):
    """Answers a profile with heating where it is cold; asks for a fault at a chosen time."""

    profile = ms.F_INIT(T=Field("temperature", "K", "x"))
    heat = ms.O_F(q=Field("rate", "1/s", "x"), fault=Field("count", dtype="int64"))

    fault_at: Annotated[float, "s", "when a fault is asked for"] = -1.0
    hang_at: Annotated[float, "s", "when it answers no more"] = -1.0

    class State(ms.State):
        time: float
        q: Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        T = received.profile.T
        if start.time == self.hang_at:
            time.sleep(3600)
        return self.State(time=start.time, q=1e-3 * (T.max() - T))

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        return {"heat": {"q": state.q, "fault": int(state.time == self.fault_at)}}

    def scales(self) -> ms.Scales:
        return ms.Scales()
