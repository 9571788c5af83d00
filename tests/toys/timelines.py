"""Models that go on several timelines, levels, or at the sender's pace; and a sampler."""

from typing import Annotated

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge


class Split(ms.ScaleModel):
    """Two timelines: every step calls the slow process once and the fast one twice (Strang)."""

    to_slow = ms.O_I(timeline="slow", c=Field("concentration", "mol/m3", "x"))
    from_slow = ms.S(
        timeline="slow",
        c=Field("concentration", "mol/m3", "x"),
        mid=Field("concentration", "mol/m3"),
    )
    to_fast = ms.O_I(timeline="fast", c=Field("concentration", "mol/m3", "x"))
    from_fast = ms.S(
        timeline="fast",
        c=Field("concentration", "mol/m3", "x"),
        mid=Field("concentration", "mol/m3"),
    )
    result = ms.O_F(c=Field("concentration", "mol/m3", "x"))

    steps: Annotated[int, "1", "number of steps", Ge(1)] = 3

    class State(ms.State):
        turn: int  # 0 fast, 1 slow, 2 fast; then the next step
        c: Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(turn=0, c=np.sin(np.pi * np.linspace(0, 1, 11)))

    def clock(self, state: State) -> Clock:
        step, turn = divmod(state.turn, 3)
        now, after = float(step), float(step + (turn == 2))
        if step == self.steps:
            return Clock(now)
        if turn == 1:
            return Clock(now, after, now + 1 if step + 1 < self.steps else None, "slow")
        following = now if turn == 0 else now + 1 if step + 1 < self.steps else None
        return Clock(now, after, following, "fast")

    def o_i(self, state: State) -> ms.Messages:
        return {"to_slow" if state.turn % 3 == 1 else "to_fast": {"c": state.c}}

    def s(self, state: State, received: ms.Received) -> State:
        answer = received.from_slow if state.turn % 3 == 1 else received.from_fast
        return self.State(turn=state.turn + 1, c=answer.c)

    def o_f(self, state: State) -> ms.Messages:
        return {"result": {"c": state.c}}


class Meso(ms.ScaleModel):
    """The middle of three levels: called by a macro, calls a micro several times."""

    initial = ms.F_INIT(c=Field("concentration", "mol/m3", "x"))
    down = ms.O_I(c=Field("concentration", "mol/m3", "x"))
    up = ms.S(c=Field("concentration", "mol/m3", "x"), mid=Field("concentration", "mol/m3"))
    final = ms.O_F(c=Field("concentration", "mol/m3", "x"), mid=Field("concentration", "mol/m3"))

    turns: Annotated[int, "1", "calls of the micro per pass", Ge(1)] = 3

    class State(ms.State):
        start: float
        step: int
        c: Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(start=start.time, step=0, c=received.initial.c)

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, self.turns, 0.1, state.start)

    def o_i(self, state: State) -> ms.Messages:
        return {"down": {"c": state.c}}

    def s(self, state: State, received: ms.Received) -> State:
        return state.but(step=state.step + 1, c=received.up.c)

    def o_f(self, state: State) -> ms.Messages:
        return {"final": {"c": state.c, "mid": state.c[5]}}


class Rule(ms.ScaleModel):
    """Sends one length, once."""

    out = ms.O_F(length=Field("length", "um"))

    class State(ms.State):
        pass

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State()

    def clock(self, state: State) -> Clock:
        return Clock(0.0)

    def o_f(self, state: State) -> ms.Messages:
        return {"out": {"length": 1.2}}


class Sink(ms.ScaleModel):
    """Listens on S only; the sender decides when it ends."""

    heard = ms.S(T=Field("temperature", "degC"))
    total = ms.O_F(T=Field("temperature_difference", "K"))

    class State(ms.State):
        time: float
        more: bool
        total: float

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(time=start.time, more=True, total=0.0)

    def clock(self, state: State) -> Clock:
        return Clock(state.time, state.time, state.time) if state.more else Clock(state.time)

    def s(self, state: State, received: ms.Received) -> State:
        heard = received.heard
        return self.State(
            time=heard.time, more=heard.next_time is not None, total=state.total + heard.T
        )

    def o_f(self, state: State) -> ms.Messages:
        return {"total": {"T": state.total}}


class Sampler(ms.ScaleModel):
    """Runs an ensemble of cores with other diffusivities each turn, through settings overlays."""

    parameters = ms.O_I(slots=True, overlay=True)
    profiles = ms.O_I(slots=True, c=Field("concentration", "mol/m3", "x"))
    answers = ms.S(
        slots=True, c=Field("concentration", "mol/m3", "x"), mid=Field("concentration", "mol/m3")
    )
    mids = ms.O_F(mid=Field("concentration", "mol/m3", "turn member"))

    class State(ms.State):
        turn: int
        mids: Array  # (turn, member) mol/m3

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(turn=0, mids=np.zeros((2, start.slots["parameters"])))

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.turn, 2, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        members = state.mids.shape[1]
        profile = np.sin(np.pi * np.linspace(0, 1, 11))
        diffusivities = 1e-12 * (1.0 + np.arange(members) + 10.0 * state.turn)
        return {
            "parameters": [{"diffusivity": float(d)} for d in diffusivities],
            "profiles": [{"c": profile}] * members,
        }

    def s(self, state: State, received: ms.Received) -> State:
        mids = np.array(state.mids)
        mids[state.turn] = [answer.mid for answer in received.answers]
        return self.State(turn=state.turn + 1, mids=mids)

    def o_f(self, state: State) -> ms.Messages:
        return {"mids": {"mid": state.mids}}
