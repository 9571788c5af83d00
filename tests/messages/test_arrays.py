"""Arrays: a receiver gets what stock MUSCLE3 would give it, whichever way they went."""

import os
from unittest import mock

import hypothesis.extra.numpy as hnp
import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libmuscle.grid import Grid
from libmuscle.mpp_message import Milestone, MPPMessage
from ymmsl.v0_2 import Settings

from manyscale.hosting.transport import arrays, wire
from manyscale.hosting.transport.segments import Pool, mapped
from messages.ends import message, numbered, pair, stock_encoded, stock_from_bytes

KINDS = ("int32", "int64", "float32", "float64", "bool")
BASE = np.arange(8 * 9 * 70).reshape(8, 9, 70)
LAYOUTS = {
    "C": BASE,
    "F": np.asfortranarray(BASE),
    "a transposed view": BASE.transpose(1, 2, 0),
    "every second": BASE[:, ::2],
    "backwards": BASE[::-1],
    "broadcast": np.broadcast_to(BASE[0], (5, 9, 70)),
    "a column": BASE[:, :, 3],
    "one axis": BASE.ravel(),
    "one element": BASE[:1, :1, :1],
    "no axis": np.array(5),
    "nothing": BASE[:0],
    "nothing in F order": np.asfortranarray(BASE[:, :0]),
    "read-only": np.frombuffer(BASE.tobytes(), BASE.dtype),
    "many axes": BASE.reshape(2, 2, 2, 3, 3, 1, 7, 10),
    "both orders": BASE.ravel()[:100].reshape(1, 100, 1),
}


def stock(data):
    """Return what stock MUSCLE3 makes of data on its way."""
    return stock_from_bytes(stock_encoded(message(data))).data


def inline(data):
    """Return what becomes of data within a message."""
    return wire.from_bytes(wire.packed(wire.plain(message(data)))).data


def shared(data):
    """Return what becomes of data whose arrays lie in a segment, however small they are."""
    pool = Pool(2**30)
    with mock.patch.object(arrays, "LARGE", 1):
        shipped = wire.Loading(pool).shipped(wire.plain(message(data)))
    came = wire.Arrived(shipped)
    came.source = Mapped(pool)
    found = wire.from_bytes(came).data
    pool.close()
    return found


class Mapped:
    """The segments of a pool as another process maps them."""

    def __init__(self, pool):
        self._pool, self.released = pool, []

    def mapping(self, number):
        segment = self._pool.numbered(number)
        memory = mapped(os.dup(segment.descriptor), segment.capacity, writable=False)
        return np.frombuffer(memory, np.uint8)

    def release(self, number, filling):
        self.released.append((number, filling))


WAYS = {"inline": inline, "shared": shared}


