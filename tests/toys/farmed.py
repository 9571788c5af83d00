"""Members of farms: with and without state, batched, random, failing; and macros that call them."""

import os
import signal
import time
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge


class Creep(ms.ScaleModel):
    """Relaxes a stress kept between calls: s <- (s + E de) exp(-dt/tau)."""

    strain_in = ms.F_INIT(increment=Field("strain", "1"))
    stress_out = ms.O_F(stress=Field("stress", "Pa"), calls=Field("count", dtype="int64"))

    modulus: Annotated[float, "Pa", "E", Ge(0)] = 1e9
    tau: Annotated[float, "s", "time of relaxation", Ge(1e-12)] = 2.0
    dt: Annotated[float, "s", "simulated per call", Ge(0)] = 1.0

    keeps_state: ClassVar[bool] = True

    class State(ms.State):
        time: float
        stress: float
        calls: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        before = start.kept
        stress = 0.0 if before is None else before.stress
        stress = (stress + self.modulus * received.strain_in.increment) * np.exp(
            -self.dt / self.tau
        )
        calls = 1 if before is None else before.calls + 1
        return self.State(time=start.time + self.dt, stress=float(stress), calls=calls)

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        return {"stress_out": {"stress": state.stress, "calls": state.calls}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(self.dt, self.dt))


class Creeps(Creep):
    """The same, many at once."""

    batched: ClassVar[bool] = True

    class State(ms.State):
        time: float
        stress: Array  # (member,)
        calls: Array  # (member,)

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        before = start.kept
        stress = 0.0 if before is None else before.stress
        stress = (stress + self.modulus * received.strain_in.increment) * np.exp(
            -self.dt / self.tau
        )
        calls = np.ones_like(start.seed) if before is None else before.calls + 1
        return self.State(time=start.time + self.dt, stress=stress, calls=calls)


class Dice(ms.ScaleModel):
    """Adds a random number to what it is given."""

    given = ms.F_INIT(mean=Field("number"))
    thrown = ms.O_F(value=Field("number"), profile=Field("number", "1", "x=points"))

    points: Annotated[int, "1", "length of the profile", Ge(1)] = 3

    class State(ms.State):
        time: float
        value: float
        profile: Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        rng = ms.random_numbers(start.seed)
        profile = received.given.mean + rng.standard_normal(self.points)
        return self.State(time=start.time, value=float(profile.sum()), profile=profile)

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        return {"thrown": {"value": state.value, "profile": state.profile}}

    def scales(self) -> ms.Scales:
        return ms.Scales(length=ms.Scale(0.0, 0.0))


@ms.pure(
    batched=True,
    scales=ms.Scales(length=ms.Scale(1e-6, 1.0)),
    flux=Field("heat_flux", "W/m2"),
)
def radiation(
    temperature: Annotated[float, Field("temperature", "K")],
    *,
    emissivity: Annotated[float, "1", "of the surface"] = 0.8,
):
    """Radiate q = e sigma T4."""
    return emissivity * 5.670374419e-8 * temperature**4


class Sheet(ms.ScaleModel):
    """A micro with one table for all and a place for each: linear interpolation in the table."""

    table_in = ms.F_INIT(at=Field("length", "m", "x"), value=Field("number", "1", "x"))
    place_in = ms.F_INIT(optional=True, x=Field("length", "m"))
    answer_out = ms.O_F(y=Field("number"))
    more_out = ms.O_F(twice=Field("number"), table=Field("number", "1", "x"))

    default: Annotated[float, "m", "x, unless place_in brings it"] = 0.5

    class State(ms.State):
        time: float
        y: float
        table: Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        table, place = received.table_in, received.place_in
        x = self.default if place is None else place.x
        return self.State(
            time=start.time, y=float(np.interp(x, table.at, table.value)), table=table.value
        )

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        return {
            "answer_out": {"y": state.y},
            "more_out": {"twice": 2.0 * state.y, "table": state.table},
        }

    def scales(self) -> ms.Scales:
        return ms.Scales(length=ms.Scale(0.0, 1.0))


class Fragile(ms.ScaleModel):
    """y = x**2, unless something is the matter with x."""

    given = ms.F_INIT(x=Field("number"))
    found = ms.O_F(y=Field("number"))

    trouble_at: Annotated[float, "1", "x at which something happens"] = 3.0
    trouble: Annotated[str, "1", "what happens there"] = ""
    folder: Annotated[str, "1", "where calls are noted"] = ""

    autonomous: ClassVar[bool] = True

    class State(ms.State):
        time: float
        y: float

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        x = received.given.x
        y = x * x
        if self.folder:
            calls = Path(self.folder, f"{x:g}")
            count = len(calls.read_text()) if calls.exists() else 0
            calls.write_text("." * (count + 1))
            first = count == 0
        if x == self.trouble_at:
            if self.trouble == "raise":
                raise ValueError(f"x = {x:g} is out of range")
            if self.trouble == "bug":
                raise KeyError("nothing")
            if self.trouble == "nan":
                y = float("nan")
            if self.trouble == "killed" or (self.trouble == "killed_once" and first):
                os.kill(os.getpid(), signal.SIGKILL)
            if self.trouble == "slow" and start.time > 0.0:
                time.sleep(0.3)
            if self.trouble == "stuck":
                time.sleep(60.0)
        return self.State(time=start.time, y=y)

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        return {"found": {"y": state.y}}

    def scales(self) -> ms.Scales:
        return ms.Scales(length=ms.Scale(0.0, 1.0))


