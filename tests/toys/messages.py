"""Models that exchange arrays of any size; a wrong bit anywhere changes every later number."""

import time
from typing import Annotated

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge

LARGE = 3000  # numbers, 24 kB


def mixed(x, other):
    """Return x mapped chaotically into [0, 1], with a tenth of another array in it."""
    both = 0.9 * x + 0.1 * other
    return 3.9 * both * (1.0 - both)


def _first(size, start):
    return np.linspace(start, 0.7, size)


class Pair(ms.ScaleModel):
    """One of two that tell each other an array each second; it keeps some of what it heard."""

    told = ms.O_I(x=Field("number", "1", "i"), n=Field("count", dtype="int64"))
    heard = ms.S(x=Field("number", "1", "i"), n=Field("count", dtype="int64"))
    last = ms.O_F(x=Field("number", "1", "i"), kept=Field("number", "1", "i"))

    size: Annotated[int, "1", "numbers in the array", Ge(1)] = LARGE
    steps: Annotated[int, "1", "number of steps", Ge(1)] = 8
    start: Annotated[float, "1", "first x"] = 0.3
    pause: Annotated[float, "s", "wall time per step"] = 0.0
    keeps: Annotated[int, "1", "received arrays that it keeps", Ge(0)] = 0

    class State(ms.State):
        step: int
        x: Array  # (i) 1

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        _kept.clear()
        return self.State(step=0, x=_first(self.size, self.start))

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, self.steps, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        return {"told": {"x": state.x, "n": state.step}}

    def s(self, state: State, received: ms.Received) -> State:
        time.sleep(self.pause)
        heard = received.heard
        if heard.n != state.step:
            raise ValueError(f"message {heard.n} arrived at step {state.step}")
        if self.keeps:
            _kept.append(heard.x)
            del _kept[: -self.keeps]
        return self.State(step=state.step + 1, x=mixed(state.x, heard.x))

    def o_f(self, state: State) -> ms.Messages:
        kept = sum(_kept, np.zeros(self.size))
        return {"last": {"x": state.x, "kept": kept}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(1.0, float(self.steps)))


_kept: list[Array] = []
"""Beside the state on purpose: arrays as they came, not copies."""


class Macro(ms.ScaleModel):
    """Asks as many micros as there are, each with an array of its own."""

    asks = ms.O_I(slots=True, x=Field("number", "1", "i"))
    answers = ms.S(slots=True, x=Field("number", "1", "i"))
    last = ms.O_F(x=Field("number", "1", "member i"))

    size: Annotated[int, "1", "numbers in the array", Ge(1)] = LARGE
    steps: Annotated[int, "1", "number of steps", Ge(1)] = 5
    pause: Annotated[float, "s", "wall time per step"] = 0.0

    class State(ms.State):
        step: int
        x: Array  # (slot, i) 1

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        starts = 0.1 + 0.05 * np.arange(start.slots["asks"])
        return self.State(step=0, x=np.stack([_first(self.size, one) for one in starts]))

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, self.steps, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        return {"asks": [{"x": row} for row in state.x]}

    def s(self, state: State, received: ms.Received) -> State:
        time.sleep(self.pause)
        return self.State(step=state.step + 1, x=np.stack([one.x for one in received.answers]))

    def o_f(self, state: State) -> ms.Messages:
        return {"last": {"x": state.x}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(1.0, float(self.steps)))


class Micro(ms.ScaleModel):
    """Answers an array with a mixed one; what else it is given comes in as well."""

    asked = ms.F_INIT(x=Field("number", "1", "i"))
    aside = ms.F_INIT(optional=True, x=Field("number", "1", "i"))
    answer = ms.O_F(x=Field("number", "1", "i"))

    strength: Annotated[float, "1", "of what comes in as well"] = 0.5

    class State(ms.State):
        time: float
        x: Array  # (i) 1

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        x, extra = received.asked.x, received.aside
        other = np.zeros(x.size) if extra is None else extra.x[: x.size]
        return self.State(time=start.time, x=mixed(x, self.strength * other))

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        return {"answer": {"x": state.x}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(0.0, 1.0))


class Listener(Micro):
    """Hears what one of a pair tells the other."""

    asked = ms.F_INIT(x=Field("number", "1", "i"), n=Field("count", dtype="int64"))


