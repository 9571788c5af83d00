"""A pair that exchanges numbers for a while; a lost or repeated message changes every later one."""

import gc
import socket
import time
from typing import Annotated, Literal

import numpy as np

import manyscale as ms
from manyscale import O_F, Array, Clock, Field


class Steady(ms.ScaleModel):
    """x <- 3.9 x (1 - x) mixed with the other's x, a step every second of simulated time."""

    told = ms.O_I(x=Field("number", "1", "i"))
    heard = ms.S(x=Field("number", "1", "i"))
    last = O_F(x=Field("number", "1", "i"))

    steps: Annotated[int, "1", "number of steps"] = 100
    pause: Annotated[float, "s", "wall time per step"] = 0.02
    start: Annotated[float, "1", "first x"] = 0.3
    ill: Annotated[Literal["no", "hang", "cut", "fill", "daemon"], "1", "what goes wrong"] = "no"
    at: Annotated[int, "1", "step at which it does"] = 20

    class State(ms.State):
        step: int
        x: Array  # (i) 1

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(step=0, x=np.linspace(self.start, 0.7, 5))

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, self.steps, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        return {"told": {"x": state.x}}

    def s(self, state: State, received: ms.Received) -> State:
        time.sleep(self.pause)
        if state.step == self.at:
            self._fall_ill()
        mixed = 0.9 * state.x + 0.1 * received.heard.x
        return self.State(step=state.step + 1, x=3.9 * mixed * (1.0 - mixed))

    def o_f(self, state: State) -> ms.Messages:
        return {"last": {"x": state.x}}

    def _fall_ill(self) -> None:
        if self.ill == "hang":
            time.sleep(600.0)
        if self.ill == "cut":
            for found in gc.get_objects():
                if isinstance(found, socket.socket) and found.family != socket.AF_UNIX:
                    _cut(found)  # a network can fail, memory and what rings its bell cannot
        if self.ill == "fill":
            with open("full", "wb") as file:
                file.write(bytes(2**26))
        if self.ill == "daemon":
            import subprocess

            subprocess.Popen(["sleep", "600"], start_new_session=True)


def _cut(found: socket.socket) -> None:
    try:
        found.getpeername()
        found.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # not connected
