"""A source and a target with clocks of their own, and the two sides of a stiff test pair.

The pair: x' = -x + y, y' = -10 (y - cos(x + t)), x(0) = 1, y(0) = 0; Runge-Kutta 4 on both sides.
"""

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt


def runge_kutta(rate, t, u, h):
    a = rate(t, u)
    b = rate(t + h / 2, u + h / 2 * a)
    c = rate(t + h / 2, u + h / 2 * b)
    return u + h / 6 * (a + 2 * b + 2 * c + rate(t + h, u + h * c))


def rate_of_x(x, y):
    return -x + y


def rate_of_y(t, x, y):
    return -10.0 * (y - np.cos(x + t))


class Source(ms.ScaleModel):
    """Shows v(t) = sin(t) + cell at every step."""

    out = ms.O_I(v=Field("number", axes="cell", finite=False))

    steps: Annotated[int, "1", "number of samples", Ge(1)] = 20
    dt: Annotated[float, "s", "step", Gt(0)] = 0.1
    cells: Annotated[int, "1", "length of v", Ge(1)] = 3
    spoil: Annotated[Literal["none", "nan"], "1", "what is wrong with what it sends"] = "none"

    class State(ms.State):
        step: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(step=0)

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, self.steps, self.dt)

    def o_i(self, state: State) -> ms.Messages:
        t = state.step * self.dt
        v = np.sin(t) + np.arange(self.cells)
        if self.spoil == "nan":
            v[0] = np.nan
        return {"out": {"v": v}}

    def s(self, state: State, received: ms.Received) -> State:
        return self.State(step=state.step + 1)

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(self.dt, self.steps * self.dt))


class RatedSource(Source):
    """The same with its derivative, per millisecond."""

    out = ms.O_I(v=Field("number", axes="cell"), v_rate=Field("rate", "1/ms", "cell"))

    def o_i(self, state: ms.State) -> ms.Messages:
        t = state.step * self.dt
        rate = 1e-3 * np.cos(t) * np.ones(self.cells)
        return {"out": {"v": np.sin(t) + np.arange(self.cells), "v_rate": rate}}


class MaskedSource(Source):
    """The same with a cell that has no value."""

    out = ms.O_I(
        v=Field("number", axes="cell", finite=False),
        v_mask=Field("identity", axes="cell", dtype="bool"),
    )

    def o_i(self, state: ms.State) -> ms.Messages:
        v = np.sin(state.step * self.dt) + np.arange(self.cells)
        masked = np.arange(self.cells) == 1
        wrong = 0 if self.spoil == "nan" else 1
        v[wrong] = np.nan
        return {"out": {"v": v, "v_mask": masked}}


class NaNSource(Source):
    """The same with a value missing and no mask."""

    out = ms.O_I(v=Field("number", axes="cell", finite=False))

    def o_i(self, state: ms.State) -> ms.Messages:
        return {"out": {"v": np.array([0.0, np.nan])}}


class Waves(Source):
    """Shows v(t) on an axis that has the name of times, sample by sample."""

    out = ms.O_I(
        v=Field("number", axes="moment"), times=Field("time", "s", "moment", optional=True)
    )

    def o_i(self, state: ms.State) -> ms.Messages:
        return {"out": {"v": np.zeros(self.cells)}}


class Growing(Source):
    """Shows more and more cells."""

    def o_i(self, state: ms.State) -> ms.Messages:
        return {"out": {"v": np.zeros(1 + state.step)}}


class Restless(Source):
    """Does not know when its next step begins."""

    def clock(self, state: ms.State) -> Clock:
        now = state.step * self.dt
        return Clock(now, now, now) if state.step < self.steps else Clock(now)


class Bursts(Source):
    """Shows four sub-steps at once, with their times."""

    out = ms.O_I(v=Field("number", axes="moment"), times=Field("time", "ms", "moment"))

    def o_i(self, state: ms.State) -> ms.Messages:
        times = (state.step + np.arange(4) / 4) * self.dt
        return {"out": {"v": np.sin(times), "times": 1e3 * times}}


