"""States are packed, unpacked and frozen without loss."""

import numpy as np
import pytest

import manyscale as ms
from manyscale.contract.state import freeze, pack, same, unpack


class Inner(ms.State):
    x: float


class Whole(ms.State):
    name: str
    count: int
    on: bool
    blob: bytes
    nothing: None
    scalar: np.float32
    fortran: ms.Array
    empty: ms.Array
    wave: ms.Array
    members: dict[int, Inner]


def example():
    return Whole(
        name="a", count=2**60, on=True, blob=b"\0\1", nothing=None, scalar=np.float32(0.1),
        fortran=np.asfortranarray(np.arange(6.0).reshape(2, 3)), empty=np.zeros((0, 3)),
        wave=np.array([1 + 2j]), members={7: Inner(x=0.1), -1: Inner(x=np.pi)},
    )  # fmt: skip


def test_a_state_survives_packing():
    state = example()
    copy = unpack(Whole, pack(state), Inner)
    assert same(state, copy)
    assert copy.members[7].x == 0.1
    assert copy.scalar == np.float32(0.1)
    assert type(copy.scalar) is np.float32
    np.testing.assert_array_equal(copy.fortran, state.fortran)
    assert copy.empty.shape == (0, 3)


def test_frozen_arrays_cannot_be_written():
    state = freeze(example())
    with pytest.raises(ValueError, match="read-only"):
        state.fortran[0, 0] = 1.0


def test_a_state_with_other_fields_is_refused():
    with pytest.raises(ms.Refused, match=r"holds \['x'\], Whole needs"):
        unpack(Whole, pack(Inner(x=1.0)))


@pytest.mark.parametrize("value", [object(), [1.0], np.array([None])])
def test_what_cannot_be_kept_is_named(value):
    with pytest.raises(TypeError, match=r"State\.x"):
        pack(Inner(x=value))


def test_states_differ_by_one_bit():
    assert not same(Inner(x=0.1), Inner(x=np.nextafter(0.1, 1.0)))


class Grid(ms.State):
    values: ms.Array


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1), (2, 0, 1)])
def test_the_order_in_memory_survives(axes):
    values = np.random.default_rng(1).random((3, 4, 5)).transpose(axes)
    copy = unpack(Grid, pack(Grid(values=values))).values
    np.testing.assert_array_equal(copy, values)
    assert copy.strides == values.strides
    assert not copy.flags.writeable
    part = values[::2, ::-1]
    np.testing.assert_array_equal(unpack(Grid, pack(Grid(values=part))).values, part)


class Farm(ms.State):
    cells: dict[tuple[int, int], Inner]


def test_members_may_be_keyed_by_tuples():
    farm = Farm(cells={(0, 1): Inner(x=1.0), (2, 3): Inner(x=2.0)})
    assert unpack(Farm, pack(farm), Inner).cells[2, 3].x == 2.0
    with pytest.raises(ms.Refused, match="mapping of States; name their class `Member`"):
        unpack(Farm, pack(farm))


def test_members_are_states():
    with pytest.raises(TypeError, match=r"State\.cells is a mapping that holds a float"):
        pack(Farm(cells={(0, 1): 1.0}))
