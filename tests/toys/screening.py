"""A campaign that offers candidates at every step, and a cheap and an exact judge."""

from typing import Annotated

import numpy as np

import manyscale as ms
from manyscale import Clock, Field, Ge

RHO = 0.8


class Campaign(ms.ScaleModel):
    """Draws candidates and remembers the best result so far."""

    offered = ms.O_I(
        ids=Field("identity", "1", "item", dtype="int64"),
        features=Field("number", "1", "item feature"),
    )
    ranking = ms.S(
        ids=Field("identity", "1", "item", dtype="int64"),
        cheap=Field("number", "1", "item", finite=False),
        expensive=Field("number", "1", "item", finite=False),
        stage=Field("identity", "1", "item", dtype="int32"),
        speed_up=Field("number", "1"),
        expected_recall=Field("fraction", "1", finite=False),
        rho=Field("number", "1", finite=False),
    )
    final = ms.O_F(best=Field("number", "1", "turn"))

    count: Annotated[int, "1", "candidates per step", Ge(1)] = 200
    steps: Annotated[int, "1", "number of steps", Ge(1)] = 3
    pause: Annotated[float, "s", "of the wall clock per step", Ge(0)] = 0.0

    class State(ms.State):
        step: int
        seed: int
        best: ms.Array

    def f_init(self, start, received):
        return self.State(step=0, seed=start.seed, best=np.empty(0))

    def clock(self, state):
        return Clock.steps(state.step, self.steps, 1.0)

    def o_i(self, state):
        drawn = ms.random_numbers(state.seed, state.step).normal(size=(self.count, 2))
        ids = np.arange(self.count)[::-1] + 1000 * state.step
        return {"offered": {"ids": ids.copy(), "features": drawn}}

    def s(self, state, received):
        import time

        time.sleep(self.pause)
        best = np.nanmax(received.ranking.expensive)
        return state.but(step=state.step + 1, best=np.append(state.best, best))

    def o_f(self, state):
        return {"final": {"best": state.best}}

    def scales(self):
        return ms.Scales(time=ms.Scale(1.0, 10.0))


class Cheap(ms.ScaleModel):
    """Scores by the first feature, which is correlated with the value."""

    asked = ms.F_INIT(
        ids=Field("identity", "1", "item", dtype="int64"),
        features=Field("number", "1", "item feature"),
    )
    answer = ms.O_F(
        ids=Field("identity", "1", "item", dtype="int64"),
        score=Field("number", "1", "item", finite=False),
    )
    lost: Annotated[int, "1", "candidate without a score; -1: none"] = -1

    class State(ms.State):
        time: float
        ids: ms.Array
        value: ms.Array

    def f_init(self, start, received):
        features = received.asked.features
        score = np.where(received.asked.ids == self.lost, np.nan, features[:, 0])
        return self.State(time=start.time, ids=received.asked.ids, value=score)

    def clock(self, state):
        return Clock(state.time)

    def o_f(self, state):
        return {"answer": {"ids": state.ids[::-1].copy(), "score": state.value[::-1].copy()}}

    def scales(self):
        return ms.Scales(time=ms.Scale(0.0, 0.0))


class Exact(Cheap):
    """Knows the true value."""

    asked = ms.F_INIT(
        ids=Field("identity", "1", "item", dtype="int64"),
        features=Field("number", "1", "item feature"),
        score=Field("number", "1", "item", finite=False),
    )
    answer = ms.O_F(
        ids=Field("identity", "1", "item", dtype="int64"),
        result=Field("number", "1", "item", finite=False),
    )

    def f_init(self, start, received):
        features = received.asked.features
        value = RHO * features[:, 0] + np.sqrt(1 - RHO**2) * features[:, 1]
        return self.State(time=start.time, ids=received.asked.ids, value=value)

    def o_f(self, state):
        return {"answer": {"ids": state.ids, "result": state.value}}


class InKelvin(Cheap):
    """Its score is a temperature."""

    answer = ms.O_F(
        ids=Field("identity", "1", "item", dtype="int64"),
        score=Field("temperature", "K", "item"),
    )


class OnOtherAxis(Cheap):
    """A score too few."""

    answer = ms.O_F(
        ids=Field("identity", "1", "item", dtype="int64"),
        score=Field("number", "1", "other"),
    )

    def o_f(self, state):
        return {"answer": {"ids": state.ids, "score": state.value[1:]}}
