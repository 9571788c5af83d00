"""What passes a port is what was declared, or one sentence says what is wrong."""

from typing import Annotated

import numpy as np
import pytest

import manyscale as ms
from manyscale import Field, Ge
from manyscale.hosting.door import Door, Envelope, Wire


class Wall(ms.ScaleModel):
    """Has a port of every kind."""

    profile = ms.S(
        T=Field("temperature", "K", "x=cells"),
        q=Field("heat_flux", "W/m2", "x"),
        mask=Field("count", "1", "x", dtype="bool", optional=True),
    )
    maybe = ms.S(optional=True, n=Field("count", dtype="int64"))
    holes = ms.S(T=Field("temperature", "K", "x", finite=False))
    bare = ms.S(plain=True, T=Field("temperature", "K", "x"))
    grid = ms.Mesh("rectilinear", axes="x")
    shown = ms.O_I(T=Field("temperature", "degC", "x", mesh="grid", location="cell"))
    heard = ms.S(T=Field("temperature", "K", "x", mesh="grid", location="cell"))

    cells: Annotated[int, "1", "cells", Ge(1)] = 3


MODEL = Wall()


def door(port):
    return Door(MODEL, MODEL.ports[port], f"wall.{port}")


def profile(**changes):
    fields = {"T": ["K", np.full(3, 300.0)], "q": ["W/m2", np.zeros(3)]}
    return {k: v for k, v in (fields | changes).items() if v is not None}


def test_a_good_message_passes():
    contact = door("profile").from_wire(Wire(1.0, 2.0, profile()))
    assert contact.time == 1.0
    np.testing.assert_array_equal(contact.T, np.full(3, 300.0))


def test_units_are_converted_at_the_receiving_port():
    wire = Wire(0.0, None, profile(T=["degC", np.zeros(3)], q=["kW/m2", np.ones(3)]))
    contact = door("profile").from_wire(wire)
    np.testing.assert_array_equal(contact.T, np.full(3, 273.15))
    np.testing.assert_array_equal(contact.q, np.full(3, 1000.0))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"T": None}, r"wall.profile at t = 1.5 s: field 'T' is missing, expected temperature"),
        ({"T": ["K", np.ones(4)]}, r"T has 4 along x, expected 3 \(the setting cells\)"),
        ({"q": ["W/m2", np.ones(2)]}, "q has 2 along x, expected 3"),
        ({"T": ["K", np.ones((3, 1))]}, r"T has 2 axes, expected 1 \(x\)"),
        ({"T": ["K", np.ones(3, np.float32)]}, "T is float32, expected float64"),
        ({"T": ["K", np.array([1.0, np.nan, np.inf])]}, r"2 values.*first at index \[1\]"),
        ({"T": ["m", np.ones(3)]}, "Unit 'm' .* cannot become 'K'"),
        ({"S": ["K", np.ones(3)]}, "field 'S' arrived and is not declared"),
    ],
)
def test_bad_messages_are_refused_with_place_and_time(changes, says):
    with pytest.raises(ms.Refused, match=says):
        door("profile").from_wire(Wire(1.5, None, profile(**changes)))


def test_infinities_that_cancel_are_found():
    values = np.zeros(5000)
    values[[10, 4000]] = np.inf, -np.inf
    with pytest.raises(ms.Refused, match=r"2 values that are not finite"):
        Door(MODEL, Wall.ports["bare"], "wall.bare").from_wire(Wire(0.0, None, values))


def test_large_finite_numbers_pass():
    for size in (3, 5000):
        huge = np.full(size, 1e308)
        assert Door(MODEL, Wall.ports["bare"], "wall.bare").from_wire(Wire(0.0, None, huge))


def test_an_optional_field_may_be_absent_or_there():
    there = profile(mask=["1", np.ones(3, bool)])
    assert door("profile").from_wire(Wire(0.0, None, there)).mask.all()
    assert "mask" not in door("profile").from_wire(Wire(0.0, None, profile())).fields


def test_nothing_arrives_only_on_optional_ports():
    assert door("maybe").from_wire(Wire(0.0, None, None)) is None
    with pytest.raises(ms.Refused, match=r"padded or skipped message arrived on a required port"):
        door("profile").from_wire(Wire(0.0, None, None))


def test_holes_pass_where_the_model_has_a_rule():
    wire = Wire(0.0, None, {"T": ["K", np.array([np.nan])]})
    assert np.isnan(door("holes").from_wire(wire).T[0])


def test_a_plain_port_takes_and_gives_bare_values():
    assert door("bare").from_wire(Wire(0.0, None, np.ones(2))).T.sum() == 2.0
    values = door("bare").checked({"T": np.ones(2)}, 0.0)
    assert isinstance(door("bare").to_wire(values, Envelope(), {}, None), np.ndarray)


def test_a_bare_value_at_a_field_port_is_explained():
    with pytest.raises(ms.Refused, match=r"a bare ndarray arrived.*declare the port plain"):
        door("profile").from_wire(Wire(0.0, None, np.ones(3)))


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ({}, "field 'T' is missing"),
        ({"T": np.ones(3), "q": np.zeros(3), "t": 1}, "field 't' is not declared.*'T'|Known are"),
        ({"T": np.ones(3), "q": 3.0}, "q has 0 axes"),
        ([1.0], "a message is a mapping, found list"),
    ],
)
def test_what_a_model_wants_to_send_is_checked_too(message, says):
    with pytest.raises(ms.Refused, match=says):
        door("profile").checked(message, 0.0)


def test_scalars_are_plain_python_on_the_wire():
    value = door("maybe").checked({"n": np.int64(3)}, 0.0)["n"]
    assert type(value) is int
    with pytest.raises(ms.Refused, match=r"n is float, expected one int"):
        door("maybe").checked({"n": 3.0}, 0.0)


def test_whole_numbers_and_masked_arrays_are_not_converted():
    with pytest.raises(ms.Refused, match="only real numbers are converted"):
        door("maybe").from_wire(Wire(0.0, None, {"n": ["percent", 3]}))
    with pytest.raises(ms.Refused, match="T is masked"):
        door("bare").checked({"T": np.ma.masked_invalid([1.0, np.nan])}, 0.0)
    with pytest.raises(ms.Refused, match="whole number of 64 bits"):
        door("maybe").checked({"n": 2**70}, 0.0)


def test_strided_arrays_travel_contiguously():
    values = door("bare").checked({"T": np.arange(6.0)[::2]}, 0.0)
    assert values["T"].flags.c_contiguous


def test_a_mesh_comes_with_its_field_and_large_ones_only_once():
    edges = np.linspace(0.0, 1.0, 20_001)
    geometry = {"grid": ms.grid(x=edges)}
    sender, receiver = door("shown"), door("heard")
    values = sender.checked({"T": np.zeros(20_000)}, 0.0)
    first = sender.to_wire(values, Envelope(), geometry, None)
    second = sender.to_wire(values, Envelope(), geometry, None)
    assert "geometry" in first[""]
    assert "geometry" not in second[""]
    for data in (first, second):
        contact = receiver.from_wire(Wire(0.0, None, data))
        np.testing.assert_array_equal(contact.meshes["grid"].arrays["edges_x"], edges)
        assert contact.T[0] == 273.15
    with pytest.raises(ms.Refused, match=r"geometry of a mesh never arrived"):
        door("heard").from_wire(Wire(0.0, None, second))


def test_edges_must_ascend():
    with pytest.raises(ms.Refused, match=r"edges of axis y"):
        ms.grid(x=np.arange(3.0), y=np.array([0.0, 0.0]))
