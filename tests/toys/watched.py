"""A population that grows, watched for the moment it reaches a level, and who hears of it."""

import math
from typing import Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Clock, Field, Ge, Gt

HOUR = 3600.0


class Watched(ms.ScaleModel):
    """Sends a known function of time with its rate at every step: a logistic or a sine."""

    state = ms.O_I(
        N=Field("number", "1", "x"),
        N_rate=Field("rate", "1/h", "x"),
        label=Field("identity", dtype="str"),
    )
    back = ms.S(optional=True, like="*")
    heard = ms.S(optional=True, launches=Field("count", dtype="int64"))

    shape: Annotated[Literal["logistic", "sine"], "1", "which function"] = "logistic"
    K: Annotated[float, "1", "carrying capacity", Gt(0)] = 1.0
    dt: Annotated[float, "s", "macro step", Gt(0)] = 360.0
    steps: Annotated[int, "1", "number of steps", Ge(1)] = 100
    pause: Annotated[float, "s", "of the wall clock per step", Ge(0)] = 0.0

    class State(ms.State):
        step: int

    def f_init(self, start, received):
        return self.State(step=0)

    def clock(self, state):
        return Clock.steps(state.step, self.steps, self.dt)

    def o_i(self, state):
        N, rate = at(self.shape, state.step * self.dt / HOUR, self.K)
        values = {"N": np.array([0.0, N]), "N_rate": np.array([0.0, rate]), "label": "cells"}
        return {"state": values}

    def s(self, state, received):
        import time

        time.sleep(self.pause)
        return self.State(step=state.step + 1)

    def scales(self):
        return ms.Scales(time=ms.Scale(self.dt, self.steps * self.dt))


class InMetres(Watched):
    """The same with a rate that is none."""

    state = ms.O_I(
        N=Field("number", "1", "x"),
        N_rate=Field("velocity", "m/s", "x"),
        label=Field("identity", dtype="str"),
    )


class Unfit(Watched):
    """A cell is no number, and no mask says so."""

    state = ms.O_I(N=Field("number", "1", "x", finite=False), N_rate=Field("rate", "1/h", "x"))

    def o_i(self, state):
        values = super().o_i(state)["state"]
        return {"state": {"N": np.array([math.nan, 0.0]), "N_rate": values["N_rate"]}}


class Masked(Watched):
    """The first cell is no number and masked."""

    state = ms.O_I(
        N=Field("number", "1", "x", finite=False),
        N_rate=Field("rate", "1/h", "x"),
        N_mask=Field("number", "1", "x", dtype="bool"),
    )

    def o_i(self, state):
        values = super().o_i(state)["state"]
        N = np.array([math.nan, values["N"][1]])
        mask = np.array([True, False])
        return {"state": {"N": N, "N_rate": values["N_rate"], "N_mask": mask}}


def at(shape, hours, K=1.0):
    """Value and rate per hour."""
    if shape == "sine":
        return math.sin(hours), math.cos(hours)
    N = K * 0.01 / (0.01 + (K - 0.01) * math.exp(-hours))
    return N, N * (1.0 - N / K)


class Division(ms.ScaleModel):
    """Launched by an event; answers at once where nothing fired."""

    event = ms.F_INIT(
        fired=Field("number", "1", dtype="bool"),
        t_event=Field("time", "s"),
        t_events=Field("time", "s", "event"),
    )
    launched = ms.O_F(launches=Field("count", dtype="int64"))
    keeps_state: ClassVar[bool] = True

    class State(ms.State):
        time: float
        times: ms.Array

    def f_init(self, start, received):
        before = np.empty(0) if start.kept is None else start.kept.times
        return self.State(time=start.time, times=np.append(before, received.event.t_events))

    def clock(self, state):
        return Clock(state.time)

    def o_f(self, state):
        return {"launched": {"launches": len(state.times)}}

    def scales(self):
        return ms.Scales(time=ms.Scale(0.0, 0.0))


class Crossing(ms.ScaleModel):
    """Keeps the state at the last crossing."""

    came = ms.F_INIT(
        N=Field("number", "1", "x"),
        N_rate=Field("rate", "1/h", "x"),
        label=Field("identity", dtype="str"),
    )
    out = ms.O_F(N=Field("number", "1", "x"), N_rate=Field("rate", "1/h", "x"))

    class State(ms.State):
        time: float
        N: ms.Array
        rate: ms.Array

    def f_init(self, start, received):
        return self.State(time=start.time, N=received.came.N, rate=received.came.N_rate)

    def clock(self, state):
        return Clock(state.time)

    def o_f(self, state):
        return {"out": {"N": state.N, "N_rate": state.rate}}

    def scales(self):
        return ms.Scales(time=ms.Scale(0.0, 0.0))
