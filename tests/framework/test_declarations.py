"""What a class may declare, and the sentence when it may not."""

from typing import Annotated, Literal

import pytest

import manyscale as ms
from manyscale import Field, Ge, Gt, Le
from manyscale.contract.state import pack, unpack


class Settled(ms.ScaleModel):
    """A model of settings."""

    steps: Annotated[int, "1", "steps", Ge(1)]
    dt: Annotated[float, "s", "step", Gt(0)] = 0.5
    scheme: Annotated[Literal["euler", "heun"], "1", "scheme"] = "euler"
    points: Annotated[list[list[float]], "m", "points"] = [[]]
    on: Annotated[bool, "1", "switch"] = True
    weights: Annotated[list[float], "1", "weights", Ge(0), Le(1)] = [0.5]


def test_settings_are_a_value():
    assert Settled(steps=3) == Settled.with_settings({"steps": 3})
    assert Settled.name == "settled"
    assert Settled(steps=3).points == [[]]
    assert Settled.settings()["points"].default == [[]]


def test_a_whole_number_serves_as_a_float():
    model = Settled.with_settings({"steps": 1, "dt": 2, "weights": [1, 0]})
    assert type(model.dt) is float
    assert model.weights == [1.0, 0.0]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "settled.steps is missing"),
        ({"steps": 0}, "steps is 0, expected >= 1"),
        ({"steps": 1, "dt": 0.0}, "dt is 0 s, expected > 0 s"),
        ({"steps": 1, "dt": float("nan")}, "expected a finite number"),
        ({"steps": True}, r"is True \(bool\), expected int"),
        ({"steps": 1.0}, "expected int"),
        ({"steps": 1, "dt": "0.1"}, r"'0.1' \(str\), expected float \[s\]: step"),
        ({"steps": 1, "scheme": "hein"}, "expected one of: euler, heun"),
        ({"steps": 1, "weights": [0.1, 2.0]}, "weights is 2, expected >= 0, <= 1"),
        ({"steps": 1, "setps": 2}, "no setting 'setps'. Did you mean 'steps'"),
    ],
)
def test_bad_settings_are_refused_in_a_sentence(values, says):
    with pytest.raises(ms.Refused, match=says):
        Settled.with_settings(values)


def refused_class(**body):
    return type("Bad", (ms.ScaleModel,), {"__module__": __name__, **body})


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"__annotations__": {"dt": float}, "dt": 1.0}, "Setting Bad.dt is declared as Annotated"),
        ({"__annotations__": {"dt": Annotated[float, "s"]}, "dt": 1.0}, "needs a unit and a text"),
        ({"__annotations__": {"f": Annotated[complex, "1", "x"]}, "f": 1}, "yMMSL cannot carry"),
        ({"clock": ms.O_F(x=Field("number"))}, "this name is taken"),
        ({"out": ms.O_F(x=Field("number", "1", "x=cells"))}, "axis x=cells names no int setting"),
        ({"out": ms.O_F(x=Field("number", "1", "time"))}, "time and slot belong to recordings"),
        ({"out": ms.O_F(x=Field("number", "1", "y"), y=Field("number", "1", "x"))}, "coordinate"),
        ({"out": ms.O_F(x=Field("number", mesh="grid", location="cell"))}, "no mesh 'grid'"),
    ],
)
def test_bad_declarations_fail_at_import(body, says):
    with pytest.raises(TypeError, match=says):
        refused_class(**body)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ms.F_INIT(plain=True, a=Field("number"), b=Field("number")), "exactly one field"),
        (lambda: ms.O_F(timeline="slow", a=Field("number")), "Only O_I and S ports"),
        (lambda: ms.O_F(optional=True, a=Field("number")), "always optional"),
        (lambda: ms.S(time=Field("time", "s")), "cannot be called 'time'"),
        (lambda: ms.S(), "at least one field"),
        (lambda: ms.S(optional=Field("number")), "cannot be called slots, optional"),
        (lambda: Field("number", dtype="complex128"), "cannot travel"),
        (lambda: Field("number", mesh="grid"), "both `mesh` and `location`"),
        (lambda: Field("text", axes="x", dtype="str"), "scalar field may be a str"),
    ],
)
def test_bad_ports_and_fields(make, says):
    with pytest.raises(TypeError, match=says):
        make()


def test_a_function_makes_a_model():
    @ms.pure(conductivity=Field("thermal_conductivity", "W/(m K)"))
    def power_law(
        temperature: Annotated[float, Field("temperature", "K")],
        *,
        exponent: Annotated[float, "1", "of the power law"] = -1.3,
    ):
        """k = 148 (T/300 K)**n."""
        return 148.0 * (temperature / 300.0) ** exponent

    model = power_law(exponent=-1.0)
    received = ms.Received({"given": ms.Contact(2.0, None, {"temperature": 600.0})})
    state = model.f_init(ms.Start(2.0), received)
    assert model.clock(state) == ms.Clock(2.0)
    assert model.o_f(state) == {"found": {"conductivity": 74.0}}
    assert unpack(power_law.State, pack(state)).conductivity == 74.0


def test_steps_are_counted():
    clocks = [ms.Clock.steps(n, 3, 0.1, 1.0) for n in range(4)]
    assert [c.now for c in clocks] == [1.0, 1.1, 1.2, 1.0 + 3 * 0.1]
    assert [c.next for c in clocks] == [1.1, 1.2, None, None]
    assert [c.to for c in clocks] == [1.1, 1.2, 1.0 + 3 * 0.1, None]


def test_a_step_lost_in_its_time_is_refused():
    with pytest.raises(ms.Refused, match=r"5e-15 s is lost in the time 86400.0 s"):
        ms.Clock.steps(0, 1, 5e-15, 86400.0)
    with pytest.raises(ms.Refused, match=r"md: a step of 1.01863e-10 s is lost"):
        ms.Clock(86400.0, 86400.0 + 1e-10).resolvable("md")
    ms.Clock(86400.0, 86400.001).resolvable("md")
