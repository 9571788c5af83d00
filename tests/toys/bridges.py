"""Bridges that take whatever fields come."""

from typing import Annotated

import manyscale as ms
from manyscale import Clock, Ge


class Bridge(ms.ScaleModel):
    """Passes on what comes."""

    field_in = ms.F_INIT(like="*")
    field_out = ms.O_F(like="field_in")

    class State(ms.State):
        time: float
        values: dict[str, object]

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(time=start.time, values=dict(received.field_in.fields))

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        return {"field_out": state.values}


class Regrid(Bridge):
    """Puts fields along x on another number of cells."""

    field_out = ms.O_F(like="field_in", axes={"x": "x=cells"})
    cells: Annotated[int, "1", "cells along x", Ge(1)] = 16


class Turn(Bridge):
    """Gives the axis x the name z."""

    field_out = ms.O_F(like="field_in", axes={"x": "z"})


class Kelvin(Bridge):
    """Takes temperatures in any unit and gives them in kelvin."""

    field_out = ms.O_F(like="field_in", unit="K")


class Mirror(ms.ScaleModel):
    """Shows what it saw a step before."""

    temperature = ms.O_I(like="other")
    other = ms.S(like="*")

    class State(ms.State):
        step: int
