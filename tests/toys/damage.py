"""A bar whose microstructure is damaged while it conducts: -d/dx(K du/dx) = 1 on 0 < x < 1.

The cell has k(y) = (1 - d) / (2 + 1.8 sin 2 pi y), whose effective value is (1 - d)/2. Damage
grows at the rate r0 (1 + 2 a |q|) of its own flux q = -K du/dx = x - 1/2, which no conductivity
changes: d = 1 - exp(-r t) with r(x) = r0 (1 + a |1 - 2x|), K = exp(-r t)/2. With a = 0 all cells
are alike and u = exp(r0 t) x (1 - x).
"""

from typing import Annotated, ClassVar

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt

STEP = {"t": Field("time", "s")}


def resistance(points):
    """1/k(y) without damage in the middles of the pieces of a cell."""
    y = (np.arange(points) + 0.5) / points
    return 2.0 + 1.8 * np.sin(2.0 * np.pi * y)


def effective(damage, points):
    """Effective conductivity of a damaged cell: its pieces stand in series."""
    k = (1.0 - damage) / resistance(points)
    # flux through a cell with a unit drop: solve for the drops of all pieces
    return 1.0 / np.mean(1.0 / k)


class Damaging(ms.ScaleModel):
    """A cell that keeps its damage between calls."""

    state_in = ms.F_INIT(gradient=Field("number"), dt=Field("time", "s"))
    cell_out = ms.O_F(K=Field("number"), damage=Field("fraction"))

    points: Annotated[int, "1", "pieces of a cell", Ge(2)] = 64
    rate: Annotated[float, "1/s", "r0", Ge(0)] = 1.0
    drive: Annotated[float, "1", "a, growth with the flux", Ge(0)] = 0.0

    keeps_state: ClassVar[bool] = True

    class State(ms.State):
        time: float
        damage: float
        K: float

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        kept, came = start.kept, received.state_in
        damage = 0.0 if kept is None else kept.damage
        K = effective(damage, self.points) if kept is None else kept.K
        rate = self.rate * (1.0 + 2.0 * self.drive * abs(K * came.gradient))
        damage = 1.0 - (1.0 - damage) * float(np.exp(-rate * came.dt))
        K = float(effective(damage, self.points))
        return self.State(time=start.time, damage=damage, K=K)

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        return {"cell_out": {"K": state.K, "damage": state.damage}}

    def scales(self) -> ms.Scales:
        return ms.Scales(length=ms.Scale(0.0, 0.0))


@ms.pure(scales=ms.Scales(length=ms.Scale(0.0, 0.0)), K=Field("number"))
def damaged(
    damage: Annotated[float, Field("fraction")],
    *,
    points: Annotated[int, "1", "pieces of a cell"] = 64,
):
    """Return the effective conductivity of a cell with a given damage."""
    return float(effective(damage, points))


def solution(K):
    """u (n + 1,) at the ends of n equal pieces with K (n,) each: exact there."""
    n = len(K)
    h = 1.0 / n
    x = np.linspace(0.0, 1.0, n + 1)
    # the flux is x - c; int (c - x)/K dx = 0 fixes c
    middle = 0.5 * (x[:-1] + x[1:])
    c = (middle / K).sum() / (1.0 / K).sum()
    return np.concatenate([[0.0], np.cumsum(h * (c - middle) / K)])


class Bar(ms.ScaleModel):
    """Solves for u at every step with the conductivities of its cells."""

    final = ms.O_F(u=Field("number", "1", "x"), K=Field("number", "1", "cell"))

    cells: Annotated[int, "1", "cells of the bar, one member each", Ge(1)] = 50
    steps: Annotated[int, "1", "steps", Ge(1)] = 10
    dt: Annotated[float, "s", "step", Gt(0)] = 0.1
    frozen: Annotated[bool, "1", "take the conductivity of the beginning for good"] = False

    class State(ms.State):
        step: int
        K: Array  # (cell,)
        first: Array  # (cell,)

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        K = np.full(self.cells, 0.5)
        return self.State(step=0, K=K, first=K)

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, self.steps, self.dt)

    def o_f(self, state: State) -> ms.Messages:
        K = state.first if self.frozen else state.K
        return {"final": {"u": solution(K), "K": K}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(self.dt, self.steps * self.dt))


class LivingBar(Bar):
    """The cells keep their damage."""

    jobs_out = ms.O_I(
        member=Field("identity", "1", "member", dtype="int64"),
        gradient=Field("number", "1", "member"),
        dt=Field("time", "s", "member"),
    )
    results_in = ms.S(
        member=Field("identity", "1", "member", dtype="int64"),
        K=Field("number", "1", "member"),
        damage=Field("fraction", "1", "member"),
        provenance=Field("identity", "1", "member", dtype="int32"),
        err=Field("number", "1", "member"),
    )

    def o_i(self, state: Bar.State) -> ms.Messages:
        gradient = np.diff(solution(state.K)) * self.cells
        jobs = {"member": np.arange(self.cells), "gradient": gradient}
        return {"jobs_out": {**jobs, "dt": np.full(self.cells, self.dt)}}

    def s(self, state: Bar.State, received: ms.Received) -> Bar.State:
        return state.but(step=state.step + 1, K=received.results_in.K)


class TellingBar(Bar):
    """The bar keeps the damage of its cells and tells them."""

    jobs_out = ms.O_I(
        member=Field("identity", "1", "member", dtype="int64"),
        damage=Field("fraction", "1", "member"),
    )
    results_in = ms.S(
        member=Field("identity", "1", "member", dtype="int64"),
        K=Field("number", "1", "member"),
        provenance=Field("identity", "1", "member", dtype="int32"),
        err=Field("number", "1", "member"),
    )

    rate: Annotated[float, "1/s", "r0", Ge(0)] = 1.0
    drive: Annotated[float, "1", "a, growth with the flux", Ge(0)] = 0.0

    def damage(self, step: int) -> Array:
        """Return the damage of all cells (cell,) at a step."""
        middle = (np.arange(self.cells) + 0.5) / self.cells
        rate = self.rate * (1.0 + self.drive * np.abs(1.0 - 2.0 * middle))
        return np.asarray(1.0 - np.exp(-rate * step * self.dt))

    def o_i(self, state: Bar.State) -> ms.Messages:
        damage = self.damage(state.step + 1)
        return {"jobs_out": {"member": np.arange(self.cells), "damage": damage}}

    def s(self, state: Bar.State, received: ms.Received) -> Bar.State:
        return state.but(step=state.step + 1, K=received.results_in.K)
