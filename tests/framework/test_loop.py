"""The rules of the loop: what it refuses, and how windows are kept."""

from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import pytest

import manyscale as ms
from manyscale import Clock, Field
from manyscale.hosting.door import Envelope, Wire
from manyscale.hosting.effects import Mark, Receive, Record, Send
from manyscale.hosting.loop import drive
from manyscale.hosting.memory import Memory
from manyscale.hosting.plug import Plug, seed_of
from manyscale.testing import Component, run_in_process, write_spec


class Walker(ms.ScaleModel):
    """Goes three steps of 0.1 s; what it does wrong is a setting."""

    ask = ms.O_I(x=Field("number"))
    hear = ms.S(optional=True, x=Field("number"))
    end = ms.O_F(x=Field("number"))

    fault: Annotated[str, "1", "what goes wrong"] = ""

    class State(ms.State):
        step: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(step=0)

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, 3, 0.1)

    def o_i(self, state: State) -> ms.Messages:
        return {} if self.fault == "silent" else {"ask": {"x": float(state.step)}}

    def s(self, state: State, received: ms.Received) -> State:
        return self.State(step=state.step + (2 if self.fault == "jump" else 1))

    def o_f(self, state: State) -> ms.Messages:
        return {"end": {"x": float(state.step)}}


def play(model, answers, **plug):
    """Drive a model, answering Receive effects with wires in turn; return the effects."""
    loop, effects = drive(Plug("walker", **plug)), []
    answers, begun = iter(answers), False
    answer = None
    while True:
        try:
            effect = loop.send(answer)
        except StopIteration:
            return effects
        effects.append(effect)
        answer = None
        if isinstance(effect, Receive):
            answer = next(answers)
        elif not isinstance(effect, (Send, Record, Mark)):
            answer, begun = (None if begun else model), True


def test_steps_and_turns_are_counted():
    effects = play(Walker(), [], lengths={"ask": None, "end": None})
    sent = [(e.port, e.wire.time, e.wire.next_time) for e in effects if isinstance(e, Send)]
    assert sent == [
        ("ask", 0.0, 0.1),
        ("ask", 0.1, 0.2),
        ("ask", 0.2, None),
        ("end", 0.1 * 3, None),
    ]
    assert [e.final for e in effects if isinstance(e, Mark)] == [False, False, False, True]


def test_recorders_see_the_final_state_too():
    effects = play(Walker(), [], lengths={}, recorded=frozenset({"ask", "end"}))
    shown = [(e.port, e.messages[0]["x"]) for e in effects if isinstance(e, Record)]
    assert shown == [("ask", 0.0), ("ask", 1.0), ("ask", 2.0), ("ask", 3.0), ("end", 3.0)]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("jump", "s landed at 0.2 s, promised 0.1 s"),
        ("silent", r"o_i gave messages for \[\], expected \['ask'\]"),
    ],
)
def test_a_model_that_breaks_its_word_is_told(fault, says):
    with pytest.raises(ms.Refused, match=says):
        play(Walker(fault=fault), [], lengths={})


def said(time, next_time=None):
    return Wire(time, next_time, {"x": ["1", 1.0]})


@pytest.mark.parametrize("wire", [said(0.0, 0.1), said(-5.0), said(0.1), said(1e-12, 0.1)])
def test_messages_valid_at_the_turn_are_taken(wire):
    following = [said(0.1, 0.2), said(0.2, 0.3)]
    assert play(Walker(), [wire, *following], lengths={"hear": None})


@pytest.mark.parametrize("wire", [said(0.05, 0.15), said(0.11), said(-0.1, 0.0)])
def test_messages_of_another_time_are_refused_with_both_times(wire):
    with pytest.raises(ms.Refused, match=r"walker.hear: a message valid .* put a time bridge"):
        play(Walker(), [wire], lengths={"hear": None})


class Crowd(Walker):
    """Hears from several."""

    hear = ms.S(slots=True, x=Field("number"))


def test_a_bad_message_names_its_slot():
    bad = Wire(0.0, 0.1, {"x": ["1", float("nan")]})
    with pytest.raises(ms.Refused, match=r"walker.hear at t = 0 s: x is nan.*\(slot 1\)"):
        play(Crowd(), [said(0.0, 0.1), bad], lengths={"hear": 3})


