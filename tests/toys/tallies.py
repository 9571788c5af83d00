"""A model that begins with one message of one sender and one of each of several."""

import manyscale as ms
from manyscale import Clock, Field


class Tally(ms.ScaleModel):
    """total = weight * sum of the parts."""

    weight = ms.F_INIT(w=Field("number"))
    parts = ms.F_INIT(slots=True, x=Field("number"))
    total = ms.O_F(x=Field("number"))

    class State(ms.State):
        time: float
        x: float

    def f_init(self, start, received):
        every = sum(part.x for part in received.parts)
        return self.State(time=start.time, x=received.weight.w * every)

    def clock(self, state):
        return Clock(state.time)

    def scales(self):
        return ms.Scales(time=ms.Scale(0.0, 1.0))

    def o_f(self, state):
        return {"total": {"x": state.x}}

    @classmethod
    def example(cls):
        from manyscale import testing

        return testing.Example(messages={"weight": {"w": 0.5}, "parts": {"x": 3.0}}, slots=4)