def told(data):
    """Return all that can be seen of data, arrays with their type, order, bytes and flags."""
    if isinstance(data, Grid):
        array = data.array
        flags = array.flags.c_contiguous, array.flags.f_contiguous, array.flags.writeable
        return "grid", array.dtype.str, array.shape, array.tobytes(), flags, data.indexes
    if isinstance(data, dict):
        return {key: told(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [told(value) for value in data]
    if isinstance(data, Settings):
        return dict(data.as_ordered_dict())
    return type(data), repr(data)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_array_arrives_as_from_stock(way, kind, layout):
    array = LAYOUTS[layout]
    if kind != "int64":
        array = array.astype(kind) if array.base is None else _viewed(array, kind)
    assert told(WAYS[way](array)) == told(stock(array))
    assert told(WAYS[way](Grid(array))) == told(stock(Grid(array)))


def _viewed(array, kind):
    """Return the same layout in another type."""
    made = array.astype(kind, order="K")
    assert made.shape == array.shape
    return made


@pytest.mark.parametrize("way", WAYS)
def test_names_of_axes_arrive(way):
    grid = Grid(np.arange(6.0).reshape(2, 3), ["x", "y"])
    assert WAYS[way](grid).indexes == ["x", "y"]
    assert told(WAYS[way](grid)) == told(stock(grid))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [0, 1, 5, 4096])
@pytest.mark.parametrize("kind", KINDS)
def test_a_received_array_is_read_only_and_aligned(way, kind, size):
    found = WAYS[way]([np.ones(3, "bool"), np.ones(size, kind)])[1].array
    assert not found.flags.writeable
    assert found.flags.aligned
    with pytest.raises(ValueError, match="cannot set WRITEABLE"):
        found.setflags(write=True)


ODD = {
    "big-endian": np.arange(4, dtype=">f8"),
    "complex": np.ones(3, complex),
    "object": np.array([None, 1], dtype=object),
    "text": np.array(["a", "b"]),
    "bytes": np.array([b"a"]),
    "float16": np.ones(3, "float16"),
    "int8": np.ones(3, "int8"),
    "uint64": np.ones(3, "uint64"),
    "structured": np.zeros(3, [("x", "f8")]),
    "datetime": np.zeros(2, "M8[s]"),
    "a number of numpy": np.float32(3.0),
    "a set": {1, 2},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ODD)
def test_what_stock_refuses_is_refused_with_its_words(way, name):
    for data in (ODD[name], {"x": ["m", ODD[name]]}):
        with pytest.raises((RuntimeError, TypeError)) as ours:
            WAYS[way](data)
        with pytest.raises(type(ours.value)) as theirs:
            stock(data)
        assert str(ours.value) == str(theirs.value)


LIKE_ARRAYS = {
    "masked": np.ma.masked_array(np.arange(5.0), [0, 1, 0, 1, 0], fill_value=-7.0),
    "matrix-like view": np.arange(6.0).reshape(2, 3).view(np.ndarray),
    "a number": 5,
    "a large number": 2**63,
    "text": "ä" * 40,
    "bytes": b"\0" * 99,
    "nothing": None,
    "truth": True,
    "settings": Settings({"x": 1.5, "y": [1.0, 2.0]}),
    "a foreign extension": msgpack.ExtType(99, b"what it means nobody knows"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LIKE_ARRAYS)
def test_other_data_arrives_as_from_stock(way, name):
    for data in (LIKE_ARRAYS[name], {"x": ["m", LIKE_ARRAYS[name]]}):
        assert told(WAYS[way](data)) == told(stock(data))


@pytest.mark.parametrize("way", WAYS)
def test_milestones_arrive(way):
    assert WAYS[way](Milestone([3, 1])).iteration == [3, 1]


def test_everything_around_the_data_arrives():
    sent = MPPMessage(
        message(None).sender, message(None).receiver, 7, 1.5, 2.5, Settings({"a": 1}), 12, 1.0, [2]
    )
    for found in (wire.from_bytes(wire.packed(wire.plain(sent))),):
        theirs = stock_from_bytes(stock_encoded(sent))
        ours = wire.plain(found)
        assert ours.keys() == vars(theirs).keys()
        assert ours == wire.plain(theirs)
        assert isinstance(found.sender, type(theirs.sender))


numbers = st.sampled_from(KINDS)
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7)
laid = st.one_of(
    numbers.flatmap(lambda kind: hnp.arrays(kind, shapes)),
    numbers.flatmap(lambda kind: hnp.arrays(kind, shapes)).map(np.asfortranarray),
    numbers.flatmap(lambda kind: hnp.arrays(kind, shapes)).map(lambda array: array.T),
)
leaves = st.one_of(
    laid, laid.map(Grid), st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False), st.text(max_size=5), st.binary(max_size=5),
)  # fmt: skip
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(deadline=None, max_examples=150)
@given(anything)
def test_any_data_arrives_as_from_stock(data):
    theirs = told(stock(data))
    assert told(inline(data)) == theirs
    assert told(shared(data)) == theirs


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=80))
def test_any_bytes_are_an_array_or_an_error(data):
    try:
        found = arrays.from_inline(data)
    except arrays.BrokenPeerError:
        return
    assert found.array.nbytes <= len(data)


def test_one_array_in_many_places_lies_where_it_is_found():
    array = numbered(3)
    data = {"a": array, "b": [array, array[:2050]], "c": Grid(array)}
    assert told(shared(data)) == told(stock(data))


def test_small_arrays_beside_a_large_one_travel_within_the_message():
    with pair() as (sender, receiver):
        sender.send({"small": np.arange(5), "large": numbered(1), "text": "x"})
        assert next(iter(sender.dispatch.outgoing.values())).shared == numbered(1).nbytes
        found = receiver.receive().data
        assert np.array_equal(found["small"].array, np.arange(5))
        assert np.array_equal(found["large"].array, numbered(1))


@pytest.mark.parametrize("size", [16383, 16384, 16385])
def test_where_large_begins(size):
    with pair() as (sender, receiver):
        sender.send(np.ones(size, "bool"))
        assert receiver.array().nbytes == size
        (to,) = sender.dispatch.outgoing.values()
        assert to.shared == (size if size >= arrays.LARGE else 0)


def test_arrays_of_messages_that_are_one_after_another_are_not_confused():
    """A new array may lie where an old one did and have its identity."""
    with pair() as (sender, receiver):
        for number in range(100):
            sender.send(numbered(number))
            assert np.array_equal(receiver.array(), numbered(number))


def test_a_message_inlined_for_stock_is_the_one_that_stock_makes():
    pool = Pool(2**30)
    data = {"x": ["m", numbered(1)], "y": Grid(numbered(2).reshape(64, 64).T), "": {"a": 1}}
    shipped = wire.Loading(pool).shipped(wire.plain(message(data)))
    assert shipped.segment is not None
    assert wire.inlined(shipped, pool) == stock_encoded(message(data))
    pool.close()


def test_descriptors_do_not_grow_with_messages():
    with pair() as (sender, receiver):
        counts = []
        for number in range(200):
            sender.send([numbered(number, 4096 + 8 * number)])
            receiver.receive()
            counts.append(len(os.listdir("/proc/self/fd")))
        assert max(counts[20:]) <= max(counts[:20]) + 4