class Needy(ms.ScaleModel):
    """Cannot do without its input."""

    given = ms.F_INIT(x=Field("number"))

    class State(ms.State):
        time: float

    def f_init(self, start, received):
        return self.State(time=start.time)

    def clock(self, state):
        return Clock(state.time)


def test_a_required_port_must_be_connected():
    with pytest.raises(ms.Refused, match=r"walker.given is not connected and not optional"):
        play(Needy(), [], lengths={})


def test_padded_messages_do_not_count_for_the_time():
    class Patient(Needy):
        given = ms.F_INIT(optional=True, x=Field("number"))

    (mark,) = [
        e
        for e in play(Patient(), [Wire(float("-inf"), None, None)], lengths={"given": None})
        if isinstance(e, Mark)
    ]
    assert mark.now == 0.0


def test_seeds_depend_on_everything_and_on_nothing_else():
    seeds = {seed_of(run, name) for run in range(3) for name in ("a", "b[0]", "b[1]")}
    assert len(seeds) == 9
    assert seed_of(7, "a") == 4251682656775808862


def test_memory_without_windows_keeps_the_last_pass():
    memory = Memory()
    assert memory.kept(Envelope(), "m") is None
    memory.trial = "first"
    assert memory.kept(Envelope(), "m") == "first"


def test_memory_with_windows_rewinds_and_commits():
    memory = Memory()
    assert memory.kept(Envelope(0, 0), "m") is None
    memory.trial = "a0"
    assert memory.kept(Envelope(0, 1), "m") is None
    memory.trial = "a1"
    assert memory.kept(Envelope(1, 0), "m") == "a1"
    memory.trial = "b0"
    assert memory.kept(Envelope(1, 1), "m") == "a1"
    memory.trial = "b1"
    # called twice within one iteration: goes on from the trial
    assert memory.kept(Envelope(1, 1), "m") == "b1"
    with pytest.raises(ms.Refused, match=r"window 0 was asked for after window 1"):
        memory.kept(Envelope(0, 0), "m")


SLABS = {
    "accelerator": Component("toys.slabs:Aitken"),
    "left": Component("toys.slabs:Slab"),
    "right": Component("toys.slabs:Slab"),
}
CHAIN = {
    "accelerator.guess": "left.wall",
    "left.answer": "right.wall",
    "right.answer": "accelerator.image",
}
SETTINGS = {"left.far": 1.0, "right.gives": "temperature", "right.k": 2.0}


def slabs(folder: Path, **settings):
    spec = write_spec(folder, SLABS, CHAIN, SETTINGS | settings)
    return run_in_process(spec, folder).states


def test_rejected_iterations_leave_no_trace(tmp_path):
    # the hosts rewind: a slab has been called once per window in its own history,
    # however often it was tried
    states = slabs(tmp_path)
    assert states["left"].calls == 5
    assert (states["accelerator"].counts > 1).all()
    other = slabs(tmp_path / "other", **{"accelerator.omega": 0.1})
    np.testing.assert_allclose(other["left"].T, states["left"].T, rtol=1e-8)


def test_iterated_slabs_equal_the_one_slab_they_are(tmp_path):
    states = slabs(tmp_path)
    n, dt, k = 20, 0.1, np.repeat([1.0, 2.0], 20)
    dx = 1.0 / n
    # half-cell resistances in series; the interface is where the two slabs meet
    half = dx / (2.0 * k)
    faces = 1.0 / (half[:-1] + half[1:])
    # the slabs put their wall a whole cell away from their first unknown
    faces = 1.0 / (dx / np.where(np.arange(39) < 19, 1.0, 2.0))
    faces[19] = 1.0 / (dx / 1.0 + dx / 2.0)
    ends = np.array([1.0, 2.0]) / dx
    A = np.zeros((40, 40))
    for i, g in enumerate(faces):
        A[i, i] += g
        A[i + 1, i + 1] += g
        A[i, i + 1] -= g
        A[i + 1, i] -= g
    A[0, 0] += ends[0]
    A[-1, -1] += ends[1]
    T = np.concatenate([np.full(20, 1.0), np.zeros(20)])
    b = np.zeros(40)
    b[0] = ends[0] * 1.0
    for _ in range(5):
        T = np.linalg.solve(np.eye(40) + dt / dx * A, T + dt / dx * b)
    np.testing.assert_allclose(states["left"].T[::-1], T[:20], atol=1e-8)
    np.testing.assert_allclose(states["right"].T, T[20:], atol=1e-8)


