"""A component that owns its loop: it averages over as many calls as come."""

from typing import Annotated

import manyscale as ms
from manyscale import Field, Ge


class Average(ms.ScaleModel):
    """Counts its calls with libmuscle's own interface, which no regular model sees."""

    asked = ms.F_INIT(plain=True, x=Field("number"))
    answer = ms.O_F(plain=True, mean=Field("number"))
    offset: Annotated[float, "1", "added to the mean", Ge(0)] = 0.0

    @staticmethod
    def run(instance):
        from libmuscle import Message

        total, count = 0.0, 0
        while instance.reuse_instance():
            message = instance.receive("asked")
            total, count = total + message.data, count + 1
            mean = total / count + instance.get_setting("offset", "float", default=0.0)
            instance.send("answer", Message(message.timestamp, data=mean))


class Asker(ms.ScaleModel):
    """Asks with 1, 2, 3 and keeps the last answer."""

    question = ms.O_I(plain=True, x=Field("number"))
    answer = ms.S(plain=True, mean=Field("number"))
    heard = ms.O_F(mean=Field("number"))

    class State(ms.State):
        step: int
        mean: float

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(step=0, mean=0.0)

    def clock(self, state: State) -> ms.Clock:
        return ms.Clock.steps(state.step, 3, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        return {"question": {"x": state.step + 1.0}}

    def s(self, state: State, received: ms.Received) -> State:
        return self.State(step=state.step + 1, mean=received.answer.mean)

    def o_f(self, state: State) -> ms.Messages:
        return {"heard": {"mean": state.mean}}


class Threads(ms.ScaleModel):
    """Tells how many threads its libraries may use."""

    found = ms.O_F(
        openmp=Field("count", dtype="int64"),
        blas=Field("count", dtype="int64"),
        numba=Field("count", dtype="int64"),
    )

    class State(ms.State):
        pass

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State()

    def clock(self, state: State) -> ms.Clock:
        return ms.Clock(0.0)

    def o_f(self, state: State) -> ms.Messages:
        import os

        import numba
        from threadpoolctl import threadpool_info

        blas = [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]
        found = {"openmp": int(os.environ["OMP_NUM_THREADS"]), "blas": min(blas)}
        return {"found": {**found, "numba": numba.get_num_threads()}}


class Falls(ms.ScaleModel):
    """Owns its loop and fails in it."""

    asked = ms.F_INIT(plain=True, x=Field("number"))
    answer = ms.O_F(plain=True, mean=Field("number"))

    @staticmethod
    def run(instance):
        while instance.reuse_instance():
            instance.receive("asked")
            raise KeyError("the own loop")
