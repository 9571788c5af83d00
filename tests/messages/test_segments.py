"""Segments: filled again when nobody looks at them and never before, bounded, and safe."""

import gc
import os
import resource

import numpy as np
import pytest

from manyscale.hosting.transport import segments
from manyscale.hosting.transport.arrays import Leases, shared
from manyscale.hosting.transport.segments import PER_PORT, Pool, Segment
from messages.ends import numbered, pair

MB = 2**20


class Reader:
    """Somebody who is sent segments and says when they are needed no more."""

    def __init__(self):
        self.released, self.forgotten = set(), []

    def has_released(self, segment, filling):
        return (segment, filling) in self.released

    def forget(self, segment):
        self.forgotten.append(segment)


def sent(pool, size, *readers, port="a.out"):
    segment = pool.take(port, size)
    if segment is not None:
        for reader in readers:
            segment.sent_to(reader)
    return segment


def release(segment, *readers):
    for reader in readers:
        reader.released.add((segment.number, segment.filling))


def test_a_segment_is_filled_again_when_all_readers_have_released_it():
    pool, one, other = Pool(64 * MB), Reader(), Reader()
    first = sent(pool, MB, one, other)
    release(first, one)
    second = sent(pool, MB, one)
    assert second is not first
    release(first, other)
    assert sent(pool, MB, one) is first
    assert first.filling == 2
    pool.close()