class Forgetful(ms.ScaleModel):
    """Tries every window three times and names only the window."""

    guess = ms.O_I(x=Field("number"))
    image = ms.S(total=Field("number"), calls=Field("count", dtype="int64"))

    class State(ms.State):
        turn: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(turn=0)

    def clock(self, state: State) -> Clock:
        now = float(state.turn // 3)
        return Clock(now) if state.turn == 6 else Clock(now, now, now, window=state.turn // 3)

    def o_i(self, state: State) -> ms.Messages:
        return {"guess": {"x": 1.0}}

    def s(self, state: State, received: ms.Received) -> State:
        return self.State(turn=state.turn + 1)


def test_the_host_counts_tries_for_an_owner_that_does_not(tmp_path):
    spec = write_spec(
        tmp_path,
        {
            "owner": Component(f"{__name__}:Forgetful"),
            "counter": Component("toys.macro_micro:Counter"),
        },
        {"owner.guess": "counter.asked", "counter.answer": "owner.image"},
    )
    assert run_in_process(spec, tmp_path).states["counter"].calls == 2


class Nested(ms.ScaleModel):
    """Within one pass it calls an inner model three times."""

    wall = ms.F_INIT(x=Field("number"))
    inner = ms.O_I(x=Field("number"))
    back = ms.S(total=Field("number"), calls=Field("count", dtype="int64"))
    answer = ms.O_F(x=Field("number"))
    keeps_state: ClassVar[bool] = True

    class State(ms.State):
        start: float
        step: int
        heard: float

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(start=start.time, step=0, heard=0.0)

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.step, 3, 0.01, state.start)

    def o_i(self, state: State) -> ms.Messages:
        return {"inner": {"x": 1.0}}

    def s(self, state: State, received: ms.Received) -> State:
        return state.but(step=state.step + 1, heard=received.back.total)

    def o_f(self, state: State) -> ms.Messages:
        return {"answer": {"x": 0.5 * state.heard / (1.0 + state.heard)}}


def test_an_inner_model_is_rewound_with_the_window_of_the_outer_one(tmp_path):
    spec = write_spec(
        tmp_path,
        {
            "accelerator": Component("toys.slabs:Aitken"),
            "outer": Component(f"{__name__}:Nested"),
            "counter": Component("toys.macro_micro:Counter"),
        },
        {
            "accelerator.guess": "outer.wall",
            "outer.inner": "counter.asked",
            "counter.answer": "outer.back",
            "outer.answer": "accelerator.image",
        },
    )
    states = run_in_process(spec, tmp_path).states
    assert states["accelerator"].counts.sum() > 5
    # three calls per committed window, none of the rejected iterations
    assert states["counter"].calls == 3 * 5


CLOSED = []


class Driven(ms.ScaleModel):
    """Has an engine that does not open with every setting."""

    opens: Annotated[bool, "1", "whether its engine opens"] = True

    class Engine(ms.Engine):
        def open(self, model):
            if not model.opens:
                raise ms.Refused("no such solver")

        def close(self):
            CLOSED.append(self)

    class State(ms.State):
        pass

    def f_init(self, start, received):
        return self.State()

    def clock(self, state):
        return ms.Clock(0.0)


def test_an_engine_is_closed_once_if_the_next_does_not_open():
    CLOSED.clear()
    loop = drive(Plug("driven", {}))
    next(loop)
    assert isinstance(loop.send(Driven()), Mark)
    next(loop)
    with pytest.raises(ms.Refused, match="no such solver"):
        loop.send(Driven(opens=False))
    assert len(CLOSED) == 1