@ms.pure(
    scales=ms.Scales(length=ms.Scale(0.0, 1.0)),
    y=Field("number"),
    count=Field("count", dtype="int64"),
)
def wave(x: Annotated[float, Field("number")], *, amplitude: Annotated[float, "1", "a"] = 1.0):
    """Return y = a sin 8x + x2."""
    return {"y": amplitude * float(np.sin(8.0 * x)) + x * x, "count": round(100 * x)}


class Strainer(ms.ScaleModel):
    """Strains many members step by step, in changing order, and adds up their stresses."""

    jobs_out = ms.O_I(
        member=Field("identity", "1", "member", dtype="int64"),
        increment=Field("strain", "1", "member"),
    )
    results_in = ms.S(
        member=Field("identity", "1", "member", dtype="int64"),
        stress=Field("stress", "Pa", "member"),
        calls=Field("count", "1", "member", dtype="int64"),
        provenance=Field("identity", "1", "member", dtype="int32"),
        err=Field("number", "1", "member"),
    )
    final = ms.O_F(total=Field("stress", "Pa", "member"))

    members: Annotated[int, "1", "number of members", Ge(1)] = 6
    steps: Annotated[int, "1", "steps of 1 s", Ge(1)] = 5
    pause: Annotated[float, "s", "wall time of a step", Ge(0)] = 0.0

    class State(ms.State):
        step: int
        total: Array  # (member,) Pa

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(step=0, total=np.zeros(self.members))

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, self.steps, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        ids = np.random.default_rng(state.step).permutation(self.members)
        ids = ids[: self.members - (state.step % 3 == 2)]
        increment = 1e-3 * np.sin(ids + state.step) + 1e-12 * state.total[ids]
        return {"jobs_out": {"member": ids, "increment": increment}}

    def s(self, state: State, received: ms.Received) -> State:
        time.sleep(self.pause)
        total, results = state.total.copy(), received.results_in
        total[results.member] += results.stress
        return self.State(step=state.step + 1, total=total)

    def o_f(self, state: State) -> ms.Messages:
        return {"final": {"total": state.total}}

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(1.0, float(self.steps)))


class Series(ms.ScaleModel):
    """The conductivity of lognormal pieces in series, or of one random constant for all."""

    sample_in = ms.F_INIT(pieces=Field("count", dtype="int64"))
    found_out = ms.O_F(K=Field("number"))

    spread: Annotated[float, "1", "s, standard deviation of ln k", Ge(0)] = 0.5
    one: Annotated[bool, "1", "one constant per sample"] = False

    class State(ms.State):
        time: float
        K: float

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        count = 1 if self.one else received.sample_in.pieces
        z = ms.random_numbers(start.seed).standard_normal(count)
        return self.State(time=start.time, K=float(1.0 / np.exp(-self.spread * z).mean()))

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        return {"found_out": {"K": state.K}}

    def scales(self) -> ms.Scales:
        return ms.Scales(length=ms.Scale(0.0, 1.0))


class Fan(ms.ScaleModel):
    """Strains as many components as there are, once per step."""

    strain_out = ms.O_I(slots=True, increment=Field("strain", "1"))
    stress_in = ms.S(slots=True, stress=Field("stress", "Pa"), calls=Field("count", dtype="int64"))

    steps: Annotated[int, "1", "steps of 1 s", Ge(1)] = 1

    class State(ms.State):
        step: int
        count: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(step=0, count=start.slots["strain_out"])

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, self.steps, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        return {"strain_out": [{"increment": 1e-3}] * state.count}

    def s(self, state: State, received: ms.Received) -> State:
        return state.but(step=state.step + 1)

    def scales(self) -> ms.Scales:
        return ms.Scales(time=ms.Scale(1.0, float(self.steps)))


class Table(ms.ScaleModel):
    """Sends a table once."""

    out = ms.O_F(at=Field("length", "m", "x"), value=Field("number", "1", "x"))

    class State(ms.State):
        pass

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State()

    def clock(self, state: State) -> Clock:
        return Clock(0.0)

    def o_f(self, state: State) -> ms.Messages:
        x = np.linspace(0.0, 1.0, 5)
        return {"out": {"at": x, "value": x**2}}

    def scales(self) -> ms.Scales:
        return ms.Scales(length=ms.Scale(0.0, 1.0))


class Place(Table):
    """Sends a place once."""

    out = ms.O_F(x=Field("length", "m"))

    def o_f(self, state: Table.State) -> ms.Messages:
        return {"out": {"x": 0.5}}


class Places(ms.ScaleModel):
    """Asks at two places, twice."""

    jobs_out = ms.O_I(
        member=Field("identity", "1", "member", dtype="int64"), x=Field("length", "m", "member")
    )
    results_in = ms.S(
        member=Field("identity", "1", "member", dtype="int64"),
        y=Field("number", "1", "member"),
        provenance=Field("identity", "1", "member", dtype="int32"),
        err=Field("number", "1", "member"),
    )

    class State(ms.State):
        step: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(step=0)

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, 2, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        return {"jobs_out": {"member": np.arange(2), "x": np.array([0.25, 0.5])}}

    def s(self, state: State, received: ms.Received) -> State:
        return self.State(step=state.step + 1)

    def scales(self) -> ms.Scales:
        return ms.Scales(length=ms.Scale(0.0, 1.0))
