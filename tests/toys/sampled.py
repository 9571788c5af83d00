"""Functions with known indices, as models that a sampler asks, and random paths on levels."""

from typing import Annotated, Literal

import numpy as np
from scipy.special import ndtri

import manyscale as ms
from manyscale import Array, Clock, Field, Ge
from manyscale.bridges.sampler.streams import seeds

G_OF = np.array([0.0, 1.0, 4.5, 9.0, 99.0, 99.0])


def ishigami(x, a=7.0, b=0.1):
    """sin x1 + a sin2 x2 + b x3**4 sin x1; x: (..., 3)."""
    return np.sin(x[..., 0]) * (1.0 + b * x[..., 2] ** 4) + a * np.sin(x[..., 1]) ** 2


def sobol_g(x):
    """prod (|4 x - 2| + a)/(1 + a); x: (..., 6)."""
    return np.prod((np.abs(4.0 * x - 2.0) + G_OF) / (1.0 + G_OF), axis=-1)


def call_payoff(seed, level, S=100.0, K=100.0, r=0.05, sigma=0.2, T=1.0):
    """Discounted payoff of a European call with 2**level Milstein steps; seed, level: (n,).

    The path of a seed is the same on every level: halves are found by a Brownian bridge.
    """
    found = np.empty(len(seed))
    for one in np.unique(level):
        chosen = level == one
        value = np.full(chosen.sum(), S)
        steps = _increments(seed[chosen], int(one)) * np.sqrt(T)
        dt = T / steps.shape[1]
        for dW in steps.T:
            value *= 1.0 + r * dt + sigma * dW + 0.5 * sigma**2 * (dW**2 - dt)
        found[chosen] = np.exp(-r * T) * np.maximum(value - K, 0.0)
    return found


def _increments(seed, level):
    """Increments (n, 2**level) of Brownian motion on [0, 1]."""
    dW = _normal(seed, 0, 0)[:, None]
    for k in range(1, level + 1):
        middle = np.stack([_normal(seed, k, j) for j in range(dW.shape[1])], axis=1)
        half = 0.5 * np.sqrt(1.0 / dW.shape[1]) * middle
        dW = np.stack([0.5 * dW + half, 0.5 * dW - half], axis=2).reshape(len(seed), -1)
    return dW


def _normal(seed, k, j):
    word = seeds(0, seed, np.full(len(seed), k), np.full(len(seed), j))
    return ndtri(((word >> 10) + 0.5) * 2.0**-53)


class Function(ms.ScaleModel):
    """y of all members at once, in falling order; members named `lost` answer NaN."""

    asked = ms.F_INIT(
        member=Field("identity", "1", "member", dtype="int64"),
        theta=Field("number", "1", "member parameter"),
        seed=Field("identity", "1", "member", dtype="int64"),
    )
    answer = ms.O_F(
        member=Field("identity", "1", "member", dtype="int64"),
        y=Field("number", "1", "member", finite=False),
    )
    which: Annotated[Literal["ishigami", "g"], "1", "the function"] = "ishigami"
    lost: Annotated[int, "1", "member that answers NaN", Ge(-1)] = -1
    missing: Annotated[int, "1", "member that does not answer", Ge(-1)] = -1
    pause: Annotated[float, "s", "wall time per call", Ge(0)] = 0.0

    class State(ms.State):
        """Members and their values."""

        time: float
        member: Array
        y: Array

    def f_init(self, start, received):
        import time

        time.sleep(self.pause)
        came = received.asked
        y = (ishigami if self.which == "ishigami" else sobol_g)(came.theta)
        y = np.where(came.member == self.lost, np.nan, y)
        kept = np.flatnonzero(came.member != self.missing)[::-1]
        return self.State(time=start.time, member=came.member[kept], y=y[kept])

    def clock(self, state):
        return Clock(state.time)

    def o_f(self, state):
        return {"answer": {"member": state.member, "y": state.y}}

    def scales(self):
        return ms.Scales(time=ms.Scale(0.0, 0.0))


class Call(ms.ScaleModel):
    """Payoffs of all members at once, each on its level."""

    asked = ms.F_INIT(
        member=Field("identity", "1", "member", dtype="int64"),
        theta=Field("number", "1", "member parameter"),
        seed=Field("identity", "1", "member", dtype="int64"),
        level=Field("identity", "1", "member", dtype="int64"),
    )
    answer = ms.O_F(
        member=Field("identity", "1", "member", dtype="int64"), y=Field("number", "1", "member")
    )

    class State(ms.State):
        """Members and their payoffs."""

        time: float
        member: Array
        y: Array

    def f_init(self, start, received):
        came = received.asked
        y = call_payoff(came.seed, came.level)
        return self.State(time=start.time, member=came.member, y=y)

    def clock(self, state):
        return Clock(state.time)

    def o_f(self, state):
        return {"answer": {"member": state.member, "y": state.y}}

    def scales(self):
        return ms.Scales(time=ms.Scale(0.0, 0.0))


class Single(ms.ScaleModel):
    """y = a b + c of settings that are laid over; `words` counts as a whole number."""

    found = ms.O_F(y=Field("number", "1"))
    a: Annotated[float, "m", "a factor"] = 1.0
    b: Annotated[float, "1", "another"] = 1.0
    c: Annotated[int, "1", "a term"] = 0

    class State(ms.State):
        """The value."""

        y: float

    def f_init(self, start, received):
        return self.State(y=self.a * self.b + self.c)

    def clock(self, state):
        return Clock(0.0)

    def o_f(self, state):
        return {"found": {"y": state.y}}

    def scales(self):
        return ms.Scales(time=ms.Scale(0.0, 0.0))


class Listener(ms.ScaleModel):
    """y = theta_1 theta_2 + theta_3, each member a component of its own."""

    asked = ms.F_INIT(
        theta=Field("number", "1", "parameter"),
        seed=Field("identity", "1", dtype="int64"),
        parameter_names=Field("identity", "1", dtype="str"),
        parameter_units=Field("identity", "1", dtype="str"),
    )
    found = ms.O_F(y=Field("number", "1", "qoi"))

    class State(ms.State):
        """The value."""

        time: float
        y: Array

    def f_init(self, start, received):
        a, b, c = received.asked.theta
        assert received.asked.parameter_names == "a;b;c"
        assert received.asked.parameter_units == "m;1;1"
        return self.State(time=start.time, y=np.array([a * b + c, a]))

    def clock(self, state):
        return Clock(state.time)

    def o_f(self, state):
        return {"found": {"y": state.y}}

    def scales(self):
        return ms.Scales(time=ms.Scale(0.0, 0.0))
