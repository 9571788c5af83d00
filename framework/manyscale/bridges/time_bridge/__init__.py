"""Time bridge: lets models with different clocks exchange data.

One way, it keeps the samples of a source and gives the target the value between them, or the
mean over its step, at the times it asks for. Two ways, it lets both sides repeat a window with
the other's latest trajectory until nothing changes any more (waveform relaxation).
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt

if TYPE_CHECKING:
    from manyscale import testing

TIMES = "times"


class TimeBridge(ms.ScaleModel):
    """Gives a target the values of a source at other times, exactly as often as it asks."""

    times_in = ms.S(timeline="asked", optional=True, times=Field("time", "s", "moment"))
    field_in = ms.S(timeline="source", like="*")
    back_out = ms.O_I(timeline="source", like="back_in", axes={"*": ""})
    field_out = ms.O_I(timeline="target", like="field_in", axes={"*": ""})
    back_in = ms.S(timeline="target", optional=True, like="*")

    mode: Annotated[
        Literal["hold", "linear", "hermite", "spline", "mean", "integral"],
        "1",
        "value between samples, or mean over the step",
    ] = "linear"
    extrapolate: Annotated[
        Literal["error", "hold"], "1", "what is done before the first and after the last sample"
    ] = "error"
    max_buffer: Annotated[int, "1", "most samples that are kept", Ge(2)] = 10000
    two_way: Annotated[bool, "1", "whether both sides repeat windows (waveform relaxation)"] = False
    sweeps: Annotated[int, "1", "two ways: most tries of a window", Ge(1)] = 6
    tol: Annotated[float, "1", "two ways: relative change that is small enough", Gt(0)] = 1e-10
    window: Annotated[float, "s", "two ways: length of a window", Gt(0)] = 1.0
    windows: Annotated[int, "1", "two ways: number of windows", Ge(1)] = 1
    t_start: Annotated[float, "s", "two ways: start of the first window"] = 0.0
    source_moments: Annotated[int, "1", "two ways: times at which the source gets data", Ge(2)] = 2
    target_moments: Annotated[int, "1", "two ways: times at which the target gets data", Ge(2)] = 2
    fast_frequency: Annotated[
        float, "rad/s", "impulse stepping: highest frequency of the target; 0: not checked", Ge(0)
    ] = 0.0
    slow_frequency: Annotated[
        float, "rad/s", "impulse stepping: what the source's force alone would give", Ge(0)
    ] = 0.0

    class Member(ms.State):
        """Samples that came with one message."""

        times: Array  # (sample,) s
        end: float  # s, the last one is valid until here
        rows: Array  # (sample, number)
        rates: Array | None  # (sample, number) 1/s

    class State(ms.State):
        """What was asked, and the samples that are kept for it."""

        phase: str  # asked, source, target (whose turn it is), draining (the source's), done
        now: float  # s, start of the target's step or of the window
        next: float | None  # s, start of the target's next step
        wanted: Array  # (moment,) s
        samples: Any  # number -> Member; two ways: 0 of the source, 1 of the target
        taken: int
        heard: float  # s, time of the newest message of the source
        over: bool  # the source has no more to say
        last: bool  # the target asks no more
        layout: str
        back_layout: str
        window: int
        iteration: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Begin with nothing known of either side."""
        return self.State(
            phase="source" if self.two_way else "asked",
            now=self.t_start if self.two_way else start.time,
            next=None, wanted=np.zeros(0), samples={}, taken=0, heard=-np.inf,
            over=False, last=False, layout="", back_layout="", window=1, iteration=0,
        )  # fmt: skip

    def clock(self, state: State) -> Clock:
        """Take turns: what is asked, the samples that it needs, the answer."""
        now, phase = state.now, state.phase
        if phase == "done":
            return Clock(now)
        if self.two_way:
            return Clock(now, now, now, phase, state.window, state.iteration)
        if phase == "target":
            return Clock(now, now, state.next, phase)
        if phase == "asked":
            return Clock(now, now, now, phase)
        at = max(now, state.heard)  # so that snapshots of the source find one of the bridge
        return Clock(at, at, at, "source")

    def o_i(self, state: State) -> ms.Messages:
        """Answer the target; two ways, also tell the source of the target."""
        if state.phase in ("source", "draining"):
            return {"back_out": self._for_source(state) if self.two_way else {}}
        if state.phase == "target":
            return {"field_out": self._for_target(state) if self.two_way else self._answer(state)}
        return {}

    def s(self, state: State, received: ms.Received) -> State:
        """Take what came: a question, samples, or a trajectory."""
        if self.two_way:
            return self._exchanged(state, received)
        if state.phase == "asked":
            return self._asked(state, received.times_in)
        if state.phase in ("source", "draining"):
            return self._sampled(state, received.field_in)
        if not state.last:
            return state.but(phase="asked")
        phase = "done" if state.over else "draining"
        return state.but(phase=phase, samples={}, heard=-np.inf)

    def scales(self) -> ms.Scales:
        """Return the windows; one way it follows its neighbours and has no scale of its own."""
        if self.two_way:
            return ms.Scales(time=ms.Scale(self.window, self.windows * self.window))
        return ms.Scales(time=ms.Scale(0.0, 0.0))

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a window of two ways between sides that answer the same each time."""
        from manyscale import testing

        def side(unit: str) -> dict[str, Field]:
            return {
                TIMES: Field("time", "s", "moment"),
                "x": Field("number", unit, "moment", extensive=False),
            }

        answer = {TIMES: np.array([0.0, 1.0]), "x": np.array([1.0, 2.0])}
        return testing.Example(
            {"two_way": True},
            {"field_in": answer, "back_in": answer},
            fields={"field_in": side("1"), "back_in": side("1")},
            unconnected=frozenset({"times_in"}),
        )

    # one way

    def _asked(self, state: State, question: ms.Contact | None) -> State:
        from manyscale.bridges.time_bridge import buffer

        if question is None:
            raise ms.Refused(
                "time_bridge.times_in is not connected: connect the O_I port of the target that"
                " says when it wants data, or set two_way"
            )
        now, following, wanted = question.time, question.next_time, question.times
        if following is not None and not following > now:
            raise ms.Refused(
                "time_bridge.times_in: the target does not say when its next step begins; a model"
                " with an open clock needs two_way"
            )
        slack = buffer.slack(now, following, wanted) if len(wanted) else 0.0
        if not len(wanted) or wanted[0] < now - slack or (np.diff(wanted) <= 0.0).any():
            raise ms.Refused(
                f"time_bridge.times_in: the times {buffer.listed(wanted)} s are not ascending from"
                f" the start of the step, {now:.6g} s"
            )
        if self.mode in buffer.MEANS and wanted[0] <= now + slack:
            raise ms.Refused(
                f"time_bridge.times_in asks for {now:.6g} s, the start of its step; a mean goes"
                " from there to the time that is asked for: ask for the end of the step"
            )
        samples = buffer.needed(self.mode, state.samples, (now, following), wanted)
        ready = state.over or buffer.enough(self.mode, samples, wanted, slack)
        return state.but(
            phase="target" if ready else "source", now=now, next=following,
            wanted=np.array(wanted), samples=samples, last=following is None,
        )  # fmt: skip

    def _sampled(self, state: State, came: ms.Contact) -> State:
        from manyscale.bridges.time_bridge import buffer

        over = came.next_time is None
        if came.next_time is not None and not came.next_time > came.time:
            raise ms.Refused(
                "time_bridge.field_in: the source does not say when its next step begins; a model"
                " with an open clock needs two_way"
            )
        if state.phase == "draining":
            phase = "done" if over else "draining"
            return state.but(over=over, heard=came.time, phase=phase)
        before = state.samples.get(state.taken - 1)
        layout, block = self._block(came, state.layout, came.next_time, before, "field_in")
        every = {**state.samples, state.taken: block}
        samples = buffer.needed(self.mode, every, (state.now, state.next), state.wanted)
        if len(samples) > self.max_buffer:
            raise ms.Refused(
                f"time_bridge keeps {len(samples)} samples up to t = {block.times[-1]:.6g} s and"
                f" max_buffer is {self.max_buffer}: the target wants data from {state.now:.6g} s to"
                f" {state.wanted[-1]:.6g} s; raise max_buffer or let it ask more often"
            )
        slack = buffer.slack(state.now, state.next, state.wanted)
        ready = over or buffer.enough(self.mode, samples, state.wanted, slack)
        return state.but(
            phase="target" if ready else "source", samples=samples, taken=state.taken + 1,
            heard=came.time, over=over, layout=layout,
        )  # fmt: skip

    def _block(
        self, came: ms.Contact, known: str, end: float | None, before: Any, port: str
    ) -> tuple[str, Member]:
        """Return the layout and the samples of a message; `before` is the one before."""
        from manyscale.bridges.time_bridge import buffer, rows

        fields = came.fields
        times = fields.get(TIMES)
        if times is not None:
            fields = {name: value for name, value in fields.items() if name != TIMES}
        try:
            factors = _per_second(came) if self.mode == "hermite" else None
            layout = rows.layout(fields, times is not None, factors)
            if known and layout != known:
                raise ValueError("fields, shapes or types are not those of the message before")
            times = np.array([came.time]) if times is None else _seconds(came, times)
            buffer.ascending(times, before)
            values = rows.packed(layout, fields, len(times))
            rates = None
            if self.mode == "hermite":
                rates = rows.packed_rates(layout, fields, len(times))
        except ValueError as exc:
            raise ms.Refused(f"time_bridge.{port} at t = {came.time:.6g} s: {exc}") from None
        if end is None:
            end = buffer.valid_until(times, before)
        return layout, self.Member(times=times, end=end, rows=values, rates=rates)

    def _answer(self, state: State) -> dict[str, Any]:
        from manyscale.bridges.time_bridge import buffer, rows

        blocks = list(state.samples.values())
        self._refuse_outside(state, blocks)
        many = '"many": true' in state.layout
        if not many and len(state.wanted) != 1:
            raise ms.Refused(
                f"time_bridge.times_in asks for {len(state.wanted)} times at once, and the samples"
                f" of field_in come one by one, without a field {TIMES!r}; ask for one"
            )
        slack = buffer.slack(state.now, state.next, state.wanted)
        found = buffer.values(self.mode, blocks, state.now, state.wanted, slack)
        fields = rows.unpacked(state.layout, *found)
        return {TIMES: state.wanted, **fields} if many else fields

    def _refuse_outside(self, state: State, blocks: list[Any]) -> None:
        from manyscale.bridges.time_bridge import buffer

        if self.extrapolate == "hold":
            return
        slack = buffer.slack(state.now, state.next, state.wanted)
        first, last = float(blocks[0].times[0]), buffer.reach(self.mode, blocks[-1])
        low = state.now if self.mode in buffer.MEANS else float(state.wanted[0])
        high = float(state.wanted[-1])
        if low < first - slack or high > last + slack:
            where = f"begin at {first:.6g} s" if low < first - slack else f"end at {last:.6g} s"
            raise ms.Refused(
                f"time_bridge: the samples of the source {where}, and the target wants data for"
                f" {f'{low:.6g} s to ' if low < high else ''}{high:.6g} s; let the source run as"
                " long as the target, or set extrapolate: hold"
            )

    # two ways

    def _for_source(self, state: State) -> dict[str, Any]:
        if 1 not in state.samples:
            return {}  # nothing is known of the target: it answers with how it starts
        return self._trajectory(state, 1, state.back_layout, self.source_moments)

    def _for_target(self, state: State) -> dict[str, Any]:
        return self._trajectory(state, 0, state.layout, self.target_moments)

    def _trajectory(self, state: State, side: int, layout: str, moments: int) -> dict[str, Any]:
        from manyscale.bridges.time_bridge import buffer, rows

        at = np.linspace(state.now, self._end(state), moments)
        known = state.samples[side]
        if self.mode in buffer.MEANS:
            means, _ = buffer.values(self.mode, [known], state.now, at[1:])
            # a mean belongs to the time it begins at
            return {TIMES: at, **rows.unpacked(layout, np.concatenate([means, means[-1:]]))}
        found = buffer.values(self.mode, [known], state.now, at)
        return {TIMES: at, **rows.unpacked(layout, *found)}

    def _end(self, state: State) -> float:
        return self.t_start + state.window * self.window

    def _exchanged(self, state: State, received: ms.Received) -> State:
        """Take the trajectory of the side whose turn it was."""
        if state.phase == "source":
            layout, block = self._side(state, received.field_in, state.layout, "field_in")
            samples = {**state.samples, 0: block}
            return state.but(phase="target", samples=samples, layout=layout)
        if received.back_in is None:
            raise ms.Refused(
                "time_bridge.back_in is not connected: two_way needs the answers of both sides"
            )
        layout, block = self._side(state, received.back_in, state.back_layout, "back_in")
        before = state.samples.get(1)
        tried = state.but(samples={**state.samples, 1: block}, back_layout=layout)
        if not self._settled(tried, before):
            return tried.but(phase="source", iteration=state.iteration + 1)
        return self._next_window(tried)

    def _side(self, state: State, came: ms.Contact, known: str, port: str) -> tuple[str, Member]:
        if TIMES not in came.fields:
            raise ms.Refused(
                f"time_bridge.{port}: two_way exchanges trajectories; send the times of the"
                f" samples as a field {TIMES!r} beside the others"
            )
        layout, block = self._block(came, known, np.inf, None, port)
        if len(block.times) > self.max_buffer:
            raise ms.Refused(
                f"time_bridge.{port} brings {len(block.times)} samples for one window and"
                f" max_buffer is {self.max_buffer}; raise it or make the window shorter"
            )
        start, end = state.now, self._end(state)
        slack = 1e-9 * self.window
        told = port == "back_in" or 1 in state.samples  # else it cannot know the way
        short = told and block.times[-1] < end - slack
        if abs(block.times[0] - start) > slack or short or block.times[-1] > end + slack:
            raise ms.Refused(
                f"time_bridge.{port}: the samples go from {block.times[0]:.6g} s to"
                f" {block.times[-1]:.6g} s, the window from {start:.6g} s to {end:.6g} s"
            )
        return layout, block

    def _settled(self, state: State, before: Any) -> bool:
        from manyscale.bridges.time_bridge import kernel, rows

        if before is None:
            return False  # the source has yet to hear of the target
        if state.iteration + 1 >= self.sweeps + (state.window == 1):
            return True
        new = state.samples[1]
        old = kernel.linear(before.times, before.rows, new.times)
        return all(
            kernel.change(new.rows[:, c.first : c.behind], old[:, c.first : c.behind]) <= self.tol
            for c in rows.columns(state.back_layout)
        )

    def _next_window(self, state: State) -> State:
        """Go on from the end of both trajectories, which are the first guess."""
        ends = {
            side: self.Member(
                times=block.times[-1:],
                end=np.inf,
                rows=block.rows[-1:],
                rates=None if block.rates is None else block.rates[-1:],
            )
            for side, block in state.samples.items()
        }
        window = state.window + 1
        phase = "done" if window > self.windows else "source"
        now = self._end(state)
        return state.but(phase=phase, now=now, samples=ends, window=window, iteration=0)


def _seconds(came: ms.Contact, times: Array) -> Array:
    from manyscale.contract.units import affine

    unit = came.units.get(TIMES, "s")
    return np.array(times, np.float64) if unit == "s" else affine(unit, "s")[0] * times


def _per_second(came: ms.Contact) -> dict[str, float]:
    """Return what turns the rate of each field into the unit of the field per second."""
    from manyscale.contract.units import affine

    pairs = {
        name: (came.units.get(f"{name}_rate"), f"({unit})/s") for name, unit in came.units.items()
    }
    return {name: affine(have, want)[0] for name, (have, want) in pairs.items() if have is not None}


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the bridge."""
    return [TimeBridge]


@ms.hookimpl
def manyscale_checks() -> list[ms.Check]:
    """Offer what can be checked of the clocks before a run."""
    from manyscale.bridges.time_bridge import checks

    return [checks.stable_impulses, checks.asked_for]
