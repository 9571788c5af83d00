"""One that calls many once, hosted and on bare libmuscle: nothing but start and end."""

from __future__ import annotations

import sys
from pathlib import Path

import manyscale as ms
from manyscale import Clock, Field


class Caller(ms.ScaleModel):
    """Sends a number to all and hears all."""

    asked = ms.O_I(slots=True, x=Field("number"))
    answer = ms.S(slots=True, x=Field("number"))

    class State(ms.State):
        turn: int
        slots: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(turn=0, slots=start.slots["asked"])

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.turn, 1, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        return {"asked": [{"x": 1.0}] * state.slots}

    def s(self, state: State, received: ms.Received) -> State:
        return state.but(turn=state.turn + 1)

    def o_f(self, state: State) -> ms.Messages:
        return {}


class Called(ms.ScaleModel):
    """Returns what it is given."""

    asked = ms.F_INIT(x=Field("number"))
    answer = ms.O_F(x=Field("number"))

    class State(ms.State):
        time: float
        x: float

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(time=start.time, x=received.asked.x)

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        return {"answer": {"x": state.x}}


def bare_program(role: str) -> tuple[Path, list[str]]:
    """Return executable and arguments of a bare role, which imports only what it needs."""
    return Path(sys.executable), [str(Path(__file__).with_name("bare_crowd.py")), role]
