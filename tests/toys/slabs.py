"""Two slabs in contact, iterated to agreement within each window; hosts do the rewinding."""

from typing import Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt


class Slab(ms.ScaleModel):
    """rho c dT/dt = k d2T/dx2 on 0..1 m with rho c = 1, implicit Euler; one step per call.

    Gives the flux for a wall temperature, or the wall temperature for a flux.
    """

    wall = ms.F_INIT(x=Field("number"))
    answer = ms.O_F(x=Field("number"))
    keeps_state: ClassVar[bool] = True

    gives: Annotated[Literal["flux", "temperature"], "1", "what the slab answers"] = "flux"
    k: Annotated[float, "W/(m K)", "conductivity", Gt(0)] = 1.0
    dt: Annotated[float, "s", "length of a window", Gt(0)] = 0.1
    cells: Annotated[int, "1", "unknowns", Ge(2)] = 20
    far: Annotated[float, "K", "temperature of the far end"] = 0.0

    class State(ms.State):
        time: float
        T: Array  # (cell,) K
        answer: float
        calls: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        before = start.kept
        T = np.full(self.cells, self.far) if before is None else before.T
        T, answer = self._step(T, received.wall.x)
        calls = 1 if before is None else before.calls + 1
        return self.State(time=start.time + self.dt, T=T, answer=answer, calls=calls)

    def _step(self, T: Array, x: float) -> tuple[Array, float]:
        dx = 1.0 / self.cells
        r = self.k * self.dt / dx**2
        n = self.cells
        A = np.diag(np.full(n, 1.0 + 2.0 * r)) - r * (np.eye(n, k=1) + np.eye(n, k=-1))
        b = np.array(T)
        b[-1] += r * self.far
        if self.gives == "flux":
            b[0] += r * x
            T = np.linalg.solve(A, b)
            return T, float(-self.k * (T[0] - x) / dx)
        A[0, 0] = 1.0 + r
        b[0] += r * dx * x / self.k
        T = np.linalg.solve(A, b)
        return T, float(T[0] + dx * x / self.k)

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        sign = -1.0 if self.gives == "flux" else 1.0
        return {"answer": {"x": sign * state.answer}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(self.dt, self.dt), length=ms.Scale(1.0 / self.cells, 1.0))


class Aitken(ms.ScaleModel):
    """Finds x = G(x) in every window by dynamic relaxation; owns the iteration."""

    guess = ms.O_I(x=Field("number"))
    image = ms.S(x=Field("number"))
    result = ms.O_F(
        x=Field("number", "1", "window"), evaluations=Field("count", "1", "window", dtype="int64")
    )

    windows: Annotated[int, "1", "number of windows", Ge(1)] = 5
    dt: Annotated[float, "s", "length of a window", Gt(0)] = 0.1
    tolerance: Annotated[float, "1", "on |G(x) - x|", Gt(0)] = 1e-9
    omega: Annotated[float, "1", "first relaxation factor"] = 0.5

    class State(ms.State):
        window: int
        iteration: int
        x: float
        last_x: float
        last_r: float
        omega: float
        found: Array
        counts: Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(
            window=0, iteration=0, x=0.0, last_x=0.0, last_r=0.0, omega=self.omega,
            found=np.zeros(0), counts=np.zeros(0, np.int64),
        )  # fmt: skip

    def clock(self, state: State) -> Clock:
        now = state.window * self.dt
        if state.window == self.windows:
            return Clock(now)
        return Clock(now, now, now, window=state.window, iteration=state.iteration)

    def o_i(self, state: State) -> ms.Messages:
        return {"guess": {"x": state.x}}

    def s(self, state: State, received: ms.Received) -> State:
        r = received.image.x - state.x
        if abs(r) < self.tolerance:
            return state.but(
                window=state.window + 1,
                iteration=0,
                omega=self.omega,
                found=np.append(state.found, state.x),
                counts=np.append(state.counts, state.iteration + 1),
            )
        omega = state.omega
        if state.iteration > 0:
            omega = -(state.x - state.last_x) / (r - state.last_r)
        return state.but(
            iteration=state.iteration + 1, x=state.x + omega * r, last_x=state.x, last_r=r,
            omega=omega,
        )  # fmt: skip

    def o_f(self, state: State) -> ms.Messages:
        return {"result": {"x": state.found, "evaluations": state.counts}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(self.dt, self.windows * self.dt))
