"""A small coupling whose answer depends on settings that are not known, and what can go wrong."""

import os
import signal
import time
from pathlib import Path
from typing import Annotated

import numpy as np

import manyscale as ms
from manyscale import Clock, Field, Ge, Gt, Le


class Source(ms.ScaleModel):
    """Gives x, in cm of its own."""

    x_out = ms.O_F(x=Field("length", "m"))
    x: Annotated[float, "m", "what is given", Gt(0)] = 1.0

    class State(ms.State):
        """What is given."""

        x: float

    def f_init(self, start, received):
        return self.State(x=self.x)

    def clock(self, state):
        return Clock(0.0)

    def o_f(self, state):
        return {"x_out": {"x": state.x}}

    def scales(self):
        return ms.Scales(time=ms.Scale(0.0, 0.0))


class Mixer(ms.ScaleModel):
    """y = x (1 + b) + c + noise e, with y**2; keeps a book of its runs, pauses, fails on demand."""

    x_in = ms.F_INIT(x=Field("length", "m"))
    found = ms.O_F(
        y=Field("length", "m"), squared=Field("area", "m2"), some=Field("length", "m", "k")
    )
    b: Annotated[float, "1", "a factor", Ge(-1), Le(10)] = 0.5
    c: Annotated[int, "1", "a term", Ge(0), Le(100)] = 0
    noise: Annotated[float, "m", "standard deviation of what is drawn", Ge(0)] = 0.0
    words: Annotated[str, "1", "of no use"] = "none"
    book: Annotated[str, "1", "file that gets a line per run"] = ""
    pause: Annotated[float, "s", "wall time of a run", Ge(0)] = 0.0
    dies_above: Annotated[float, "1", "b above which the process is killed"] = 99.0
    fails_above: Annotated[float, "1", "b above which it fails"] = 99.0
    overflows_above: Annotated[float, "1", "b above which y is too large"] = 99.0

    class State(ms.State):
        """What was mixed."""

        time: float
        y: float

    def f_init(self, start, received):
        if self.book:
            with Path(self.book).open("a") as file:
                file.write(f"{self.b!r}\n")
        time.sleep(self.pause)
        if self.b > self.dies_above:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.b > self.fails_above:
            raise ValueError(f"b = {self.b:g} does not mix")
        y = received.x_in.x * (1.0 + self.b) + self.c
        if self.noise:
            y += self.noise * ms.random_numbers(start.seed).standard_normal()
        return self.State(time=start.time, y=1e200 if self.b > self.overflows_above else y)

    def clock(self, state):
        return Clock(state.time)

    def o_f(self, state):
        y = min(state.y, 1e100)
        some = [y, 2.0 * y, 3.0 * y]
        return {"found": {"y": state.y, "squared": y * y, "some": np.array(some)}}

    def scales(self):
        return ms.Scales(time=ms.Scale(0.0, 0.0))


class Grid(ms.ScaleModel):
    """y = a (1 + 2**-level): a number that a finer level finds better."""

    found = ms.O_F(y=Field("number", "1"))
    a: Annotated[float, "1", "what is looked for"] = 1.0
    level: Annotated[int, "1", "how finely", Ge(0), Le(10)] = 0

    class State(ms.State):
        """What was found."""

        y: float

    def f_init(self, start, received):
        return self.State(y=self.a * (1.0 + 4.0**-self.level))

    def clock(self, state):
        return Clock(0.0)

    def o_f(self, state):
        return {"found": {"y": state.y}}

    def scales(self):
        return ms.Scales(time=ms.Scale(0.0, 0.0))


class Sources(ms.ScaleModel):
    """Gives x to each of several."""

    xs_out = ms.O_F(slots=True, x=Field("length", "m"))
    x: Annotated[float, "m", "what is given", Gt(0)] = 1.0

    class State(ms.State):
        """What is given, and to how many."""

        x: float
        many: int

    def f_init(self, start, received):
        return self.State(x=self.x, many=start.slots["xs_out"])

    def clock(self, state):
        return Clock(0.0)

    def o_f(self, state):
        return {"xs_out": [{"x": state.x}] * state.many}

    def scales(self):
        return ms.Scales(time=ms.Scale(0.0, 0.0))
