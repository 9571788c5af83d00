"""The models of a measurement of messages: somebody who asks, and who answers, in every pattern."""

from __future__ import annotations

from typing import Annotated

import manyscale as ms
from manyscale import Clock, Field
from message_meter import PEERS, Arrays, Meter, turns_of

METER, ARRAYS = Meter(), Arrays()
ONE = {"x": Field("number", "1", "n")}


class Timed(ms.ScaleModel):
    """Sends arrays turn by turn as a plan says."""

    plan: Annotated[str, "1", "bytes and turns, 8x1000 8000x100"] = "8x1000"

    class State(ms.State):
        turn: int
        sizes: tuple[int, ...]

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(turn=0, sizes=tuple(turns_of(self.plan)))

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.turn, len(state.sizes), 1.0)

    def s(self, state: State, received: ms.Received) -> State:
        return self.State(turn=state.turn + 1, sizes=state.sizes)


def begun(state: Timed.State) -> dict:
    """Note that a turn begins; return its message."""
    array = ARRAYS.of(state.sizes[state.turn])
    METER.tick(state.sizes[state.turn])
    return {"x": array}


class Asker(Timed):
    """Asks one that is called for it, or one that steps along."""

    asked = ms.O_I(**ONE)
    answer = ms.S(**ONE)

    def o_i(self, state: Timed.State) -> ms.Messages:
        return {"asked": begun(state)}


class Peer(Timed):
    """Steps along and says something as long."""

    answer = ms.O_I(**ONE)
    asked = ms.S(**ONE)

    def o_i(self, state: Timed.State) -> ms.Messages:
        return {"answer": begun(state)}


class VectorAsker(Timed):
    """Asks as many as its port has slots."""

    asked = ms.O_I(**ONE, slots=True)
    answer = ms.S(**ONE, slots=True)

    def o_i(self, state: Timed.State) -> ms.Messages:
        return {"asked": [begun(state)] * PEERS}


class Crier(Timed):
    """Says the same to many, who answer with one number each."""

    asked = ms.O_I(**ONE)
    for _peer in range(PEERS):
        locals()[f"answer{_peer}"] = ms.S(**ONE)

    def o_i(self, state: Timed.State) -> ms.Messages:
        return {"asked": begun(state)}


class Echo(ms.ScaleModel):
    """Returns what it is given."""

    asked = ms.F_INIT(**ONE)
    answer = ms.O_F(**ONE)

    class State(ms.State):
        time: float
        x: ms.Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        METER.tick(received.asked.x.nbytes)
        return self.State(time=start.time, x=received.asked.x)

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        return {"answer": {"x": state.x}}


class Nod(Echo):
    """Returns the first number of what it is given."""

    def o_f(self, state: Echo.State) -> ms.Messages:
        return {"answer": {"x": state.x[:1].copy()}}