class Counter(Source):
    """Shows whole numbers, which have no value between."""

    out = ms.O_I(v=Field("count", axes="cell", dtype="int64"))

    def o_i(self, state: ms.State) -> ms.Messages:
        return {"out": {"v": np.arange(self.cells)}}


class Target(ms.ScaleModel):
    """Asks for v within each step and keeps what it gets, with its stamps."""

    asks = ms.O_I(times=Field("time", "s", "moment"))
    v = ms.S(v=Field("number", axes="cell", finite=False))
    got = ms.O_F(
        v=Field("number", axes="step cell"),
        stamps=Field("time", "s", "step"),
        at=Field("time", "s", "step"),
    )

    steps: Annotated[int, "1", "number of steps", Ge(1)] = 7
    dt: Annotated[float, "s", "step", Gt(0)] = 0.25
    where: Annotated[float, "1", "part of the step at which it wants data"] = 1.0
    repeats: Annotated[int, "1", "how many times it asks for at once", Ge(1)] = 1

    class State(ms.State):
        step: int
        v: Array
        stamps: Array
        at: Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(step=0, v=np.zeros((0, 0)), stamps=np.zeros(0), at=np.zeros(0))

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, self.steps, self.dt)

    def _at(self, state: State) -> Array:
        moments = np.arange(1, self.repeats + 1) / self.repeats
        return (state.step + self.where * moments) * self.dt

    def o_i(self, state: State) -> ms.Messages:
        return {"asks": {"times": self._at(state)}}

    def s(self, state: State, received: ms.Received) -> State:
        came = received.v.v.reshape(1, -1)
        v = came if state.step == 0 else np.concatenate([state.v, came])
        return self.State(
            step=state.step + 1,
            v=v,
            stamps=np.append(state.stamps, received.v.time),
            at=np.append(state.at, self._at(state)[-1]),
        )

    def o_f(self, state: State) -> ms.Messages:
        return {"got": {"v": state.v, "stamps": state.stamps, "at": state.at}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(self.dt, self.steps * self.dt))


class RatedTarget(Target):
    """Is told the derivative too."""

    v = ms.S(v=Field("number", axes="cell"), v_rate=Field("rate", "1/s", "cell"))


class MaskedTarget(Target):
    """Hears a mask too."""

    v = ms.S(
        v=Field("number", axes="cell", finite=False),
        v_mask=Field("identity", axes="cell", dtype="bool"),
    )


class BurstTarget(Target):
    """Wants several times at once."""

    v = ms.S(v=Field("number", axes="moment"), times=Field("time", "s", "moment", optional=True))


class Mole(Target):
    """Hears another dimension under the same name."""

    v = ms.S(v=Field("length", "m", axes="cell"))


class Deep(Target):
    """Hears an array of two axes."""

    v = ms.S(v=Field("number", axes="layer cell", finite=False))


class Tally(Target):
    """Hears whole numbers."""

    v = ms.S(v=Field("count", axes="cell", dtype="int64"))


class Slow(ms.ScaleModel):
    """x with the step H: asks for y at `where` of its step, tells x at its start."""

    x_out = ms.O_I(x=Field("number"))
    asks = ms.O_I(times=Field("time", "s", "moment"))
    y_in = ms.S(y=Field("number"))
    end = ms.O_F(x=Field("number"))

    H: Annotated[float, "s", "step", Gt(0)] = 0.2
    steps: Annotated[int, "1", "number of steps", Ge(1)] = 10
    where: Annotated[float, "1", "part of the step at which y is wanted"] = 0.0

    class State(ms.State):
        step: int
        x: float

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(step=0, x=1.0)

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, self.steps, self.H)

    def o_i(self, state: State) -> ms.Messages:
        at = np.array([(state.step + self.where) * self.H])
        return {"x_out": {"x": state.x}, "asks": {"times": at}}

    def s(self, state: State, received: ms.Received) -> State:
        y = received.y_in.y
        x = runge_kutta(lambda t, x: rate_of_x(x, y), state.step * self.H, state.x, self.H)
        return self.State(step=state.step + 1, x=float(x))

    def o_f(self, state: State) -> ms.Messages:
        return {"end": {"x": state.x}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(self.H, self.steps * self.H))


