"""A macro with several micros, a once-only input through `repeat`, and units in transit."""

from typing import Annotated, ClassVar

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt


class Bulk(ms.ScaleModel):
    """Lattice crossed by cores; every step each core relaxes its own profile."""

    cores = ms.O_I(slots=True, c=Field("concentration", "mol/m3", "x=cells"))
    relaxed = ms.S(
        slots=True,
        c=Field("concentration", "mol/m3", "x=cells"),
        mid=Field("concentration", "mol/m3"),
    )
    final = ms.O_F(c=Field("concentration", "mol/m3", "core x"))

    steps: Annotated[int, "1", "number of macro steps", Ge(1)] = 4
    dt: Annotated[float, "s", "macro step", Gt(0)] = 1e-2
    cells: Annotated[int, "1", "points along a core", Ge(3)] = 11

    class State(ms.State):
        step: int
        c: Array  # (core, x) mol/m3

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        x = np.linspace(0.0, 1.0, self.cells)
        return self.State(
            step=0, c=(1.0 + np.arange(start.slots["cores"]))[:, None] * np.sin(np.pi * x)
        )

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, self.steps, self.dt)

    def o_i(self, state: State) -> ms.Messages:
        return {"cores": [{"c": profile} for profile in state.c]}

    def s(self, state: State, received: ms.Received) -> State:
        return self.State(step=state.step + 1, c=np.stack([core.c for core in received.relaxed]))

    def o_f(self, state: State) -> ms.Messages:
        return {"final": {"c": state.c}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(self.dt, self.steps * self.dt))


class Core(ms.ScaleModel):
    """dc/dt = D d2c/dx2 for one macro step, ends held; explicit, second order in dx."""

    initial = ms.F_INIT(c=Field("concentration", "mol/m3", "x"))
    geometry = ms.F_INIT(optional=True, length=Field("length", "m"))
    final = ms.O_F(c=Field("concentration", "mol/m3", "x"), mid=Field("concentration", "mol/m3"))

    diffusivity: Annotated[float, "m2/s", "diffusivity along the core", Gt(0)] = 1e-12
    duration: Annotated[float, "s", "time simulated per call", Gt(0)] = 1e-2

    class State(ms.State):
        time: float
        c: Array  # (x,) mol/m3

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        length = 1e-6 if received.geometry is None else received.geometry.length
        c = np.array(received.initial.c)
        fourier = self.diffusivity * self.duration * (c.size - 1) ** 2 / length**2 / 20
        for _ in range(20):
            c[1:-1] += fourier * (c[2:] - 2.0 * c[1:-1] + c[:-2])
        return self.State(time=start.time + self.duration, c=c)

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        return {"final": {"c": state.c, "mid": state.c[state.c.size // 2]}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(self.duration / 20, self.duration))


class Ruler(ms.ScaleModel):
    """Sends a length in millimetres, once."""

    out = ms.O_F(slots=True, length=Field("length", "mm"))
    millimetres: Annotated[float, "mm", "the length", Gt(0)] = 1e-3

    class State(ms.State):
        slots: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(slots=start.slots["out"])

    def clock(self, state: State) -> Clock:
        return Clock(0.0)

    def o_f(self, state: State) -> ms.Messages:
        return {"out": [{"length": self.millimetres}] * state.slots}

    def scales(self) -> ms.Scales:
        return ms.Scales(length=ms.Scale(1e-6, 1e-3))


class Counter(ms.ScaleModel):
    """Keeps state between passes: counts its calls."""

    asked = ms.F_INIT(x=Field("number"))
    answer = ms.O_F(calls=Field("count", dtype="int64"), total=Field("number"))
    keeps_state: ClassVar[bool] = True

    class State(ms.State):
        time: float
        calls: int
        total: float

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        before = start.kept or self.State(time=0.0, calls=0, total=0.0)
        return self.State(
            time=start.time, calls=before.calls + 1, total=before.total + received.asked.x
        )

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        return {"answer": {"calls": state.calls, "total": state.total}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(0.0, 1.0))


class Body(ms.ScaleModel):
    """dT/dt = -h (T - T_other): one of two bodies that exchange heat each step (interact)."""

    temperature = ms.O_I(T=Field("temperature", "K"))
    other = ms.S(T=Field("temperature", "K"))
    final = ms.O_F(T=Field("temperature", "K"))

    start_temperature: Annotated[float, "K", "at t = 0", Gt(0)] = 300.0
    h: Annotated[float, "1/s", "exchange rate", Ge(0)] = 0.3
    dt: Annotated[float, "s", "exchange interval", Gt(0)] = 0.1
    steps: Annotated[int, "1", "number of exchanges", Ge(1)] = 10
    noise: Annotated[float, "K", "size of the random kick per step", Ge(0)] = 0.0

    class State(ms.State):
        step: int
        T: float  # K
        seed: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(step=0, T=self.start_temperature, seed=start.seed)

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, self.steps, self.dt)

    def o_i(self, state: State) -> ms.Messages:
        return {"temperature": {"T": state.T}}

    def s(self, state: State, received: ms.Received) -> State:
        random = ms.random_numbers(state.seed, state.step)
        kick = self.noise * float(random.standard_normal())
        T = state.T - self.dt * self.h * (state.T - received.other.T) + kick
        return state.but(step=state.step + 1, T=T)

    def o_f(self, state: State) -> ms.Messages:
        return {"final": {"T": state.T}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(self.dt, self.steps * self.dt))


class CelsiusBody(Body):
    """The same body for a neighbour who speaks degC and a clock of its own."""

    temperature = ms.O_I(T=Field("temperature", "degC"))
    other = ms.S(T=Field("temperature", "degC"))
    final = ms.O_F(T=Field("temperature", "degC"))
