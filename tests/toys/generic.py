"""A source, a generic component that doubles what comes, and a sink."""

from typing import Annotated

import numpy as np

import manyscale as ms
from manyscale import Array, Field


class Source(ms.ScaleModel):
    """Sends a total and a name."""

    out = ms.O_F(
        heat=Field("energy", "kJ", "x y", extensive=True),
        label=Field("identity", dtype="str"),
    )

    class State(ms.State):
        pass

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State()

    def clock(self, state: State) -> ms.Clock:
        return ms.Clock(0.0)

    def o_f(self, state: State) -> ms.Messages:
        return {"out": {"heat": np.arange(6.0).reshape(2, 3), "label": "slab"}}

    def scales(self) -> ms.Scales:
        return ms.Scales(length=ms.Scale(1e-3, 1.0))


class Twice(ms.ScaleModel):
    """Doubles every array, whatever it is."""

    field_in = ms.F_INIT(like="*")
    field_out = ms.O_F(like="field_in")

    wrong_name: Annotated[bool, "1", "whether it sends what never came"] = False

    class State(ms.State):
        heat: Array
        label: str
        extensive: str

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        came = received.field_in
        return self.State(
            heat=2.0 * came.heat, label=came.label, extensive=" ".join(sorted(came.extensive))
        )

    def clock(self, state: State) -> ms.Clock:
        return ms.Clock(0.0)

    def o_f(self, state: State) -> ms.Messages:
        heat = "haet" if self.wrong_name else "heat"
        return {"field_out": {heat: state.heat, "label": state.label}}

    def scales(self) -> ms.Scales:
        return ms.Scales()


class Sink(ms.ScaleModel):
    """Hears in joule."""

    came = ms.F_INIT(
        heat=Field("energy", "J", "x y", extensive=True),
        label=Field("identity", dtype="str"),
    )
    seen = ms.O_F(heat=Field("energy", "J", "x y"), label=Field("identity", dtype="str"))

    class State(ms.State):
        heat: Array
        label: str

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(heat=received.came.heat, label=received.came.label)

    def clock(self, state: State) -> ms.Clock:
        return ms.Clock(0.0)

    def o_f(self, state: State) -> ms.Messages:
        return {"seen": {"heat": state.heat, "label": state.label}}

    def scales(self) -> ms.Scales:
        return ms.Scales()


class ColdSink(Sink):
    """Hears something else under the same name."""

    came = ms.F_INIT(
        heat=Field("temperature", "K", "x y", extensive=True),
        label=Field("identity", dtype="str"),
    )
