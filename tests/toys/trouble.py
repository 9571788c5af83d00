"""Models that fail in the ways real ones do."""

import time
from typing import Annotated, Literal

import manyscale as ms
from manyscale import Clock, Field


class Trouble(ms.ScaleModel):
    """Exchanges a number every second of simulated time, until its fault shows."""

    shown = ms.O_I(x=Field("number"))
    seen = ms.S(x=Field("number"))

    fault: Annotated[Literal["none", "bug", "nan", "hang", "refuse", "die"], "1", "fault"] = "none"
    at: Annotated[int, "1", "step at which it shows"] = 3

    class State(ms.State):
        step: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(step=0)

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, 6, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        bad = self.fault == "nan" and state.step == self.at
        return {"shown": {"x": float("nan") if bad else 1.0}}

    def s(self, state: State, received: ms.Received) -> State:
        if state.step == self.at:
            if self.fault == "bug":
                return {}["missing key"]
            if self.fault == "hang":
                time.sleep(600.0)
            if self.fault == "refuse":
                raise ms.Refused("the pressure is negative; make the step smaller")
            if self.fault == "die":
                import os

                os._exit(9)
        return self.State(step=state.step + 1)