class Fast(ms.ScaleModel):
    """y with the step h = H/8: asks for x at the start of its step, tells y there."""

    y_out = ms.O_I(y=Field("number"))
    asks = ms.O_I(times=Field("time", "s", "moment"))
    x_in = ms.S(x=Field("number"))
    end = ms.O_F(y=Field("number"))

    h: Annotated[float, "s", "step", Gt(0)] = 0.025
    steps: Annotated[int, "1", "number of steps", Ge(1)] = 80

    class State(ms.State):
        step: int
        y: float

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(step=0, y=0.0)

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, self.steps, self.h)

    def o_i(self, state: State) -> ms.Messages:
        at = np.array([state.step * self.h])
        return {"y_out": {"y": state.y}, "asks": {"times": at}}

    def s(self, state: State, received: ms.Received) -> State:
        x = received.x_in.x
        y = runge_kutta(lambda t, y: rate_of_y(t, x, y), state.step * self.h, state.y, self.h)
        return self.State(step=state.step + 1, y=float(y))

    def o_f(self, state: State) -> ms.Messages:
        return {"end": {"y": state.y}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(self.h, self.steps * self.h))


class SlowSide(ms.ScaleModel):
    """x over a window in one step, along the trajectory of y."""

    y_in = ms.F_INIT(
        y=Field("number", axes="moment", optional=True),
        times=Field("time", "s", "moment", optional=True),
    )
    x_out = ms.O_F(x=Field("number", axes="moment"), times=Field("time", "s", "moment"))
    keeps_state: ClassVar[bool] = True

    class State(ms.State):
        times: Array
        x: Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        x = 1.0 if start.kept is None else float(start.kept.x[-1])
        came = received.y_in.fields
        if not came:
            return self.State(times=np.array([start.time]), x=np.array([x]))
        t = came["times"]

        def rate(s, u):
            return rate_of_x(u, np.interp(s, t, came["y"]))

        after = float(runge_kutta(rate, t[0], x, t[-1] - t[0]))
        return self.State(times=np.array([t[0], t[-1]]), x=np.array([x, after]))

    def clock(self, state: State) -> Clock:
        return Clock(float(state.times[-1]))

    def o_f(self, state: State) -> ms.Messages:
        return {"x_out": {"x": state.x, "times": state.times}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(0.0, 1.0))


class FastSide(ms.ScaleModel):
    """y over a window in eight steps, along the trajectory of x."""

    x_in = ms.F_INIT(x=Field("number", axes="moment"), times=Field("time", "s", "moment"))
    y_out = ms.O_F(y=Field("number", axes="moment"), times=Field("time", "s", "moment"))
    keeps_state: ClassVar[bool] = True

    shows: Annotated[Literal["ends", "all"], "1", "the samples it answers with"] = "ends"
    substeps: Annotated[int, "1", "steps in a window", Ge(1)] = 8
    short: Annotated[bool, "1", "whether it stops half way"] = False

    class State(ms.State):
        times: Array
        y: Array
        calls: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        y = [0.0 if start.kept is None else float(start.kept.y[-1])]
        calls = 1 if start.kept is None else start.kept.calls + 1
        t, x = received.x_in.times, received.x_in.x
        end = 0.5 * (t[0] + t[-1]) if self.short else t[-1]
        times = np.linspace(t[0], end, self.substeps + 1)

        def rate(s, u):
            return rate_of_y(s, np.interp(s, t, x), u)

        for a, b in pairwise(times):
            y.append(float(runge_kutta(rate, a, y[-1], b - a)))
        pick = slice(None, None, self.substeps if self.shows == "ends" else 1)
        return self.State(times=times[pick], y=np.array(y)[pick], calls=calls)

    def clock(self, state: State) -> Clock:
        return Clock(float(state.times[-1]))

    def o_f(self, state: State) -> ms.Messages:
        return {"y_out": {"y": state.y, "times": state.times}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(0.0, 1.0))