class Meso(ms.ScaleModel):
    """Between a macro and a micro: asks the micro a few times for every time it is asked."""

    asked = ms.F_INIT(x=Field("number", "1", "i"), n=Field("count", dtype="int64"))
    down = ms.O_I(x=Field("number", "1", "i"))
    up = ms.S(x=Field("number", "1", "i"))
    answer = ms.O_F(x=Field("number", "1", "i"), n=Field("count", dtype="int64"))

    class State(ms.State):
        start: float
        step: int
        n: int
        x: Array  # (i) 1

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        asked = received.asked
        return self.State(start=start.time, step=0, n=asked.n, x=asked.x)

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, 3, 0.1, state.start)

    def o_i(self, state: State) -> ms.Messages:
        return {"down": {"x": state.x}}

    def s(self, state: State, received: ms.Received) -> State:
        return state.but(step=state.step + 1, x=received.up.x)

    def o_f(self, state: State) -> ms.Messages:
        return {"answer": {"x": state.x, "n": state.n}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(0.1, 1.0))


class Once(ms.ScaleModel):
    """Sends an array once."""

    out = ms.O_F(slots=True, x=Field("number", "1", "i"))

    size: Annotated[int, "1", "numbers in the array", Ge(1)] = LARGE

    class State(ms.State):
        slots: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(slots=start.slots["out"])

    def clock(self, state: State) -> Clock:
        return Clock(0.0)

    def o_f(self, state: State) -> ms.Messages:
        return {"out": [{"x": np.cos(np.arange(self.size)) ** 2}] * state.slots}

    def scales(self) -> ms.Scales:
        return ms.Scales(length=ms.Scale(1e-3, 1.0))


class OnceForOne(Once):
    """The same for one receiver, or for several that hear the same."""

    out = ms.O_F(x=Field("number", "1", "i"))

    def f_init(self, start: ms.Start, received: ms.Received) -> Once.State:
        return self.State(slots=1)

    def o_f(self, state: Once.State) -> ms.Messages:
        return {"out": {"x": np.cos(np.arange(self.size)) ** 2}}


class Bare(ms.ScaleModel):
    """Asks with a bare array, as programs of other makes understand it."""

    asks = ms.O_I(plain=True, x=Field("number", "1", "i"))
    answers = ms.S(plain=True, x=Field("number", "1", "i"))
    last = ms.O_F(x=Field("number", "1", "i"))

    size: Annotated[int, "1", "numbers in the array", Ge(1)] = LARGE
    steps: Annotated[int, "1", "number of steps", Ge(1)] = 5
    pause: Annotated[float, "s", "wall time per step"] = 0.0

    class State(ms.State):
        step: int
        x: Array  # (i) 1

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(step=0, x=_first(self.size, 0.3))

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, self.steps, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        return {"asks": {"x": state.x}}

    def s(self, state: State, received: ms.Received) -> State:
        time.sleep(self.pause)
        return self.State(step=state.step + 1, x=mixed(state.x, received.answers.x))

    def o_f(self, state: State) -> ms.Messages:
        return {"last": {"x": state.x}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(1.0, float(self.steps)))


class BareMicro(Micro):
    """Answers bare arrays."""

    asked = ms.F_INIT(plain=True, x=Field("number", "1", "i"))
    answer = ms.O_F(plain=True, x=Field("number", "1", "i"))


class Sampler(ms.ScaleModel):
    """Asks members of an ensemble that differ in a setting, which it sends before the array."""

    parameters = ms.O_I(slots=True, overlay=True)
    asks = ms.O_I(slots=True, x=Field("number", "1", "i"))
    answers = ms.S(slots=True, x=Field("number", "1", "i"))
    last = ms.O_F(x=Field("number", "1", "member i"))

    turns: Annotated[int, "1", "number of turns", Ge(1)] = 3
    pause: Annotated[float, "s", "wall time per turn"] = 0.0

    class State(ms.State):
        turn: int
        x: Array  # (slot, i) 1

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(turn=0, x=np.stack([_first(LARGE, 0.2)] * start.slots["asks"]))

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.turn, self.turns, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        strengths = 0.1 + 0.2 * np.arange(len(state.x)) + 0.05 * (state.turn % 4)
        return {
            "parameters": [{"strength": float(one)} for one in strengths],
            "asks": [{"x": row} for row in state.x],
        }

    def s(self, state: State, received: ms.Received) -> State:
        time.sleep(self.pause)
        return self.State(turn=state.turn + 1, x=np.stack([one.x for one in received.answers]))

    def o_f(self, state: State) -> ms.Messages:
        return {"last": {"x": state.x}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(1.0, float(self.turns)))
