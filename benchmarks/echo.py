"""A macro that asks and a micro that echoes, hosted by manyscale and on bare libmuscle.

Both do the same with the data, and time their round trips the same way.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge

TIMES = "round_trips.npy"
_STAMPS: list[float] = []


class Asker(ms.ScaleModel):
    """Sends an array every turn and takes it back."""

    asked = ms.O_I(x=Field("number", "1", "n"))
    answer = ms.S(x=Field("number", "1", "n"))

    length: Annotated[int, "1", "numbers per message", Ge(1)] = 1
    turns: Annotated[int, "1", "round trips", Ge(1)] = 1000

    class State(ms.State):
        turn: int
        x: Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(turn=0, x=np.ones(self.length))

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.turn, self.turns, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        _STAMPS.append(time.perf_counter())
        return {"asked": {"x": state.x}}

    def s(self, state: State, received: ms.Received) -> State:
        return self.State(turn=state.turn + 1, x=received.answer.x)

    def o_f(self, state: State) -> ms.Messages:
        np.save(TIMES, np.diff(_STAMPS))
        return {}


class Echo(ms.ScaleModel):
    """Returns what it is given."""

    asked = ms.F_INIT(x=Field("number", "1", "n"))
    answer = ms.O_F(x=Field("number", "1", "n"))

    class State(ms.State):
        time: float
        x: Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(time=start.time, x=received.asked.x)

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        return {"answer": {"x": state.x}}


def bare_asker() -> None:
    """Do what Asker does, on libmuscle alone."""
    from libmuscle import Instance, Message
    from ymmsl.v0_2 import Operator

    instance = Instance({Operator.O_I: ["asked"], Operator.S: ["answer"]})
    while instance.reuse_instance():
        length, turns = instance.get_setting("length", "int"), instance.get_setting("turns", "int")
        x, stamps = np.ones(length), []
        for turn in range(turns):
            stamps.append(time.perf_counter())
            after = turn + 1.0 if turn + 1 < turns else None
            instance.send("asked", Message(float(turn), after, x))
            x = instance.receive("answer").data.array
        np.save(TIMES, np.diff(stamps))


def bare_echo() -> None:
    """Do what Echo does, on libmuscle alone."""
    from libmuscle import Instance, Message
    from ymmsl.v0_2 import Operator

    instance = Instance({Operator.F_INIT: ["asked"], Operator.O_F: ["answer"]})
    while instance.reuse_instance():
        message = instance.receive("asked")
        instance.send("answer", Message(message.timestamp, None, message.data.array))


def bare_program(role: str) -> tuple[Path, list[str]]:
    """Return executable and arguments of a bare role."""
    return Path(sys.executable), [str(Path(__file__).resolve()), role]


if __name__ == "__main__":
    {"bare_asker": bare_asker, "bare_echo": bare_echo}[sys.argv[1]]()
