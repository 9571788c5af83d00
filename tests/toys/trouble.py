"""Models that fail in the ways real ones do."""

import sys
import time
from typing import Annotated, Literal

import numpy as np

import manyscale as ms
from manyscale import O_F, Clock, Field


class Trouble(ms.ScaleModel):
    """Exchanges a number every second of simulated time, until its fault shows."""

    shown = ms.O_I(x=Field("number"))
    seen = ms.S(x=Field("number"))
    last = O_F(x=Field("number"))

    fault: Annotated[
        Literal["none", "bug", "nan", "shape", "hang", "refuse", "value", "die", "exit"],
        "1",
        "what goes wrong",
    ] = "none"
    where: Annotated[Literal["f_init", "clock", "o_i", "s", "o_f"], "1", "in which operator"] = "s"
    at: Annotated[int, "1", "step at which it shows"] = 3

    class State(ms.State):
        step: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        self._go_wrong("f_init", self.at)
        return self.State(step=0)

    def clock(self, state: State) -> Clock:
        self._go_wrong("clock", state.step)
        return Clock.steps(state.step, 6, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        self._go_wrong("o_i", state.step)
        if state.step == self.at and self.fault == "nan":
            return {"shown": {"x": float("nan")}}
        if state.step == self.at and self.fault == "shape":
            return {"shown": {"x": np.ones(3)}}
        return {"shown": {"x": 1.0}}

    def s(self, state: State, received: ms.Received) -> State:
        self._go_wrong("s", state.step)
        return self.State(step=state.step + 1)

    def o_f(self, state: State) -> ms.Messages:
        self._go_wrong("o_f", self.at)
        return {"last": {"x": 1.0}}

    def _go_wrong(self, where: str, step: int) -> None:
        if where != self.where or step != self.at:
            return
        if self.fault == "bug":
            {}["missing key"]
        if self.fault == "hang":
            time.sleep(600.0)
        if self.fault == "refuse":
            raise ms.Refused("the pressure is negative; make the step smaller")
        if self.fault == "value":
            raise ValueError("the pressure is negative")
        if self.fault == "exit":
            sys.exit(3)
        if self.fault == "die":
            import os

            os._exit(9)