def test_the_smallest_that_fits_is_taken():
    pool, reader = Pool(64 * MB), Reader()
    large, small = sent(pool, 8 * MB, reader), sent(pool, MB, reader)
    release(large, reader)
    release(small, reader)
    assert sent(pool, MB // 2, reader) is small
    assert sent(pool, MB // 2, reader) is large
    pool.close()


def test_a_port_has_a_bounded_number_and_others_are_untouched():
    pool, reader = Pool(64 * MB), Reader()
    taken = [sent(pool, 100, reader) for _ in range(PER_PORT)]
    assert len({segment.number for segment in taken}) == PER_PORT
    assert sent(pool, 100, reader) is None
    assert pool.refused == 1
    assert sent(pool, 100, reader, port="a.other") is not None
    release(taken[3], reader)
    assert sent(pool, 100, reader) is taken[3]
    pool.close()


def test_all_ports_together_keep_to_the_budget():
    pool, reader = Pool(3 * MB), Reader()
    taken = [sent(pool, MB, reader, port=f"a.out[{n}]") for n in range(6)]
    assert [segment is None for segment in taken] == [False] * 3 + [True] * 3
    assert pool.used == pool.most == 3 * MB
    assert pool.refused == 3
    pool.close()


def test_what_is_too_small_is_given_back_and_forgotten():
    pool, reader = Pool(2 * MB), Reader()
    small = sent(pool, MB, reader)
    assert sent(pool, 2 * MB, reader) is None  # somebody still looks at the small one
    release(small, reader)
    assert sent(pool, 2 * MB, reader).capacity == 2 * MB
    assert reader.forgotten == [small.number]
    assert pool.used == 2 * MB
    with pytest.raises(KeyError):
        pool.numbered(small.number)
    pool.close()


def test_messages_that_grow_a_little_do_not_each_need_a_segment():
    pool, reader = Pool(64 * MB), Reader()
    for size in range(MB, MB + 40_000, 1000):
        segment = sent(pool, size, reader)
        release(segment, reader)
    assert len(pool._by_number) <= 2
    pool.close()


def test_a_process_without_descriptors_copies_instead():
    """Arrays of many slots must not end an instance that could as well copy."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    pool, reader = Pool(64 * MB), Reader()
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 4, hard))
    try:
        taken = [sent(pool, 100, reader, port=f"a.out[{n}]") for n in range(12)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert taken[0] is not None
    assert taken[-1] is None
    assert pool.refused >= 1
    pool.close()


def test_a_pool_that_is_closed_holds_no_descriptor():
    before = set(os.listdir("/proc/self/fd"))
    pool, reader = Pool(64 * MB), Reader()
    for number in range(5):
        sent(pool, MB, reader, port=f"a.out[{number}]")
    pool.close()
    assert set(os.listdir("/proc/self/fd")) <= before


def test_numbers_run_out_without_harm(monkeypatch):
    monkeypatch.setattr(segments, "MOST", 2)
    pool, reader = Pool(64 * MB), Reader()
    taken = [sent(pool, 100, reader, port=f"a.out[{n}]") for n in range(4)]
    assert [segment is None for segment in taken] == [False, False, True, True]
    pool.close()


class Lent:
    """Receives from a segment of this process."""

    def __init__(self, segment):
        self._segment, self.released = segment, []

    def mapping(self, number):
        return self._segment.bytes

    def release(self, number, filling):
        self.released.append((number, filling))


@pytest.fixture
def lent():
    """A segment with two arrays in it, and who received them."""
    segment = Segment(5, MB)
    segment.filling = 9
    places = [shared(numbered(n), segment, n * 65536) for n in (0, 1)]
    source = Lent(segment)
    leases = Leases(source)
    arrays = [leases.array(place.data).array for place in places]
    del leases
    yield source, arrays
    os.close(segment.descriptor)


def test_a_lease_ends_with_the_last_array_of_a_message(lent):
    source, arrays = lent
    arrays.pop()
    gc.collect()
    assert source.released == []
    assert np.array_equal(arrays[0], numbered(0))
    arrays.pop()
    assert source.released == [(5, 9)]


def views(array):
    yield "slice", array[10:20]
    yield "stride", array[::7]
    yield "reshaped", array.reshape(64, 64).T[3:, 5:9]
    yield "other type", array.view(np.int64)[5:]
    yield "view of a view of a view", array[1:][1:].reshape(2, -1)[0].view()
    yield "memoryview", memoryview(array)[4:8]
    yield "field of a structure", array.view([("x", "f8")])["x"][:3]
    yield "as array", np.asarray(array[2:3])
    yield "iterator", iter(array[:5])
    yield "flat", array.flat


@pytest.mark.parametrize("name", [name for name, _ in views(np.zeros(4096))])
def test_any_view_keeps_the_lease(lent, name):
    source, arrays = lent
    kept = dict(views(arrays[0]))[name]
    arrays.clear()
    gc.collect()
    assert source.released == []
    del kept
    gc.collect()
    assert source.released == [(5, 9)]


def test_a_copy_keeps_no_lease(lent):
    source, arrays = lent
    kept = [arrays[0].copy(), arrays[0][::2] + 1.0, arrays[1].tolist()]
    arrays.clear()
    gc.collect()
    assert source.released == [(5, 9)]
    assert np.array_equal(kept[0], numbered(0))


def test_a_sender_uses_one_segment_for_a_receiver_that_keeps_nothing():
    with pair() as (sender, receiver):
        for number in range(50):
            sender.send(numbered(number))
            assert np.array_equal(receiver.array(), numbered(number))
        assert len(sender.pool._by_number) == 1
        assert sender.pool.refused == 0


def test_what_a_receiver_keeps_is_never_written_over():
    with pair() as (sender, receiver):
        kept = []
        for number in range(20):
            sender.send(numbered(number))
            kept.append(receiver.array()[3:])
        assert all(np.array_equal(a, numbered(n)[3:]) for n, a in enumerate(kept))
        assert len(sender.pool._by_number) == PER_PORT
        assert sender.pool.refused == 20 - PER_PORT
        kept.clear()
        sender.send(numbered(99))
        assert np.array_equal(receiver.array(), numbered(99))
        assert sender.pool.refused == 20 - PER_PORT


def test_a_sender_may_change_its_array_at_once():
    with pair() as (sender, receiver):
        array = numbered(1)
        sender.send(array)
        array[:] = 0.0
        assert np.array_equal(receiver.array(), numbered(1))


@pytest.mark.parametrize("budget", [0, 40_000, 200_000])
def test_little_memory_makes_copies_of_what_does_not_fit(budget):
    with pair(budget=budget) as (sender, receiver):
        kept = []
        for number in range(5):
            sender.send([numbered(number), numbered(number + 100)])
            kept.append([grid.array for grid in receiver.receive().data])
        for number, (one, other) in enumerate(kept):
            assert np.array_equal(one, numbered(number))
            assert np.array_equal(other, numbered(number + 100))
        assert sender.pool.most <= budget
        assert sender.pool.refused >= 1


def test_several_receivers_share_one_copy_and_release_it_each():
    with pair() as (sender, receiver):
        for port in ("b.other", "b.third"):
            sender.meet(port)
        kept = []
        for number in range(3):
            sender.send(numbered(number), "b.heard", "b.other", "b.third")
            kept.append([receiver.array(port) for port in ("b.heard", "b.other", "b.third")])
            kept[-1] = kept[-1][number:]  # the last of them keep it
        assert len(sender.pool._by_number) == 3
        assert sum(to.shared for to in sender.dispatch.outgoing.values()) == 9 * 4096 * 8
        for number, some in enumerate(kept):
            assert all(np.array_equal(array, numbered(number)) for array in some)
